# SPDX-License-Identifier: Apache-2.0
"""Hours of segments are listed again with each reload of a stream that can be wound back; only the end of it is news.

Pure: makes a delta update of a whole playlist, by searching and counting bytes, which costs a hundredth of reading it.
"""

import re

from ..playlist import MediaPlaylist

LARGE = 32_768  # bytes from which on it is worth it
_READ_AGAIN = 64  # known segments that are read again, to see whether they were rewritten
_SEQUENCE = re.compile(rb"^#EXT-X-MEDIA-SEQUENCE:\s*([0-9]{1,20})\s*$", re.MULTILINE)


def as_delta(data: bytes, previous: MediaPlaylist | None) -> bytes | None:
    """The same playlist with EXT-X-SKIP for what `previous` has; None where that is not certain."""
    if len(data) < LARGE or previous is None or len(previous.segments) <= _READ_AGAIN:
        return None
    pivot = previous.segments[-_READ_AGAIN]
    begin = data.find(b"#EXTINF")
    found = data.rfind(b"\n" + pivot.uri.encode())
    end = data.find(b"\n", found + 1)
    if pivot.byterange or not 0 <= begin < found < end or data[found:end].strip() != pivot.uri.encode():
        return None
    head = data[:begin]
    sequence = _SEQUENCE.search(head)
    first = int(sequence[1]) if sequence else 0
    count = data.count(b"#EXTINF", begin, end)
    if first + count - 1 != pivot.sequence or first < previous.segments[0].sequence:
        return None
    return head + b"#EXT-X-SKIP:SKIPPED-SEGMENTS=%d" % count + data[end:]
