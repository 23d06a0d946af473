# SPDX-License-Identifier: Apache-2.0
"""How an MPD addresses segments: SegmentTemplate and SegmentList, with and without SegmentTimeline. Pure.

A lower level's attributes replace those of the level above (ISO/IEC 23009-1 §5.3.9.1). A timeline is never written
out: a repeat count of a billion is one run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from ..playlist import ByteRange
from .values import byte_range, integer, natural, offset, positive
from .xml import children, get

_IDENTIFIER = re.compile(r"\$(?:(\w+)(?:%0?(\d{0,2})d)?)?\$")
_MAX_WIDTH = 32
MAX_URL = 16_384


@dataclass(frozen=True, slots=True)
class Run:
    """S: `count` segments of `length` ticks each from `start` on; None: until the next run, or the period's end."""

    start: int
    length: int
    count: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """SegmentURL."""

    url: str
    byterange: ByteRange | None = None


@dataclass(frozen=True, slots=True)
class Addressing:
    """Where segments are and how long. Ticks of `timescale`; `shift` is presentationTimeOffset."""

    media: str = ""
    initialization: str = ""
    init_range: ByteRange | None = None
    timescale: int = 1
    start_number: int = 1
    end_number: int | None = None
    shift: int = 0
    length: int | None = None
    offset: float = 0.0
    runs: tuple[Run, ...] | None = None
    listed: tuple[Listed, ...] | None = None


def addressing(element: Element, inherited: Addressing | None) -> Addressing | None:
    """What holds at `element`; None when nothing is said, or all is in one file (SegmentBase). ValueError."""
    found = next(children(element, "SegmentTemplate"), None)
    if found is None:
        found = next(children(element, "SegmentList"), None)
        if found is None:
            one_file = next(children(element, "SegmentBase"), None) is not None
            return None if one_file else inherited
        inherited = _with_list(found, inherited or Addressing())
    return _with_attributes(found, inherited or Addressing())


def availability_offset(given: Mapping[str, str]) -> float:
    """A segment that is there before it is complete would only trickle in: it is asked for when it is."""
    if given.get("availabilityTimeComplete") == "false":
        return 0.0
    return get(given, "availabilityTimeOffset", offset) or 0.0


def fill(template: str, values: Mapping[str, str | int]) -> str:
    """A template URL with its identifiers replaced (§5.3.9.4.4); ValueError for an unknown one, or a long result."""
    filled = 0

    def value_of(found: "re.Match[str]") -> str:
        nonlocal filled
        name, width = found[1], found[2]
        if name is None:
            return "$"
        if (value := values.get(name)) is None:
            raise ValueError(f"${name[:40]}$ in a template is not known")
        if width and int(width) > _MAX_WIDTH:
            raise ValueError(f"a number of {width} digits in a template")
        text = f"{value:0{int(width)}d}" if width and isinstance(value, int) else str(value)
        if (filled := filled + len(text)) > MAX_URL:  # before anything is joined
            raise ValueError(f"a URL of more than {MAX_URL} characters")
        return text

    return _IDENTIFIER.sub(value_of, template)


def _with_attributes(element: Element, known: Addressing) -> Addressing:
    given = element.attrib
    if "timescale" in given:
        known = replace(known, timescale=get(given, "timescale", positive) or 1)
    if "duration" in given:
        known = replace(known, length=get(given, "duration", positive))
    if "startNumber" in given:
        known = replace(known, start_number=get(given, "startNumber", natural) or 0)
    if "endNumber" in given:
        known = replace(known, end_number=get(given, "endNumber", natural))
    if "presentationTimeOffset" in given:
        known = replace(known, shift=get(given, "presentationTimeOffset", integer) or 0)
    if "availabilityTimeOffset" in given:
        known = replace(known, offset=availability_offset(given))
    if (timeline := next(children(element, "SegmentTimeline"), None)) is not None:
        known = replace(known, runs=_runs(timeline))
    return _with_urls(element, known)


def _with_urls(element: Element, known: Addressing) -> Addressing:
    known = replace(known, media=_url(element, "media", known.media))
    known = replace(known, initialization=_url(element, "initialization", known.initialization))
    if (init := next(children(element, "Initialization"), None)) is not None:
        part = get(init.attrib, "range", byte_range)
        known = replace(
            known, initialization=_url(init, "sourceURL"), init_range=None if part is None else ByteRange(*part)
        )
    return known


def _url(element: Element, name: str, default: str = "") -> str:
    """A URL or a template of one: bounded here, because each of thousands of segments repeats it."""
    url = element.get(name, default)
    if len(url) > MAX_URL:
        raise ValueError(f"{name}: a URL of more than {MAX_URL} characters")
    return url


def _with_list(element: Element, known: Addressing) -> Addressing:
    listed = []
    for url in children(element, "SegmentURL"):
        part = get(url.attrib, "mediaRange", byte_range)
        listed.append(Listed(_url(url, "media"), None if part is None else ByteRange(*part)))
    return replace(known, listed=tuple(listed)) if listed else known


def _runs(timeline: Element) -> tuple[Run, ...]:
    runs: list[Run] = []
    expected: int | None = 0
    for element in children(timeline, "S"):
        start, length = get(element.attrib, "t", natural), get(element.attrib, "d", positive)
        if length is None:
            raise ValueError("an S without d")
        repeat = get(element.attrib, "r", integer) or 0
        start = expected if start is None else start
        if start is None:
            raise ValueError("an S without t after one that repeats without end")
        if runs and start <= _last_start(runs[-1]):
            raise ValueError(f"a timeline that goes back: t={start} after t={_last_start(runs[-1])}")
        runs.append(Run(start, length, None if repeat < 0 else repeat + 1))
        expected = None if repeat < 0 else start + length * (repeat + 1)
    return tuple(runs)


def _last_start(run: Run) -> int:
    return run.start + run.length * ((run.count or 1) - 1)
