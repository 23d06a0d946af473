# SPDX-License-Identifier: Apache-2.0
"""Transport cases of segments: errors, short and broken bodies, slowness, gaps, keys, byte ranges, timestamps."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from .broadcast import Aired, Broadcast, Fault, View
from .cases import Label
from .playlist_cases import at_its_pace, fetched_once, healthy
from .transport import Transport, body, cut_short, dripping, each, slow, status, tape, view

_KEY = bytes(range(16))
_WRAP = 1 << 33
_ALWAYS = (0.0, 1e9)


def _errors() -> Iterator[Transport]:
    three = r"(20|21|22)\.ts"  # on air from 80 to 92 s, the third is published at 92 s
    broken = Label("segment_errors", 80, 92, due=92, clear_due=122)
    for name, fault in {
        "three segments answer 404": status(404, *_ALWAYS, three),
        "three segments answer 503": status(503, *_ALWAYS, three),
        "three segments are shorter than announced": cut_short(*_ALWAYS, three),
        "three segments hold two fifths": body(lambda right, _: right[: len(right) // 470 * 188], *_ALWAYS, three),
        "three segments are web pages": body(lambda *_: b"<html><body>Not here</body></html>", *_ALWAYS, three),
    }.items():
        yield Transport(name, "segment HTTP", healthy(180), (broken,), faults=(fault,))
    # The hole is seen when the segment after it comes.
    leaking = Label("segment_errors", 80, 124, due=96, clear_due=154)
    yield Transport(
        "segments lose a fifth for 40 s", "segment HTTP", healthy(220), (leaking,), faults=(_lossy(0.2, 80, 120),)
    )
    yield Transport("two segments lose a fifth", "segment HTTP", healthy(160), faults=(_lossy(0.2, 80, 88),))
    yield Transport("segments lose a twentieth", "segment HTTP", healthy(160), faults=(_lossy(0.05, *_ALWAYS),))
    often = r"(20|22|24|26)\.ts"  # more than 20 % of a minute, never three in a row: the fourth is published at 108 s
    share = Label("segment_errors", 80, 108, due=108, clear_due=138)
    yield Transport("every other segment answers 404", "segment HTTP", healthy(200), (share,), faults=(
        status(404, *_ALWAYS, often),))  # fmt: skip
    yield Transport("one segment answers 404", "segment HTTP", healthy(160), faults=(status(404, *_ALWAYS, r"20\.ts"),))
    yield Transport(
        "two in a row answer 500", "segment HTTP", healthy(160), faults=(status(500, *_ALWAYS, r"2[01]\.ts"),)
    )
    yield Transport("segments are a second late at the edge", "segment HTTP", healthy(160), faults=(_at_edge(1.0),))


def _lossy(share: float, begin: float, end: float) -> Fault:
    """Segments that begin in that time end early by so much of their length."""

    def cut(right: bytes, path: str) -> bytes:
        begins = int(path.removesuffix(".ts")) * 4.0
        return right[: round(len(right) * (1 - share)) // 188 * 188] if begin <= begins < end else right

    return body(cut, *_ALWAYS)


def _at_edge(seconds: float) -> Fault:
    """404 in the first moments after a segment was announced."""

    async def reply(origin: Broadcast, request: web.Request) -> web.Response | None:
        number = int(request.match_info["path"].removesuffix(".ts"))
        fresh = origin.now < (number + 1) * 4.0 + seconds
        return web.Response(status=404, headers=origin.headers) if fresh else None

    return Fault(*_ALWAYS, r"\d+\.ts", reply=reply)


def _speed() -> Iterator[Transport]:
    crawling = Label("slow_delivery", 78, 158, due=108, clear_due=190)
    yield Transport(
        "segments take 3.6 s of 4 s", "segment HTTP", healthy(260), (crawling,), faults=(dripping(3.6, 80, 160),)
    )
    yield Transport(
        "the first byte takes 3.6 s of 4 s", "segment HTTP", healthy(260), (crawling,), faults=(slow(3.6, 80, 160),)
    )
    yield Transport("segments take 2 s of 4 s", "segment HTTP", healthy(200), faults=(dripping(2.0, *_ALWAYS),))
    yield Transport("the first byte takes 1.5 s", "segment HTTP", healthy(200), faults=(slow(1.5, *_ALWAYS),))
    # In the 80 s of the fault 18 segments are downloaded instead of 20.
    behind = Label("slow_delivery", 76, 152, due=106, clear_due=182, late=12.0)
    yield Transport(
        "segments take longer than they play", "segment HTTP", healthy(300), (behind,), faults=(dripping(4.4, 80, 160),)
    )
    yield Transport("slow for 16 s", "segment HTTP", healthy(200), faults=(dripping(3.8, 80, 96),))


def _gaps() -> Iterator[Transport]:
    missing = status(404, *_ALWAYS, r"2[0-4]\.ts")

    def gap(segment: Aired) -> Aired:
        return replace(segment, gap=True) if 80 <= segment.begins < 100 else segment

    yield Transport("five segments are gaps", "gap tag", healthy(180), faults=(each(gap), missing))

    def early(segment: Aired) -> Aired:
        return replace(segment, gap=True) if segment.begins < 8 else segment

    yield Transport("the playlist begins with gaps", "gap tag", healthy(120), faults=(each(early),))


def _forms() -> Iterator[Transport]:
    def encrypted(segment: Aired, at: int) -> Aired:
        def read() -> bytes:
            padder = PKCS7(128).padder()
            padded = padder.update(segment.read()) + padder.finalize()
            encryptor = Cipher(algorithms.AES128(_KEY), modes.CBC(at.to_bytes(16))).encryptor()
            return encryptor.update(padded) + encryptor.finalize()

        return replace(segment, read=read)

    def keyed(shown: View, _: float) -> View:
        shown.tags.append('#EXT-X-KEY:METHOD=AES-128,URI="key.bin"')
        return shown

    secret = [encrypted(segment, at) for at, segment in enumerate(tape().aired(120))]
    yield Transport("AES-128", "segment form", {"main": secret}, faults=(view(keyed),), files={"key.bin": lambda: _KEY})
    yield Transport("byte ranges", "segment form", healthy(120), faults=_ranges(tape().aired(120)))
    yield Transport("segments behind a redirect", "segment form", healthy(120), faults=(_redirect(),))


def _ranges(aired: Sequence[Aired]) -> tuple[Fault, ...]:
    """All segments are parts of one resource."""
    places: dict[str, tuple[int, int]] = {}
    whole = b""
    for segment in aired:
        data = segment.read()
        places[segment.name] = (len(data), len(whole))
        whole += data

    def part(segment: Aired) -> Aired:
        length, offset = places[segment.name]
        return replace(segment, name="all.bin", tags=(f"#EXT-X-BYTERANGE:{length}@{offset}",))

    async def reply(origin: Broadcast, request: web.Request) -> web.Response:
        wanted = request.http_range
        return web.Response(status=206, body=whole[wanted], headers=origin.headers)

    return (each(part), Fault(*_ALWAYS, r"all\.bin", reply=reply))


def _redirect() -> Fault:
    async def reply(_: Broadcast, request: web.Request) -> web.Response | None:
        if request.query.get("moved"):
            return None
        return web.Response(status=302, headers={"Location": f"{request.path}?moved=1"})

    return Fault(*_ALWAYS, r"\d+\.ts", reply=reply)


def _stamps() -> Iterator[Transport]:
    soon = _WRAP - 90 * 90_000
    yield Transport(
        "timestamps wrap after 26.5 h", "PTS continuity", {"main": tape().aired(160, ticks=soon)}, inspect=at_its_pace
    )
    before, after = tape().aired(80, ticks=90_000 * 9000), tape().aired(160)[20:]
    yield Transport(
        "timestamps jump back by hours, unmarked", "PTS continuity", {"main": [*before, *after]}, inspect=fetched_once
    )
    marked = [replace(one, discontinuity=one is after[0]) for one in after]
    yield Transport("timestamps jump back at a discontinuity", "PTS continuity", {"main": [*before, *marked]})


CASES: tuple[Transport, ...] = (*_errors(), *_speed(), *_gaps(), *_forms(), *_stamps())
