# SPDX-License-Identifier: Apache-2.0
"""Transport cases of streams with several renditions, and of low latency."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from aiohttp import web

from .broadcast import Aired, Broadcast, Fault, View
from .cases import Label
from .transport import Transport, status, tape, text, view

_SIZES = {"main": (160, 90, 200_000), "hd": (1280, 720, 3_000_000), "uhd": (3840, 2160, 12_000_000)}
_MULTIVARIANT = tuple(
    line
    for name, (width, height, bandwidth) in _SIZES.items()
    for line in (
        f'#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={width}x{height},CODECS="avc1.42c01e,mp4a.40.2"',
        f"{name}.m3u8",
    )
)
_ROUND = 40.0  # seconds within which a probe that rotates has met a rendition that is gone three times
_TWICE = 60.0  # … and one that is back, or stands still, twice
_PART = 1.0


def ladder(seconds: float) -> dict[str, Sequence[Aired]]:
    """Three renditions of the same length, each with its own files."""
    return {
        "main": tape().aired(seconds),
        **{name: tape().aired(seconds, name=name + "/{}.ts") for name in ("hd", "uhd")},
    }


def _renditions() -> Iterator[Transport]:
    yield Transport("three renditions", "variants", ladder(300), multivariant=_MULTIVARIANT)
    missing = Label("rendition_missing", 80, 200, exact=30.0, due=80, clear_due=200, late=_ROUND)
    yield Transport(
        "a rendition answers 404",
        "variants",
        ladder(400),
        (missing,),
        multivariant=_MULTIVARIANT,
        faults=(status(404, 80, 200, r"hd\.m3u8"),),
    )
    yield Transport(
        "two renditions answer 503",
        "variants",
        ladder(400),
        (missing,),
        multivariant=_MULTIVARIANT,
        faults=(status(503, 80, 200, r"u?hd\.m3u8"),),
    )
    yield Transport(
        "a rendition is a web page",
        "variants",
        ladder(400),
        (missing,),
        multivariant=_MULTIVARIANT,
        faults=(text("<html>gone</html>", 80, 200, r"uhd\.m3u8"),),
    )
    yield Transport(
        "a rendition fails for 9 s",
        "variants",
        ladder(300),
        multivariant=_MULTIVARIANT,
        faults=(status(404, 80, 89, r"hd\.m3u8"),),
    )
    yield Transport(
        "a rendition fails once",
        "variants",
        ladder(300),
        multivariant=_MULTIVARIANT,
        faults=(status(503, 80, 84, r"u?hd\.m3u8"),),
    )

    def standing(shown: View, _: float) -> View:
        shown.segments = [segment for segment in shown.segments if segment.ends <= 80]
        return shown

    stale = Label("rendition_stale", 80, 240, exact=45.0, due=110, clear_due=270, late=_TWICE)
    yield Transport(
        "a rendition stands still",
        "variant drift",
        ladder(440),
        (stale,),
        multivariant=_MULTIVARIANT,
        window=300,
        faults=(view(standing, 80, 240, "hd"),),
    )

    yield Transport(
        "two renditions stand still",
        "variant drift",
        ladder(440),
        (stale,),
        multivariant=_MULTIVARIANT,
        window=300,
        faults=(view(standing, 80, 240, "u?hd"),),
    )
    yield Transport(
        "a rendition stands still for 20 s",
        "variant drift",
        ladder(300),
        multivariant=_MULTIVARIANT,
        window=300,
        faults=(view(standing, 80, 100, "hd"),),
    )

    def undated(shown: View, now: float) -> View:
        shown.dates = "none"
        return standing(shown, now) if now >= 80 else shown

    def bare(shown: View, _: float) -> View:
        shown.dates = "none"
        return shown

    yield Transport(
        "a rendition without dates stands still",
        "variant drift",
        ladder(440),
        (stale,),
        multivariant=_MULTIVARIANT,
        window=300,
        faults=(
            view(undated, 0, 240, "hd"),
            view(bare, 240, path="hd"),
            view(bare, path="main"),
            view(bare, path="uhd"),
        ),
    )

    def behind(shown: View, _: float) -> View:
        shown.segments = shown.segments[:-2]
        return shown

    yield Transport(
        "a rendition is two segments behind",
        "variant drift",
        ladder(300),
        multivariant=_MULTIVARIANT,
        faults=(view(behind, path="u?hd"),),
    )
    renumbered = ladder(300)
    renumbered["hd"] = [replace(one, discontinuity=one.begins == 40) for one in renumbered["hd"]]

    def numbered(shown: View, _: float) -> View:
        shown.sequence += 7000
        return shown

    yield Transport(
        "renditions are numbered differently",
        "variant drift",
        renumbered,
        multivariant=_MULTIVARIANT,
        faults=(view(numbered, path="hd"),),
    )


def low_latency(seconds: float, hold: tuple[float, float] = (0.0, 0.0)) -> dict[str, Sequence[Aired]]:
    """Segments of four parts of a second; nothing is published from `hold[0]` to `hold[1]`."""

    def publish(ends: float) -> float:
        return hold[1] if hold[0] < ends < hold[1] else ends

    parts = tape(_PART).aired(seconds, name="part{}.ts", publish=publish)
    segments = []
    for at in range(0, len(parts) - 3, 4):
        four = parts[at : at + 4]
        length = sum(part.seconds for part in four)
        segments.append(Aired(f"{at // 4}.ts", length, four[0].begins, partial(_joined, four), four[-1].published))
    return {"main": segments, "parts": parts}


def _joined(parts: Sequence[Aired]) -> bytes:
    return b"".join(part.read() for part in parts)


def blocking(renditions: dict[str, Sequence[Aired]]) -> Fault:
    """Playlists with parts, hints and blocking reload (draft-pantos-hls-rfc8216bis §6.2.5.2)."""
    parts, last = renditions["parts"], max(part.published for part in renditions["parts"])

    async def reply(origin: Broadcast, request: web.Request) -> web.Response:
        wanted = int(request.query.get("_HLS_msn", 0)) * 4 + int(request.query.get("_HLS_part", 0))
        if "_HLS_msn" in request.query and wanted < len(parts):
            await origin.wait(max(0.0, parts[wanted].published - origin.now))
        return origin.text(_low_latency_playlist(origin, parts, ended=origin.now >= last))

    return Fault(0, 1e9, r"main\.m3u8", reply=reply)


def _low_latency_playlist(origin: Broadcast, parts: Sequence[Aired], *, ended: bool) -> str:
    there = [part for part in parts if part.published <= origin.now + 1e-6]
    shown = origin.view("main", origin.now)
    shown.tags = [
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.0",
        f"#EXT-X-PART-INF:PART-TARGET={_PART + 0.05:.3f}",
    ]
    shown.segments = [replace(one, tags=tuple(_parts(there, one))) for one in shown.segments]
    following = there[(shown.sequence + len(shown.segments)) * 4 :]
    shown.tail = [_part(part) for part in following]
    if not ended:
        shown.tail.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part{len(there)}.ts"')
    shown.ended = ended
    return "\n".join([*shown.lines(), ""])


def _parts(there: Sequence[Aired], segment: Aired) -> Iterator[str]:
    first = int(segment.name.removesuffix(".ts")) * 4
    if len(there) - first <= 16:
        yield from (_part(part) for part in there[first : first + 4])


def _part(part: Aired) -> str:
    return f'#EXT-X-PART:DURATION={part.seconds:.6f},URI="{part.name}",INDEPENDENT=YES'


def _patient(origin: Broadcast) -> str | None:
    """A playlist that blocks is asked about once per part, not in a busy loop."""
    loads = [at for at, path in origin.requests if path == "main.m3u8"]
    hasty = sum(later - earlier < _PART / 3 for earlier, later in pairwise(loads))
    return f"{hasty} of {len(loads)} loads within a third of a part" if hasty > len(loads) / 10 else None


def _low_latency() -> Iterator[Transport]:
    usual = low_latency(160)
    yield Transport("low latency", "LL-HLS", usual, faults=(blocking(usual),), inspect=_patient)
    held = low_latency(200, (80.0, 120.0))
    stalled = Label("stall", 80, 120, exact=1.5, due=95, clear_due=120)
    yield Transport(
        "low latency, nothing new for 40 s", "LL-HLS", held, (stalled,), faults=(blocking(held),), window=60
    )


CASES: tuple[Transport, ...] = (*_renditions(), *_low_latency())
