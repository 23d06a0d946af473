# SPDX-License-Identifier: Apache-2.0
"""Looking and listening: from a segment's bytes to pictures and sound, as little as needed."""
