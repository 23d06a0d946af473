# SPDX-License-Identifier: Apache-2.0
"""What of an RTSP server's words may reach FFmpeg (RFC 2326): answers that are no redirect, and interleaved media.

FFmpeg follows an answer of 3xx to wherever it points. Every message is therefore read here and written anew, so that
FFmpeg cannot read it in another way than we did. Pure.
"""

import re

_MOST_HEAD = 32 * 1024
_MOST_BODY = 2**20
_STATUS = re.compile(rb"RTSP/1\.0 (\d{3})([ -~]{0,200})")
_REQUEST = re.compile(rb"[A-Z_]{3,20} [!-~]{1,2000} RTSP/1\.0")
_HEADER = re.compile(rb"([A-Za-z0-9-]{1,100}):([ -~\t]{0,4000})")


class NotAllowed(OSError):
    """The server said what must not be passed on."""


_Head = tuple[bytes, list[tuple[bytes, bytes]], int, int]
"""First line, headers, and the bytes of head and body."""


class RtspGate:
    """One connection's answers. `status` is that of the last one that refused something."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._buffer = bytearray()
        self._searched = 0  # bytes of a message in which there is no end of its head
        self._head: _Head | None = None  # of the message whose body is still coming

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now. NotAllowed for redirects and for what is no RTSP."""
        self._buffer += data
        out = bytearray()
        while self._buffer:
            taken = self._interleaved() if self._head is None and self._buffer[:1] == b"$" else self._message()
            if taken is None:
                break
            out += taken
        return bytes(out)

    def _interleaved(self) -> bytes | None:
        """`$`, channel, length in two bytes, data (§10.12)."""
        if len(self._buffer) < 4 or len(self._buffer) < (end := 4 + int.from_bytes(self._buffer[2:4])):
            return None
        return self._take(end)

    def _message(self) -> bytes | None:
        self._head = head = self._head or self._read_head()
        if head is None:
            return None
        first, headers, begin, length = head
        if len(self._buffer) < begin + length:
            return None
        body = self._take(begin + length)[begin:]
        self._head, self._searched = None, 0
        if _REQUEST.fullmatch(first):
            return b""  # a server may ask things; nothing depends on the answer
        status = _STATUS.fullmatch(first)
        if not status:
            raise NotAllowed("the server does not speak RTSP")
        self._judge(int(status[1]))
        kept = [name + b":" + value for name, value in headers if name.lower() != b"content-length"]
        if length:
            kept.append(b"Content-Length: %d" % length)
        return b"\r\n".join([first, *kept, b"", body])

    def _read_head(self) -> _Head | None:
        """The head of the message, once it is whole."""
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3), _MOST_HEAD)
        self._searched = len(self._buffer)
        if end < 0:
            if self._searched >= _MOST_HEAD:
                raise NotAllowed("an RTSP message without end")
            return None
        first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        headers = [_header(line) for line in lines]
        return first, headers, end + 4, _length(headers)

    def _judge(self, status: int) -> None:
        if 300 <= status < 400:
            raise NotAllowed(f"the server redirects (RTSP {status}), which is not followed")
        if status >= 400:
            self.status = status

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


def _header(line: bytes) -> tuple[bytes, bytes]:
    found = _HEADER.fullmatch(line)
    if not found:
        raise NotAllowed("a header that RTSP does not allow")
    return found[1], found[2]


def _length(headers: list[tuple[bytes, bytes]]) -> int:
    given = [value.strip() for name, value in headers if name.lower() == b"content-length"]
    if not given:
        return 0
    if len(given) > 1 or not given[0].isdigit() or len(given[0]) > 7 or int(given[0]) > _MOST_BODY:
        raise NotAllowed("a body of no sensible length")
    return int(given[0])
