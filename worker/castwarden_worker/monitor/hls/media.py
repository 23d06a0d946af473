# SPDX-License-Identifier: Apache-2.0
"""Reads the tags of HLS media playlists: segments, and what holds from one to the next. `hls` calls it line by line."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..playlist import ByteRange, Init, Key, MediaPlaylist, Segment
from .parts import PartsReader
from .tags import Ranges, Variables, byterange, initialization_vector, integer, reference, seconds, unix_time, words

MAX_SEGMENTS = 50_000
_MAX_KEPT = 16 * 2**20  # what a delta update may refer to, about in bytes: several times what a whole playlist can say
_PART = 64  # bytes


class MediaReader:
    """Collects tags until a URI completes a segment. `previous` is what a delta update refers to."""

    def __init__(self, variables: Variables, parts: PartsReader, previous: MediaPlaylist | None) -> None:
        self.begun = False
        self._attributes = variables.attributes
        self._parts = parts
        self._previous = previous
        self._segments: list[Segment] = []
        self._target: float | None = None
        self._sequence = self._discontinuity_sequence = self._skipped = 0
        self._ended = False
        self._duration: float | None = None
        self._byterange: tuple[int, int | None] | None = None
        self._ranges = Ranges()
        self._init: Init | None = None
        self._keys: dict[str, Key] = {}
        self._key: Key | None = None
        self._time: float | None = None
        self._discontinuity = self._gap = False
        self._number = 0  # discontinuities in this playlist so far
        self.handlers: dict[str, Callable[[str], None]] = {
            "#EXTINF": self._take_duration,
            "#EXT-X-TARGETDURATION": self._take_target,
            "#EXT-X-MEDIA-SEQUENCE": self._take_sequence,
            "#EXT-X-DISCONTINUITY-SEQUENCE": self._take_discontinuity_sequence,
            "#EXT-X-DISCONTINUITY": self._take_discontinuity,
            "#EXT-X-PROGRAM-DATE-TIME": self._take_time,
            "#EXT-X-BYTERANGE": self._take_byterange,
            "#EXT-X-MAP": self._take_map,
            "#EXT-X-KEY": self._take_key,
            "#EXT-X-GAP": self._take_gap,
            "#EXT-X-SKIP": self._take_skip,
            "#EXT-X-ENDLIST": self._take_end,
        }

    def playlist(self) -> MediaPlaylist:
        longest = max((segment.duration for segment in self._segments), default=1.0)
        return MediaPlaylist(
            tuple(_dated_backwards(self._segments)),
            self._target or max(1.0, longest),
            self._sequence,
            self._discontinuity_sequence,
            self._ended,
            self._parts.target,
            tuple(self._parts.parts),
            self._parts.control,
            tuple(self._parts.hints),
            tuple(self._parts.reports),
            self._skipped,
        )

    def take_uri(self, uri: str) -> None:
        if self._duration is None:
            raise ValueError("a URI without EXTINF or EXT-X-STREAM-INF before it")
        if len(self._segments) >= MAX_SEGMENTS:
            raise ValueError(f"more than {MAX_SEGMENTS} segments")
        self._segments.append(
            Segment(
                self._sequence + len(self._segments),
                uri,
                self._duration,
                self._ranges.take(uri, self._byterange),
                self._init,
                self._key,
                self._time,
                self._discontinuity,
                self._gap,
                self._discontinuity_sequence + self._number,
                self._parts.taken(),
            )
        )
        self._time = None if self._time is None else self._time + self._duration
        self._duration = self._byterange = None
        self._discontinuity = self._gap = False

    def _take_duration(self, value: str) -> None:
        self.begun = True
        self._duration = seconds(value.partition(",")[0])

    def _take_target(self, value: str) -> None:
        self.begun = True
        self._target = seconds(value)

    def _take_sequence(self, value: str) -> None:
        self.begun = True
        if not self._segments:
            self._sequence = integer(value)

    def _take_discontinuity_sequence(self, value: str) -> None:
        if not self._segments:
            self._discontinuity_sequence = integer(value)

    def _take_discontinuity(self, _: str) -> None:
        self._discontinuity = True
        self._number += 1
        self._time = None

    def _take_time(self, value: str) -> None:
        self._time = unix_time(value)

    def _take_byterange(self, value: str) -> None:
        self._byterange = byterange(value)

    def _take_map(self, value: str) -> None:
        given = self._attributes(value)
        if not given.get("URI"):
            raise ValueError("EXT-X-MAP without a URI")
        length, offset = byterange(given["BYTERANGE"]) if given.get("BYTERANGE") else (None, None)
        part = None if length is None else ByteRange(length, offset or 0)
        self._init = Init(reference(given["URI"]), part, self._key)

    def _take_key(self, value: str) -> None:
        """A key holds until the next one of its format. Of several, the one that can be used is taken."""
        given = self._attributes(value)
        method = given.get("METHOD", "NONE")
        if method == "NONE":
            self._keys, self._key = {}, None
            return
        if not given.get("URI"):
            raise ValueError("EXT-X-KEY without a URI")
        iv = initialization_vector(given.get("IV"))
        keyformat = words(given.get("KEYFORMAT", "identity"))
        self._keys[keyformat] = Key(words(method), reference(given["URI"]), iv, keyformat)
        self._key = self._keys.get("identity") or next(iter(self._keys.values()))

    def _take_gap(self, _: str) -> None:
        self._gap = True

    def _take_end(self, _: str) -> None:
        self._ended = True

    def _take_skip(self, value: str) -> None:
        """A delta update: what it skips is as it was."""
        count = integer(self._attributes(value).get("SKIPPED-SEGMENTS", ""))
        before = self._previous.segments if self._previous else ()
        first = self._sequence - before[0].sequence if before else 0
        known = before[max(0, first) : max(0, first + count)]
        if self._segments or len(known) != count:
            raise ValueError("a delta update to a playlist that we do not have")
        if _weight(known) > _MAX_KEPT:
            raise ValueError("a delta update to a playlist that has grown too large")
        self.begun, self._skipped = True, count
        if not known:
            return
        self._discontinuity = self._gap = False
        self._byterange = None
        self._segments, last = list(known), known[-1]
        self._init, self._key = last.init, last.key
        self._keys = {last.key.keyformat: last.key} if last.key else {}
        self._time = None if last.program_time is None else last.program_time + last.duration
        self._number = last.discontinuity_number - self._discontinuity_sequence
        self._ranges.continue_after(last.uri, last.byterange)


def _weight(segments: Sequence[Segment]) -> int:
    """What they keep in memory, about in bytes. Each delta update may add to it as much as a whole playlist can say."""
    named: dict[int, Init | Key] = {}
    for segment in segments:
        named.update((id(one), one) for one in (segment.init, segment.key) if one)
    own = sum(len(segment.uri) + sum(_PART + len(part.uri) for part in segment.parts) for segment in segments)
    return own + sum(len(one.uri) for one in named.values())


def _dated_backwards(segments: list[Segment]) -> list[Segment]:
    """Segments before the first date have theirs too, as far as time runs on without a discontinuity (§4.3.2.6)."""
    dated = next((at for at, segment in enumerate(segments) if segment.program_time is not None), 0)
    for at in range(dated - 1, -1, -1):
        after = segments[at + 1]
        if after.discontinuity or after.program_time is None:
            break
        segments[at] = replace(segments[at], program_time=after.program_time - segments[at].duration)
    return segments
