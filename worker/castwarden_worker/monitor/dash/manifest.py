# SPDX-License-Identifier: Apache-2.0
"""Reads MPEG-DASH manifests (ISO/IEC 23009-1). Pure: bytes in, records out; `dash_segments` makes segments of them.

Every input either gives a manifest or raises PlaylistError. Nothing outside the document is ever fetched: xlink is not
followed, and document types are refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from ..errors import PlaylistError
from ..follow.codecs import kinds_of
from .addressing import Addressing, addressing, availability_offset
from .values import duration, moment, natural
from .xml import children, get, local_name, tree

_MAX_REPRESENTATIONS = 1_000
_MAX_URL = 8_192
_XLINK = "{http://www.w3.org/1999/xlink}href"
_TRICKS = ("http://dashif.org/guidelines/trickmode", "http://dashif.org/guidelines/thumbnail_tile")
_CONTINUES = ("urn:mpeg:dash:period-continuity:2015", "urn:mpeg:dash:period-connectivity:2015")

_DESCRIBING = ("contentType", "mimeType", "codecs", "bandwidth", "width", "height")

Kind = Literal["video", "audio", "other"]


@dataclass(frozen=True, slots=True)
class Representation:
    """One rendition within one period. `base` is absolute; `offset` is how long before its end a segment is there."""

    id: str
    kind: Kind
    base: str
    bandwidth: int = 0
    height: int | None = None
    codecs: str = ""
    main: bool = True  # False when its set has another role than the main one
    continues: bool = False  # timestamps run on from the period before
    protection: str | None = None  # the scheme that encrypts it
    offset: float = 0.0
    addressing: Addressing | None = None  # None: one file for all, which is not followed

    @property
    def has_sound(self) -> bool:
        """Whether sound is muxed into the picture's segments."""
        return self.kind == "video" and "audio" in kinds_of(self.codecs)


@dataclass(frozen=True, slots=True)
class Period:
    """`start` in seconds of presentation time; `duration` is None while it goes on."""

    id: str
    start: float
    duration: float | None
    representations: tuple[Representation, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """An MPD. Times in seconds, moments in Unix time; `location` and `timing` are absolute URLs."""

    dynamic: bool
    periods: tuple[Period, ...]
    availability_start: float | None = None
    update_period: float | None = None  # None: what it says is final
    time_shift: float | None = None
    duration: float | None = None
    max_segment: float | None = None
    location: str | None = None
    timing: tuple[tuple[str, str], ...] = ()  # UTCTiming: (scheme, value)


def parse(data: bytes, url: str) -> Manifest:
    """The manifest in `data`, which came from `url`; PlaylistError says why it is none."""
    root = tree(data)
    if local_name(root) != "MPD":
        raise PlaylistError(f"a document of another kind ({local_name(root)[:40]}) instead of an MPD")
    try:
        return _manifest(root, url)
    except ValueError as error:
        raise PlaylistError(f"the MPD: {error}") from None


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an element hands down to those inside it."""

    base: str
    offset: float = 0.0
    attributes: Mapping[str, str] | None = None
    addressing: Addressing | None = None
    protection: str | None = None

    def within(self, element: Element) -> "_Scope":
        base, more = self.base, 0.0
        for child in children(element, "BaseURL"):
            base = _joined(base, (child.text or "").strip())
            more = availability_offset(child.attrib)
            break  # the others are the same from somewhere else
        return replace(
            self,
            base=base,
            offset=self.offset + more,
            attributes={**(self.attributes or {}), **_inherited(element)},
            addressing=addressing(element, self.addressing),
            protection=_protection(element) or self.protection,
        )


def _manifest(root: Element, url: str) -> Manifest:
    given = root.attrib
    location = next((child.text for child in children(root, "Location") if child.text), None)
    total = get(given, "mediaPresentationDuration", duration)
    scope = _Scope(url).within(root)
    timing = [(child.get("schemeIdUri", ""), child.get("value", "")) for child in children(root, "UTCTiming")]
    dynamic = given.get("type", "static") == "dynamic"
    start = get(given, "availabilityStartTime", moment)
    if dynamic and start is None:
        raise ValueError("a dynamic MPD without availabilityStartTime")
    return Manifest(
        dynamic=dynamic,
        periods=tuple(_periods(root, scope, total)),
        availability_start=start,
        update_period=get(given, "minimumUpdatePeriod", duration),
        time_shift=get(given, "timeShiftBufferDepth", duration),
        duration=total,
        max_segment=get(given, "maxSegmentDuration", duration),
        location=_joined(url, location.strip()) if location else None,
        timing=tuple((scheme, _joined(url, value) if ":http" in scheme else value) for scheme, value in timing[:16]),
    )


def _periods(root: Element, scope: _Scope, total: float | None) -> Iterator[Period]:
    """Without a start, a period follows the one before; without a duration, it ends where the next one begins."""
    elements = [element for element in children(root, "Period") if not _is_removed(element)]
    starts: list[float] = []
    expected: float | None = 0.0
    for element in elements:
        start = get(element.attrib, "start", duration)
        if start is None and expected is None:
            raise ValueError("a period that says neither by itself nor by the one before when it starts")
        starts.append(expected if start is None else start)  # type: ignore[arg-type]  # one of them is known
        long = get(element.attrib, "duration", duration)
        expected = None if long is None else starts[-1] + long
        if len(starts) > 1 and starts[-1] < starts[-2]:
            raise ValueError("periods that are not in order of time")
    left = _MAX_REPRESENTATIONS
    for element, start, end in zip(elements, starts, [*starts[1:], total][: len(starts)], strict=True):
        long = get(element.attrib, "duration", duration)
        until = None if end is None else max(0.0, end - start)
        long = until if long is None else long if until is None else min(long, until)
        found = tuple(_representations(element, scope.within(element)))
        if (left := left - len(found)) < 0:
            raise ValueError(f"more than {_MAX_REPRESENTATIONS} representations")
        yield Period(element.get("id", ""), start, long, found)


def _representations(period: Element, scope: _Scope) -> Iterator[Representation]:
    for part in children(period, "AdaptationSet"):
        if _is_removed(part) or _schemes(part, "EssentialProperty") & set(_TRICKS):
            continue
        common = scope.within(part)
        roles = {role.get("value", "") for role in children(part, "Role")}
        continues = bool(_schemes(part, "SupplementalProperty") & set(_CONTINUES))
        for element in children(part, "Representation"):
            inner = common.within(element)
            given = inner.attributes or {}
            kind = _kind(given)
            yield Representation(
                id=element.get("id", ""),
                kind=kind,
                base=inner.base,
                bandwidth=get(given, "bandwidth", natural) or 0,
                height=get(given, "height", natural),
                codecs=given.get("codecs", ""),
                main=not roles or "main" in roles,
                continues=continues,
                protection=inner.protection,
                offset=inner.offset,
                addressing=inner.addressing,
            )


def _inherited(element: Element) -> dict[str, str]:
    """Those of its attributes that say what a representation is: any others are not copied a thousand times."""
    return {name: element.attrib[name] for name in _DESCRIBING if name in element.attrib}


def _kind(given: Mapping[str, str]) -> Kind:
    for name in (given.get("contentType", ""), given.get("mimeType", "").partition("/")[0]):
        if name in ("video", "audio"):
            return "video" if name == "video" else "audio"
        if name and name != "application":
            return "other"
    if kinds_of(given.get("codecs", "")) == {"audio"}:
        return "audio"
    return "video" if "width" in given or "height" in given else "other"


def _protection(element: Element) -> str | None:
    """The scheme that says how it is encrypted (cenc, cbcs), else the first one named."""
    found = list(children(element, "ContentProtection"))
    common = next((child.get("value") for child in found if child.get("value")), None)
    return common or (found[0].get("schemeIdUri") or "DRM" if found else None)


def _schemes(element: Element, name: str) -> set[str]:
    return {child.get("schemeIdUri", "") for child in children(element, name)}


def _is_removed(element: Element) -> bool:
    """A remote element that resolves to nothing (§5.5.3). Others are taken as far as the document itself has them."""
    return "resolve-to-zero" in element.get(_XLINK, "")


def _joined(base: str, url: str) -> str:
    joined = urljoin(base, url)
    if len(joined) > _MAX_URL:
        raise ValueError(f"a URL of more than {_MAX_URL} characters")
    return joined
