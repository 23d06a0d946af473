# SPDX-License-Identifier: Apache-2.0
"""Reads an answer to a POST as RFC 9112 has it: status, headers, the first bytes of the body. Pure, and bounded.

Lenient where nothing hangs on it (bare LF, odd bytes in values), strict where the end of the answer does.
"""

import re

HEAD_LIMIT = 32 * 1024
BODY_LIMIT = 16 * 1024  # that much is kept
DRAIN_LIMIT = 64 * 1024  # a body up to this is read to its end, so that the connection can be used again
_INTERIM_LIMIT = 16
_LINE_LIMIT = 1024  # of a chunk's size with its extensions
_TRAILER_LIMIT = 8 * 1024
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\n]*)?")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DIGITS = re.compile(r"[0-9]{1,18}")


class Malformed(Exception):
    """The bytes are no answer in HTTP/1, or one without bounds."""


class AnswerReader:
    """`feed` what arrives until `done`; then `reusable` says whether the connection may carry another request.

    `head_read` turns true with the status. What is wrong after that only makes the connection unusable.
    """

    __slots__ = (
        "_buffer",
        "_chunked",
        "_interim",
        "_left",
        "_read",
        "_searched",
        "_trailer",
        "_until_close",
        "body",
        "done",
        "head_read",
        "headers",
        "reusable",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.head_read = False
        self.done = False
        self.reusable = False
        self._buffer = b""
        self._left = 0  # bytes of the body, or of the chunk with its line end, that are still to come
        self._read = 0
        self._searched = 0  # bytes of the buffer in which the head does not end
        self._chunked = False
        self._trailer: int | None = None  # bytes of trailers read so far, once they have begun
        self._until_close = False
        self._interim = 0

    @property
    def untouched(self) -> bool:
        """Whether not one byte has come."""
        return not (self._buffer or self.head_read or self._interim)

    def feed(self, data: bytes) -> None:
        """Raises Malformed, before the head is read only."""
        if self.done:
            self.reusable = False  # more than was asked for
            return
        self._buffer = self._buffer + data if self._buffer else data
        if not self.head_read and not self._head():
            return
        if self._chunked:
            self._chunks()
        else:
            self._plain()

    def closed(self) -> None:
        """The other side sends no more. Raises Malformed when the head is cut off."""
        self.reusable = False
        if not self.head_read and self._buffer:
            raise Malformed("the connection ended within the head")
        self.done = self.head_read

    def _head(self) -> bool:
        """Whether the final head is there; interim ones (1xx) are skipped."""
        while True:
            end = _END_OF_HEAD.search(self._buffer, max(0, self._searched - 3))
            if (end.end() if end else len(self._buffer)) > HEAD_LIMIT:
                raise Malformed(f"more than {HEAD_LIMIT} bytes of headers")
            if end is None:
                if not b"HTTP/1.".startswith(self._buffer[:7]):
                    raise Malformed("not HTTP/1")
                self._searched = len(self._buffer)
                return False
            self._searched = 0
            head, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
            self._take_head(head)
            if self.status >= 200:
                self.head_read = True
                return True
            self._interim += 1
            if self.status == 101 or self._interim > _INTERIM_LIMIT:
                raise Malformed("an interim answer that nobody asked for")

    def _take_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\n")
        match = _STATUS_LINE.fullmatch(first.removesuffix(b"\r"))
        if match is None:
            raise Malformed("not a status line of HTTP/1")
        self.status = int(match[2])
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not _TOKEN.fullmatch(name):
                raise Malformed("a header line without a name")
            key, text = name.decode("ascii").lower(), value.strip(b" \t\r").decode("utf-8", "replace")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self.headers = headers
        if self.status >= 200:
            self._frame(persistent=match[1] != b"0")

    def _frame(self, persistent: bool) -> None:
        """How long the body is (RFC 9112 §6.3), and whether the connection outlasts it (§9.3)."""
        headers = self.headers
        options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
        self.reusable = "close" not in options and (persistent or "keep-alive" in options)
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if self.status in (204, 304):
            return
        if coding is not None:
            self._chunked = coding.rpartition(",")[2].strip().lower() == "chunked"
            self._until_close = not self._chunked
            if length is not None or not persistent:
                self.reusable = False
        elif length is None:
            self._until_close = True
        else:
            lengths = {part.strip() for part in length.split(",")}
            if len(lengths) > 1 or not _DIGITS.fullmatch(next(iter(lengths))):
                raise Malformed("a Content-Length that is none")
            self._left = int(lengths.pop())
        if self._until_close:
            self.reusable = False

    def _plain(self) -> None:
        data, self._buffer = self._buffer, b""
        if self._until_close:
            self._keep(data)
            return
        if len(data) > self._left:  # more than the answer says that there is
            data, self.reusable = data[: self._left], False
        self._left -= len(data)
        if data:
            self._keep(data)
        if not self._left:
            self.done = True
        elif self._read + self._left > DRAIN_LIMIT and len(self.body) >= BODY_LIMIT:
            self._enough()

    def _chunks(self) -> None:
        while not self.done:
            if self._left > 2:
                data = self._buffer[: self._left - 2]
                self._buffer = self._buffer[len(data) :]
                self._left -= len(data)
                self._keep(data)
                if self._left > 2:
                    return
            elif self._left:  # the line end of a chunk
                if self._buffer in (b"", b"\r"):
                    return
                ending = b"\r\n" if self._buffer.startswith(b"\r\n") else self._buffer[:1]
                if ending not in (b"\r\n", b"\n"):
                    self._enough()
                    return
                self._buffer, self._left = self._buffer[len(ending) :], 0
            elif not self._line():
                return

    def _line(self) -> bool:
        """Takes a chunk's size or a trailer; whether there was a whole one."""
        line, newline, rest = self._buffer.partition(b"\n")
        if len(line) > _LINE_LIMIT:
            self._enough()
        if not newline or self.done:
            return False
        self._buffer, line = rest, line.removesuffix(b"\r")
        if self._trailer is not None:
            self._trailer += len(line)
            if not line:
                self.done = True
                self.reusable = self.reusable and not rest
            elif self._trailer > _TRAILER_LIMIT:
                self._enough()
        elif (size := _CHUNK_SIZE.fullmatch(line)) is None:
            self._enough()
        elif (length := int(size[1], 16)) == 0:
            self._trailer = 0
        else:
            self._left = length + 2
        return True

    def _keep(self, data: bytes) -> None:
        self._read += len(data)
        if len(self.body) < BODY_LIMIT:
            self.body += data[: BODY_LIMIT - len(self.body)]
        if self._read > DRAIN_LIMIT:
            self._enough()

    def _enough(self) -> None:
        """The rest is not worth reading, or cannot be."""
        self.done, self.reusable = True, False
        self._buffer = b""
