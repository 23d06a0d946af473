# SPDX-License-Identifier: Apache-2.0
"""HLS: reading playlists, loading them, choosing renditions."""
