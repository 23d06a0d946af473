# SPDX-License-Identifier: Apache-2.0
"""Reads HLS playlists (RFC 8216 and its successor's tags that matter at the live edge). Pure: bytes in, records out.

Every input either gives a playlist or raises PlaylistError.
"""

import re
from dataclasses import dataclass

from .errors import PlaylistError
from .tags import attributes, byterange, integer, seconds, unix_time, whole

MAX_LINES = 1_000_000
_RESOLUTION = re.compile(r"(\d{1,6})[xX](\d{1,6})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a resource, in bytes."""

    length: int
    offset: int


@dataclass(frozen=True, slots=True)
class Init:
    """EXT-X-MAP: the initialization section of fMP4 segments."""

    uri: str
    byterange: ByteRange | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """EXT-X-KEY other than NONE. `iv` is None when the media sequence is the IV."""

    method: str
    uri: str
    iv: bytes | None = None
    keyformat: str = "identity"


@dataclass(frozen=True, slots=True)
class Segment:
    """One media segment as its playlist announces it; `uri` is as written, `program_time` is Unix time."""

    sequence: int
    uri: str
    duration: float
    byterange: ByteRange | None = None
    init: Init | None = None
    key: Key | None = None
    program_time: float | None = None
    discontinuity: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """A media playlist: what can be played now, and whether more will come."""

    segments: tuple[Segment, ...]
    target_duration: float
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    ended: bool = False
    playlist_type: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """EXT-X-STREAM-INF: one rendition of the whole stream."""

    uri: str
    bandwidth: int = 0
    height: int | None = None
    codecs: str = ""
    audio: str | None = None


@dataclass(frozen=True, slots=True)
class Rendition:
    """EXT-X-MEDIA of type AUDIO. Without `uri` the sound is muxed into the variant."""

    group: str
    name: str
    uri: str | None
    default: bool = False


@dataclass(frozen=True, slots=True)
class MultivariantPlaylist:
    """What a stream offers to choose from."""

    variants: tuple[Variant, ...]
    audio: tuple[Rendition, ...] = ()


def parse(data: bytes) -> MediaPlaylist | MultivariantPlaylist:
    """The playlist in `data`; PlaylistError says why it is none."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if not text.startswith("#EXTM3U"):
        raise PlaylistError(_what_it_is(text))
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), 1):
        if number > MAX_LINES:
            raise PlaylistError(f"more than {MAX_LINES} lines")
        if line := line.strip():
            try:
                reader.take(line)
            except ValueError as error:
                raise PlaylistError(f"line {number}: {error}") from None
    return reader.playlist()


class _Reader:
    """Collects tags until a URI line completes a segment or a variant."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.variants: list[Variant] = []
        self.audio: list[Rendition] = []
        self.target: float | None = None
        self.sequence = 0
        self.discontinuity_sequence = 0
        self.ended = False
        self.type: str | None = None
        self.is_media = False
        self._stream_info: dict[str, str] | None = None
        self._duration: float | None = None
        self._byterange: tuple[int, int | None] | None = None
        self._init: Init | None = None
        self._key: Key | None = None
        self._time: float | None = None
        self._discontinuity = False
        self._gap = False
        self._range_end: tuple[str, int] | None = None

    def take(self, line: str) -> None:
        if not line.startswith("#"):
            self._uri(line)
            return
        tag, _, value = line.partition(":")
        if handle := _TAGS.get(tag.strip()):
            handle(self, value.strip())

    def playlist(self) -> MediaPlaylist | MultivariantPlaylist:
        if self.variants and (self.segments or self.is_media):
            raise PlaylistError("it has both variants and segments")
        if self.variants:
            return MultivariantPlaylist(tuple(self.variants), tuple(self.audio))
        if not self.segments and not self.is_media:
            raise PlaylistError("it has neither segments nor variants")
        longest = max((segment.duration for segment in self.segments), default=1.0)
        return MediaPlaylist(
            tuple(self.segments),
            self.target or max(1.0, longest),
            self.sequence,
            self.discontinuity_sequence,
            self.ended,
            self.type,
        )

    def _uri(self, uri: str) -> None:
        if self._stream_info is not None:
            self.variants.append(_variant(uri, self._stream_info))
            self._stream_info = None
        elif self._duration is not None:
            self._segment(uri, self._duration)
        else:
            raise ValueError("a URI without EXTINF or EXT-X-STREAM-INF before it")

    def _segment(self, uri: str, duration: float) -> None:
        self.segments.append(
            Segment(
                self.sequence + len(self.segments),
                uri,
                duration,
                self._range(uri),
                self._init,
                self._key,
                self._time,
                self._discontinuity,
                self._gap,
            )
        )
        self._time = None if self._time is None else self._time + duration
        self._duration = self._byterange = None
        self._discontinuity = self._gap = False

    def _range(self, uri: str) -> ByteRange | None:
        """Without an offset, the range follows the one before it in the same resource."""
        if self._byterange is None:
            self._range_end = None
            return None
        length, offset = self._byterange
        if offset is None:
            offset = self._range_end[1] if self._range_end and self._range_end[0] == uri else 0
        self._range_end = (uri, offset + length)
        return ByteRange(length, offset)

    def take_duration(self, value: str) -> None:
        self.is_media = True
        self._duration = seconds(value.partition(",")[0])

    def take_target(self, value: str) -> None:
        self.is_media = True
        self.target = seconds(value)

    def take_sequence(self, value: str) -> None:
        self.is_media = True
        if not self.segments:
            self.sequence = integer(value)

    def take_discontinuity_sequence(self, value: str) -> None:
        self.discontinuity_sequence = integer(value)

    def take_discontinuity(self, _: str) -> None:
        self._discontinuity = True
        self._time = None

    def take_time(self, value: str) -> None:
        self._time = unix_time(value)

    def take_byterange(self, value: str) -> None:
        self._byterange = byterange(value)

    def take_map(self, value: str) -> None:
        given = attributes(value)
        if not given.get("URI"):
            raise ValueError("EXT-X-MAP without a URI")
        length, offset = byterange(given["BYTERANGE"]) if given.get("BYTERANGE") else (None, None)
        self._init = Init(given["URI"], None if length is None else ByteRange(length, offset or 0))

    def take_key(self, value: str) -> None:
        given = attributes(value)
        method = given.get("METHOD", "NONE")
        if method == "NONE":
            self._key = None
            return
        iv = bytes.fromhex(given["IV"][2:].zfill(32)) if given.get("IV", "")[:2].lower() == "0x" else None
        if iv is not None and len(iv) != 16:
            raise ValueError("an IV that is not 128 bits long")
        self._key = Key(method, given.get("URI", ""), iv, given.get("KEYFORMAT", "identity"))

    def take_gap(self, _: str) -> None:
        self._gap = True

    def take_end(self, _: str) -> None:
        self.ended = True

    def take_type(self, value: str) -> None:
        self.type = value

    def take_stream_info(self, value: str) -> None:
        self._stream_info = attributes(value)

    def take_media(self, value: str) -> None:
        given = attributes(value)
        if given.get("TYPE") == "AUDIO":
            default = given.get("DEFAULT") == "YES"
            self.audio.append(
                Rendition(given.get("GROUP-ID", ""), given.get("NAME", ""), given.get("URI") or None, default)
            )


_TAGS = {
    "#EXTINF": _Reader.take_duration,
    "#EXT-X-TARGETDURATION": _Reader.take_target,
    "#EXT-X-MEDIA-SEQUENCE": _Reader.take_sequence,
    "#EXT-X-DISCONTINUITY-SEQUENCE": _Reader.take_discontinuity_sequence,
    "#EXT-X-DISCONTINUITY": _Reader.take_discontinuity,
    "#EXT-X-PROGRAM-DATE-TIME": _Reader.take_time,
    "#EXT-X-BYTERANGE": _Reader.take_byterange,
    "#EXT-X-MAP": _Reader.take_map,
    "#EXT-X-KEY": _Reader.take_key,
    "#EXT-X-GAP": _Reader.take_gap,
    "#EXT-X-ENDLIST": _Reader.take_end,
    "#EXT-X-PLAYLIST-TYPE": _Reader.take_type,
    "#EXT-X-STREAM-INF": _Reader.take_stream_info,
    "#EXT-X-MEDIA": _Reader.take_media,
}


def _variant(uri: str, given: dict[str, str]) -> Variant:
    size = _RESOLUTION.fullmatch(given.get("RESOLUTION", ""))
    return Variant(
        uri,
        whole(given.get("BANDWIDTH", "")),
        int(size[2]) if size else None,
        given.get("CODECS", ""),
        given.get("AUDIO") or None,
    )


def _what_it_is(text: str) -> str:
    if not text:
        return "an empty answer, not a playlist"
    if text.startswith("<"):
        return "a web page, not a playlist" if "<html" in text[:4096].lower() else "markup, not a playlist"
    return "not a playlist: it does not begin with #EXTM3U"
