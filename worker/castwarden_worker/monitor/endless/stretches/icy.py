# SPDX-License-Identifier: Apache-2.0
"""Takes the titles out of a Shoutcast or Icecast stream that interleaves them with its sound (`Icy-MetaData: 1`)."""

import re

_TITLE = re.compile(r"StreamTitle='(.*?)';", re.DOTALL)
_MAX_INTERVAL = 2**24


class IcyFilter:
    """After every `interval` bytes of sound comes one byte that says how many times 16 bytes of text follow."""

    def __init__(self, interval: int) -> None:
        if not 0 < interval <= _MAX_INTERVAL:
            raise ValueError(f"an interval of {interval} bytes between titles")
        self.title: str | None = None
        self._interval = interval
        self._left = interval  # bytes of sound until the next text
        self._text: bytearray | None = None
        self._wanted = 0  # bytes of text that are still to come

    def feed(self, data: bytes) -> bytes:
        """The sound in `data`."""
        sound = bytearray()
        at = 0
        while at < len(data):
            if self._text is not None:
                piece = data[at : at + self._wanted]
                self._text += piece
                self._wanted -= len(piece)
                at += len(piece)
                self._end_text()
            elif self._left:
                piece = data[at : at + self._left]
                sound += piece
                self._left -= len(piece)
                at += len(piece)
            else:
                self._text, self._wanted = bytearray(), 16 * data[at]
                at += 1
                self._end_text()
        return bytes(sound)

    def _end_text(self) -> None:
        if self._text is None or self._wanted:
            return
        text, self._text, self._left = bytes(self._text).rstrip(b"\0"), None, self._interval
        if text and (found := _TITLE.search(_decoded(text))):
            self.title = found[1].strip()[:300] or None


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
