# SPDX-License-Identifier: Apache-2.0
"""MPEG-DASH: reading manifests, and following them as if they were playlists."""
