# SPDX-License-Identifier: Apache-2.0
"""How requests change objects: patches, field ownership and server-side apply."""
