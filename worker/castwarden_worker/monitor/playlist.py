# SPDX-License-Identifier: Apache-2.0
"""Playlists as the monitor knows them, whatever they were written in: `hls` and `dash_segments` make these records.

Nothing is resolved here: URIs are as written, relative to where the playlist came from.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a resource, in bytes."""

    length: int
    offset: int


@dataclass(frozen=True, slots=True)
class Key:
    """EXT-X-KEY other than NONE. `iv` is None when the media sequence is the IV."""

    method: str
    uri: str
    iv: bytes | None = None
    keyformat: str = "identity"


@dataclass(frozen=True, slots=True)
class Init:
    """EXT-X-MAP: the initialization section of fMP4 segments. `key` is set when it is encrypted itself."""

    uri: str
    byterange: ByteRange | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """EXT-X-PART: a piece of a segment of low-latency HLS, published before the segment is complete."""

    uri: str
    duration: float
    byterange: ByteRange | None = None
    independent: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """One media segment as its playlist announces it.

    `program_time` is Unix time, also where it follows from a neighbour's. `discontinuity_number` counts the
    discontinuities since the stream began: it does not change while the segment is listed.
    """

    sequence: int
    uri: str
    duration: float
    byterange: ByteRange | None = None
    init: Init | None = None
    key: Key | None = None
    program_time: float | None = None
    discontinuity: bool = False
    gap: bool = False
    discontinuity_number: int = 0
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerControl:
    """EXT-X-SERVER-CONTROL: what the server can do for low latency. Seconds; None where nothing is said."""

    can_block: bool = False
    can_skip_until: float | None = None
    can_skip_dateranges: bool = False
    hold_back: float | None = None
    part_hold_back: float | None = None


@dataclass(frozen=True, slots=True)
class PreloadHint:
    """EXT-X-PRELOAD-HINT: what will be there soon. It may never come, so it is no segment and no part."""

    type: Literal["PART", "MAP"]
    uri: str
    start: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class RenditionReport:
    """EXT-X-RENDITION-REPORT: how far another rendition is."""

    uri: str
    last_sequence: int
    last_part: int | None = None


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """A media playlist: what can be played now, and whether more will come.

    `parts` belong to the segment that follows the last one. `skipped` segments were taken from the playlist before.
    """

    segments: tuple[Segment, ...]
    target_duration: float
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    ended: bool = False
    part_target: float | None = None
    parts: tuple[Part, ...] = ()
    control: ServerControl = ServerControl()
    hints: tuple[PreloadHint, ...] = ()
    reports: tuple[RenditionReport, ...] = ()
    skipped: int = 0

    @property
    def next_sequence(self) -> int:
        """The media sequence of the segment that will come next."""
        return self.segments[-1].sequence + 1 if self.segments else self.media_sequence


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
    """What a stream offers to choose from. `variables` (EXT-X-DEFINE) may be imported by its media playlists."""

    variants: tuple[Variant, ...]
    audio: tuple[Rendition, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
