# SPDX-License-Identifier: Apache-2.0
"""What a manifest announces at a moment: segments of one rendition, as `playlist` has them. Pure: time is passed in.

A live manifest is a formula: segments of plain numbers become available as time goes on, without the manifest saying
so again (ISO/IEC 23009-1 §5.3.9.5.3). The newest are made, at most `MOST` of them, by arithmetic: a run of a billion
segments costs no more than one.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urljoin

from ..errors import PlaylistError
from ..playlist import ByteRange, Init, Key, Segment
from .addressing import MAX_URL, Addressing, Listed, Run, fill
from .manifest import Kind, Manifest, Period, Representation

MOST = 128
MOST_OF_STATIC = 50_000
MOST_CHARACTERS = 32 * 2**20  # of all URLs
_EPSILON = 1e-6
_DISBELIEF = 10.0  # seconds that a timeline may be ahead of the clock before it is the clock that is not believed
_HOLE = 0.1  # seconds between the end of one segment and the start of the next that count


@dataclass(frozen=True, slots=True)
class Announced:
    """Segments in order, each with the presentation time of its start; sequences are of the manifest's numbering."""

    segments: tuple[tuple[float, Segment], ...]
    target_duration: float
    ended: bool


@dataclass(frozen=True, slots=True)
class _Spot:
    """A segment in ticks of its representation: `index` counts from the period's first one that is listed."""

    index: int
    time: int
    length: int
    hole: int = 0  # ticks of nothing before it


def announced(manifest: Manifest, kind: Kind, now: float) -> Announced:
    """What is there of `kind` at the Unix time `now`. PlaylistError when it cannot be followed."""
    try:
        return _announced(manifest, kind, now)
    except ValueError as error:
        raise PlaylistError(f"the MPD: {error}") from None


def choose(period: Period, kind: Kind) -> Representation | None:
    """The smallest picture, or the smallest of the main sound; what is not encrypted comes first."""
    found = [representation for representation in period.representations if representation.kind == kind]
    return min(
        found, key=lambda it: (it.protection is not None, not it.main, it.height or 100_000, it.bandwidth), default=None
    )


def has_separate_sound(manifest: Manifest) -> bool:
    """Whether picture and sound come apart in the newest period that has any."""
    for period in reversed(manifest.periods):
        if picture := choose(period, "video"):
            return not picture.has_sound and choose(period, "audio") is not None
    return False


def main_kind(manifest: Manifest) -> Kind:
    """The picture, or the sound of a stream without one. PlaylistError when there is neither."""
    for kind in ("video", "audio"):
        if any(choose(period, kind) for period in manifest.periods):
            return kind
    raise PlaylistError("it has no picture and no sound (periods that are elsewhere, by xlink, are not followed)")


def _announced(manifest: Manifest, kind: Kind, now: float) -> Announced:
    elapsed = now - (manifest.availability_start or 0.0) if manifest.dynamic else math.inf
    most = MOST if manifest.dynamic else MOST_OF_STATIC
    periods: list[list[tuple[float, Segment]]] = []
    left = most
    longest = 0.0
    urls = _Urls()
    for number in range(len(manifest.periods) - 1, -1, -1):
        period = manifest.periods[number]
        representation = choose(period, kind)
        if representation is None or elapsed < period.start or left <= 0:
            continue
        found = _of_period(manifest, period, representation, elapsed, left, urls)
        periods.append(found)
        left -= len(found)
        longest = max([longest, *(segment.duration for _, segment in found if not segment.gap)])
    target = longest or manifest.max_segment or 6.0
    return Announced(tuple(chain.from_iterable(reversed(periods))), target, _is_over(manifest, elapsed))


def _is_over(manifest: Manifest, elapsed: float) -> bool:
    """Static, or all of it is there and it says that it will not change (§5.3.1.2, minimumUpdatePeriod)."""
    if not manifest.dynamic:
        return True
    if manifest.update_period is not None or not manifest.periods:
        return False
    last = manifest.periods[-1]
    return last.duration is not None and elapsed >= last.start + last.duration


def _of_period(
    manifest: Manifest, period: Period, it: Representation, elapsed: float, most: int, urls: "_Urls"
) -> list[tuple[float, Segment]]:
    way = it.addressing
    if way is None:
        raise PlaylistError("all is in one file (SegmentBase); only streams of segments can be followed")
    inside = elapsed - period.start
    spots = list(_spots(manifest, period, way, inside, it.offset + way.offset, most))
    if not spots:
        return []
    start_time = manifest.availability_start
    made: list[tuple[float, Segment]] = []
    init = _init(it, way, urls)
    key = Key(it.protection, "", keyformat="DASH") if it.protection else None
    for spot in spots:
        start = period.start + (spot.time - way.shift) / way.timescale
        long = spot.length / way.timescale
        if period.duration is not None:
            long = min(long, max(period.start + period.duration - start, 1 / way.timescale))
        program_time = None if start_time is None else start_time + start
        number = way.start_number + spot.index
        if spot.hole:
            missing = spot.hole / way.timescale
            before = None if program_time is None else program_time - missing
            made.append((start - missing, Segment(number, "", missing, program_time=before, gap=True)))
        uri, part = _media(it, way, spot, number, urls)
        first = spot.index == 0 and spot.time <= way.shift and period.start > 0 and not it.continues
        made.append((start, Segment(number, uri, long, part, init, key, program_time, discontinuity=first)))
    return made[-most:]


def _spots(
    manifest: Manifest, period: Period, way: Addressing, inside: float, offset: float, most: int
) -> Iterator[_Spot]:
    """The newest segments that are available `inside` seconds after the period's start."""
    edge = inside + (offset if offset < math.inf or period.duration is not None else 0.0)
    if way.runs is not None:
        yield from _of_timeline(period, way, edge, most)
    elif way.length is not None:
        yield from _of_numbers(manifest, period, way, inside, edge, most)
    elif way.listed and len(way.listed) == 1 and period.duration is not None:
        yield _Spot(0, way.shift, max(1, math.floor(period.duration * way.timescale)))
    else:
        raise ValueError("segments of unknown length")


def _of_numbers(
    manifest: Manifest, period: Period, way: Addressing, inside: float, edge: float, most: int
) -> Iterator[_Spot]:
    length = way.length or 1
    seconds = length / way.timescale
    count = math.inf if edge == math.inf else math.floor(edge / seconds + _EPSILON)
    if period.duration is not None:
        count = min(count, math.ceil(period.duration / seconds - _EPSILON))
    if way.end_number is not None:
        count = min(count, way.end_number - way.start_number + 1)
    if way.listed is not None:
        count = min(count, len(way.listed))
    if count == math.inf:
        raise ValueError("a static presentation without duration")
    first = max(0, int(count) - most)
    if manifest.time_shift is not None and inside < math.inf:
        first = max(first, math.floor((inside - manifest.time_shift) / seconds) - 1)
    for index in range(first, int(count)):
        yield _Spot(index, way.shift + index * length, length)


@dataclass(frozen=True, slots=True)
class _Reached:
    """As much of a run as is there; `index` is that of its first segment, `hole` ticks of nothing lie before it."""

    run: Run
    index: int
    there: int
    hole: int


def _of_timeline(period: Period, way: Addressing, edge: float, most: int) -> list[_Spot]:
    """From the newest run back: what nobody would see is not made."""
    newest: list[_Spot] = []
    for it in reversed(_reached(period, way, edge)):
        first = max(0, it.there - (most - len(newest)))
        newest += (
            _Spot(it.index + k, it.run.start + k * it.run.length, it.run.length, it.hole if k == 0 else 0)
            for k in range(it.there - 1, first - 1, -1)
        )
        if len(newest) >= most:
            break
    return newest[::-1]


def _reached(period: Period, way: Addressing, edge: float) -> list[_Reached]:
    runs = way.runs or ()
    if not runs:
        return []
    scale = way.timescale
    end = None if period.duration is None else way.shift + math.floor(period.duration * scale + 0.5)
    ahead = runs[0].start + runs[0].length - way.shift - edge * scale
    believed = math.inf if ahead > _DISBELIEF * scale + runs[0].length else edge
    numbers = _numbers(way)
    index, before = 0, None
    reached: list[_Reached] = []
    for at, run in enumerate(runs):
        until = runs[at + 1].start if at + 1 < len(runs) else end
        count = run.count
        if count is None and until is not None:
            count = max(1, math.ceil((until - run.start) / run.length - _EPSILON))
        if end is not None and count is not None:
            count = min(count, max(0, math.ceil((end - run.start) / run.length - _EPSILON)))
        limit = believed if run.count is not None else edge
        there = min(_available(run.start - way.shift, run.length, limit * scale), numbers - index)
        there = there if count is None else min(there, count)
        if there == math.inf:
            raise ValueError("a timeline without end in a presentation without duration")
        if there <= 0:
            break
        hole = run.start - before if before is not None and run.start - before > _HOLE * scale else 0
        reached.append(_Reached(run, index, int(there), hole))
        if count is None or there < count:
            break
        index, before = index + count, run.start + count * run.length
    return reached


def _available(start: int, length: int, edge: float) -> float:
    """How many segments of a run end before `edge` (ticks)."""
    return math.inf if edge == math.inf else max(0, math.floor((edge - start) / length + _EPSILON))


def _numbers(way: Addressing) -> float:
    """How far numbers, or the list of URLs, go."""
    most = math.inf if way.end_number is None else way.end_number - way.start_number + 1
    return most if way.listed is None else min(most, len(way.listed))


class _Urls:
    """Makes URLs of what one manifest says, no longer than `MAX_URL` each and `MOST_CHARACTERS` together."""

    def __init__(self) -> None:
        self._left = MOST_CHARACTERS

    def make(self, base: str, template: str, values: Mapping[str, str | int] | None = None) -> str:
        filled = template if values is None else fill(template, values)
        self._left -= len(base) + max(len(template), len(filled))
        if self._left < 0:
            raise ValueError(f"URLs of more than {MOST_CHARACTERS} characters in all")
        url = urljoin(base, filled)
        if max(len(filled), len(url)) > MAX_URL:
            raise ValueError(f"a URL of more than {MAX_URL} characters")
        return url


def _init(it: Representation, way: Addressing, urls: _Urls) -> Init | None:
    if not way.initialization and way.init_range is None:
        return None
    return Init(urls.make(it.base, way.initialization, _values(it)), way.init_range)


def _media(it: Representation, way: Addressing, spot: _Spot, number: int, urls: _Urls) -> tuple[str, ByteRange | None]:
    if way.listed is not None:
        listed: Listed = way.listed[spot.index]
        return urls.make(it.base, listed.url), listed.byterange
    if not way.media:
        raise ValueError("a SegmentTemplate without media")
    return urls.make(it.base, way.media, _values(it) | {"Number": number, "Time": spot.time}), None


def _values(it: Representation) -> dict[str, str | int]:
    return {"RepresentationID": it.id, "Bandwidth": it.bandwidth}
