# SPDX-License-Identifier: Apache-2.0
"""Reads HLS playlists: RFC 8216, and low latency and variables of its successor (draft-pantos-hls-rfc8216bis).

Pure: bytes in, records out. Every input either gives a playlist or raises PlaylistError. Unknown tags are ignored.
"""

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from urllib.parse import parse_qsl, urlsplit

from ..errors import PlaylistError
from ..playlist import MediaPlaylist, MultivariantPlaylist, Rendition, Variant
from .media import MediaReader
from .parts import PartsReader
from .tags import Variables, reference, whole, words

MAX_LINES = 250_000
MAX_LINE = 65_536
_RESOLUTION = re.compile(r"([0-9]{1,6})[xX]([0-9]{1,6})")


def parse(
    data: bytes,
    *,
    url: str = "",
    variables: Iterable[tuple[str, str]] = (),
    previous: MediaPlaylist | None = None,
) -> MediaPlaylist | MultivariantPlaylist:
    """The playlist in `data`; PlaylistError says why it is none.

    What it may refer to: parameters of its own `url`, `variables` of the multivariant playlist that it is part of, and,
    for a delta update, the segments of the `previous` playlist.
    """
    if data.count(b"\n") >= MAX_LINES:
        raise PlaylistError(f"more than {MAX_LINES} lines")
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if not text.startswith("#EXTM3U"):
        raise PlaylistError(_what_it_is(text))
    reader = _Reader(url, dict(variables), previous)
    for number, line in enumerate(text.split("\n"), 1):
        if line := line.strip():
            try:
                reader.take(line)
            except ValueError as error:
                raise PlaylistError(f"line {number}: {error}") from None
    return reader.playlist()


def parse_media(
    data: bytes, *, url: str = "", variables: Iterable[tuple[str, str]] = (), previous: MediaPlaylist | None = None
) -> MediaPlaylist:
    """The media playlist in `data`; PlaylistError when it is something else."""
    playlist = parse(data, url=url, variables=variables, previous=previous)
    if isinstance(playlist, MultivariantPlaylist):
        raise PlaylistError("a multivariant playlist where a media playlist was announced")
    return playlist


class _Reader:
    """Takes lines in order. A tag says what the next URI is: a segment or a variant."""

    def __init__(self, url: str, imported: dict[str, str], previous: MediaPlaylist | None) -> None:
        self._url, self._imported = url, imported
        self._variables = Variables()
        self._parts = PartsReader(self._variables)
        self._media = MediaReader(self._variables, self._parts, previous)
        self._variants: list[Variant] = []
        self._audio: list[Rendition] = []
        self._stream_info: dict[str, str] | None = None
        self._handlers: dict[str, Callable[[str], None]] = {
            "#EXT-X-STREAM-INF": self._take_stream_info,
            "#EXT-X-MEDIA": self._take_media,
            "#EXT-X-DEFINE": self._take_define,
            **self._media.handlers,
            **self._parts.handlers,
        }

    def take(self, line: str) -> None:
        if line[0] != "#":
            self._uri(reference(self._variables.put_in(_short(line))))
            return
        tag, _, value = line.partition(":")
        if handle := self._handlers.get(tag.rstrip()):
            handle(_short(value).strip())

    def playlist(self) -> MediaPlaylist | MultivariantPlaylist:
        is_media = self._media.begun or self._parts.begun
        if self._variants and is_media:
            raise PlaylistError("it has both variants and segments")
        if self._variants:
            return MultivariantPlaylist(tuple(self._variants), tuple(self._audio), self._variables.pairs())
        if not is_media:
            raise PlaylistError("it has neither segments nor variants")
        return self._media.playlist()

    def _uri(self, uri: str) -> None:
        if self._stream_info is not None:
            self._variants.append(_variant(uri, self._stream_info))
            self._stream_info = None
        else:
            self._media.take_uri(uri)

    def _take_define(self, value: str) -> None:
        self._variables.define(self._variables.attributes(value), self._query, self._imported)

    @cached_property
    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self._url).query, keep_blank_values=True))

    def _take_stream_info(self, value: str) -> None:
        self._stream_info = self._variables.attributes(value)

    def _take_media(self, value: str) -> None:
        given = self._variables.attributes(value)
        if given.get("TYPE") == "AUDIO":
            uri = reference(given["URI"]) if given.get("URI") else None
            group, name = words(given.get("GROUP-ID", "")), words(given.get("NAME", ""))
            self._audio.append(Rendition(group, name, uri, given.get("DEFAULT") == "YES"))


def _short(text: str) -> str:
    if len(text) > MAX_LINE:
        raise ValueError(f"more than {MAX_LINE} characters")
    return text


def _variant(uri: str, given: dict[str, str]) -> Variant:
    size = _RESOLUTION.fullmatch(given.get("RESOLUTION", ""))
    return Variant(
        uri,
        whole(given.get("BANDWIDTH", "")),
        int(size[2]) if size else None,
        words(given.get("CODECS", "")),
        words(given["AUDIO"]) if given.get("AUDIO") else None,
    )


def _what_it_is(text: str) -> str:
    if not text:
        return "an empty answer, not a playlist"
    if text.startswith("<"):
        return "a web page, not a playlist" if "<html" in text[:4096].lower() else "markup, not a playlist"
    return "not a playlist: it does not begin with #EXTM3U"
