# SPDX-License-Identifier: Apache-2.0
"""Following a stream segment by segment, whatever its protocol."""
