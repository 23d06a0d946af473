# SPDX-License-Identifier: Apache-2.0
"""MPEG-DASH: reading manifests, and following them as if they were playlists.

Few streams are DASH: what is in the modules here takes a megabyte, and is loaded for those alone.
"""


def looks_like_dash(data: bytes) -> bool:
    """Whether the beginning of an answer is that of an MPD."""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(b"<") and (b"<MPD" in head or b":MPD" in head)
