# SPDX-License-Identifier: Apache-2.0
"""What a transport case is, the faults that they are made of, and how one is played. Thresholds are the defaults."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from aiohttp import web

from .broadcast import Aired, Broadcast, Fault, View
from .cases import Format, Label, Medium, Packaging, Settings
from .footage import RATE
from .play import follow, settings
from .report import Result
from .rule import Bounds, judge
from .scenes import Footage
from .sounds import Music
from .tape import Tape
from .virtual import VirtualLoop, run

SEGMENT = 4.0
_BEGIN = 20.5  # seconds on air when the watch begins
_OVERTIME = 180.0
_LENGTH = 64.0


@dataclass(frozen=True, slots=True)
class Transport:
    """One case: `line` of the reference's table D1, what is on air, what goes wrong, what is to be told and when.

    `told`: occurrences beside start and end, with their time on air. `forbidden` is everything else: no alert and no
    occurrence may be told that is not listed. `inspect` looks at the requests and says what is wrong with them.
    """

    name: str
    line: str
    renditions: Mapping[str, Sequence[Aired]]
    labels: tuple[Label, ...] = ()
    told: tuple[tuple[float, str], ...] = ()
    faults: tuple[Fault, ...] = ()
    multivariant: tuple[str, ...] = ()
    window: float = 24.0
    first_sequence: int = 0
    checks: Settings = field(default_factory=dict)
    inspect: Callable[[Broadcast], str | None] = lambda origin: None
    segment: float = SEGMENT
    files: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return max(segment.published for aired in self.renditions.values() for segment in aired)


@cache
def tape(segment: float = SEGMENT) -> Tape:
    """A minute of motion and music, small, that is played over and over."""
    sound = ((_LENGTH - 1024 / RATE, Music()),)  # the encoder's last frame fills up the minute
    form = Format(width=160, height=90, bitrate=80_000, audio_bitrate=48_000)
    return Tape(Medium(((_LENGTH, Footage()),), sound, Packaging(segment, min(2.0, segment)), ((_LENGTH, form),)))


def play_transport(case: Transport) -> Result:
    """Plays a transport case live."""
    spec = settings(case.checks, defaults=True)

    async def main(loop: VirtualLoop) -> Result:
        async with Broadcast(
            loop,
            case.renditions,
            window=case.window,
            first_sequence=case.first_sequence,
            multivariant=case.multivariant,
            faults=case.faults,
            files=case.files,
        ) as origin:
            async with asyncio.timeout(case.seconds + _OVERTIME):
                _, told = await follow(loop, origin, spec, begin=_BEGIN)
        verdict = judge(case.labels, told.alerts, spec.checks, Bounds(case.segment, 2 * case.segment, origin.now))
        faults = [*_occurrences(case, told.occurrences)]
        if problem := case.inspect(origin):
            faults.append(problem)
        if loop.impatient:
            faults.append("the virtual clock went on although something was under way")
        return Result("transport", case.name, verdict, tuple(faults), len(case.labels), case.seconds)

    result: Result = run(main)
    return result


def _occurrences(case: Transport, told: Sequence[tuple[float, str]]) -> list[str]:
    """What was told once, against what should have been: the same, in that order, within two segments."""
    wanted = [("stream.started", _BEGIN), *((kind, at) for at, kind in case.told)]
    wanted += [("stream.ended", case.seconds)] if "stream.ended" not in [kind for kind, _ in wanted] else []
    found = [kind for _, kind in told]
    if found != [kind for kind, _ in wanted]:
        return [f"told {found} instead of {[kind for kind, _ in wanted]}"]
    pairs = zip(told, wanted, strict=True)
    return [f"{kind} told at {at:.2f}, due {due:.2f}" for (at, kind), (_, due) in pairs if not -1 <= at - due <= 8.01]


def status(code: int, begin: float, end: float, path: str = r"\d+\.ts") -> Fault:
    """Answers with a status alone."""

    async def reply(origin: Broadcast, _: web.Request) -> web.Response:
        return web.Response(status=code, headers=origin.headers)

    return Fault(begin, end, path, reply=reply)


def slow(seconds: float, begin: float, end: float, path: str = r"\d+\.ts") -> Fault:
    """Sends the first byte after so long."""

    async def reply(origin: Broadcast, _: web.Request) -> None:
        await origin.wait(seconds)

    return Fault(begin, end, path, reply=reply)


def body(make: Callable[[bytes, str], bytes], begin: float, end: float, path: str = r"\d+\.ts") -> Fault:
    """Sends other bytes, made of the right ones and the path."""

    async def reply(origin: Broadcast, request: web.Request) -> web.Response | None:
        right = origin.data(request.match_info["path"])
        return None if right is None else origin.bytes(make(right, request.match_info["path"]))

    return Fault(begin, end, path, reply=reply)


def dripping(seconds: float, begin: float, end: float, path: str = r"\d+\.ts") -> Fault:
    """Begins to send at once, and takes so long in all."""

    async def reply(origin: Broadcast, request: web.Request) -> web.StreamResponse | None:
        right = origin.data(request.match_info["path"])
        if right is None:
            return None
        response = web.StreamResponse(headers=origin.headers)
        response.content_length = len(right)
        await response.prepare(request)
        for part in range(8):
            await origin.wait(seconds / 8)
            await response.write(right[part * len(right) // 8 : (part + 1) * len(right) // 8])
        await response.write_eof()
        return response

    return Fault(begin, end, path, reply=reply)


def cut_short(begin: float, end: float, path: str = r"\d+\.ts") -> Fault:
    """Announces a length, sends half of it and closes the connection."""

    async def reply(origin: Broadcast, request: web.Request) -> web.StreamResponse | None:
        right = origin.data(request.match_info["path"])
        if right is None:
            return None
        response = web.StreamResponse(headers=origin.headers)
        response.content_length = len(right)
        await response.prepare(request)
        await response.write(right[: len(right) // 2])
        if request.transport:
            request.transport.close()
        return response

    return Fault(begin, end, path, reply=reply)


def text(content: str, begin: float, end: float, path: str = r"main\.m3u8") -> Fault:
    """Answers with a text."""

    async def reply(origin: Broadcast, _: web.Request) -> web.Response:
        return origin.text(content)

    return Fault(begin, end, path, reply=reply)


def view(change: Callable[[View, float], View | None], begin: float = 0, end: float = 1e9, path: str = "main") -> Fault:
    """Changes what a playlist shows."""
    return Fault(begin, end, rf"{path}\.m3u8", change=change)


def each(change: Callable[[Aired], Aired], begin: float = 0, end: float = 1e9) -> Fault:
    """Changes each segment that a playlist shows."""

    def changed(shown: View, _: float) -> View:
        shown.segments = [change(segment) for segment in shown.segments]
        return shown

    return view(changed, begin, end)


def marked(aired: Sequence[Aired], *places: int) -> list[Aired]:
    """With a discontinuity before each of these segments."""
    return [replace(segment, discontinuity=True) if at in places else segment for at, segment in enumerate(aired)]
