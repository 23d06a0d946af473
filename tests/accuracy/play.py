# SPDX-License-Identifier: Apache-2.0
"""Plays a case: the real Watch against the scripted origin on the virtual clock, and the alerts it told."""

import asyncio
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from castwarden_base.http import outbound_session
from castwarden_model.messages import Occurrence, Transition
from castwarden_model.resources.monitor import MonitorSpec
from castwarden_worker.monitor.watch import Outcome, Source, Watch

from .broadcast import WALL, Broadcast, on_air
from .cases import Case
from .produce import produce
from .rule import Alert, Bounds, Verdict, judge
from .virtual import VirtualLoop, run

_LOOPBACK = [ip_network("127.0.0.0/8")]
_ANEW = 2.0  # seconds until a source that became unavailable is tried again
_OVERTIME = 120.0  # seconds after the script's end
# Short, so that cases are. All checks that are on by default stay on: each case proves the silence of the others.
CHECKS: dict[str, dict[str, Any]] = {
    "black": {"raiseAfter": "5s", "clearAfter": "2s"},
    "blackWithLogo": {"raiseAfter": "5s", "clearAfter": "2s"},
    "blank": {"raiseAfter": "6s", "clearAfter": "2s"},
    "freeze": {"raiseAfter": "8s", "clearAfter": "2s"},
    "silence": {"raiseAfter": "5s", "clearAfter": "2s"},
    "oneChannelSilent": {"raiseAfter": "6s", "clearAfter": "2s"},
    "audioMissing": {"raiseAfter": "6s", "clearAfter": "4s"},
    "videoMissing": {"raiseAfter": "6s", "clearAfter": "4s"},
    "avDrift": {"raiseAfter": "6s", "clearAfter": "4s"},
    "codecChange": {"clearAfter": "10s"},
}


@dataclass(slots=True)
class Told:
    """What a Watch told, and when."""

    origin: Broadcast
    facts: list[tuple[float, Transition | Occurrence]] = field(default_factory=list)

    async def __call__(self, fact: Transition | Occurrence) -> None:
        self.facts.append((self.origin.now, fact))

    @property
    def occurrences(self) -> list[tuple[float, str]]:
        return [(at, fact.type) for at, fact in self.facts if isinstance(fact, Occurrence)]

    @property
    def alerts(self) -> list[Alert]:
        found: dict[Any, Alert] = {}
        for at, fact in self.facts:
            if isinstance(fact, Transition) and fact.state == "raised":
                found[fact.episode] = Alert(fact.condition, fact.started_at.timestamp() - WALL, at)
            elif isinstance(fact, Transition):
                was = found[fact.episode]
                found[fact.episode] = Alert(was.condition, was.began, was.told, at, fact.duration_sec)
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Played:
    """One run: the verdict, and what there is to look at when it is wrong."""

    verdict: Verdict
    alerts: tuple[Alert, ...]
    occurrences: tuple[tuple[float, str], ...]
    segments: int
    segment_errors: int
    impatient: int


def settings(checks: Any = None, depth: str = "Adaptive", *, defaults: bool = False) -> MonitorSpec:
    """A Monitor's spec with short thresholds (`defaults`: with the usual ones), changed by `checks`."""
    merged: dict[str, Any] = {} if defaults else {name: dict(values) for name, values in CHECKS.items()}
    for name, values in (checks or {}).items():
        merged[name] = merged.get(name, {}) | dict(values)
    return MonitorSpec.model_validate(
        {"source": {"url": "http://stream.example/live.m3u8"}, "checks": merged, "depth": depth}
    )


async def follow(loop: VirtualLoop, origin: Broadcast, spec: MonitorSpec, *, begin: float) -> tuple[Watch, Told]:
    """Watches from `begin` seconds on air until the stream ends."""
    told = Told(origin)
    async with outbound_session(_LOOPBACK, total=60) as session:
        connector: Any = session.connector
        loop.is_busy = lambda: len(connector._acquired) > origin.held
        await asyncio.sleep(begin)
        watch = Watch(session, spec, told, clock=origin.clock)
        while await watch.run(Source(origin.url)) is not Outcome.ENDED:
            await asyncio.sleep(_ANEW)
        loop.is_busy = lambda: False
    return watch, told


def play(case: Case, depth: str = "Adaptive") -> Played:
    """Plays a content case live, from its first segment to its end."""
    made = produce(case.medium)
    renditions, files = on_air(made)
    spec = settings(case.checks, depth)
    packaging = case.medium.packaging

    async def main(loop: VirtualLoop) -> Played:
        multivariant = _multivariant(case) if packaging.separate else ()
        async with Broadcast(loop, renditions, multivariant=multivariant, files=files) as origin:
            first = max(aired[0].published for aired in renditions.values())
            async with asyncio.timeout(case.medium.seconds + _OVERTIME):
                watch, told = await follow(loop, origin, spec, begin=first + 0.01)
        bounds = Bounds(packaging.segment, case.leeway, case.medium.seconds)
        verdict = judge(case.labels, told.alerts, spec.checks, bounds)
        counted = watch.statistics
        return Played(
            verdict,
            tuple(told.alerts),
            tuple(told.occurrences),
            counted.total_segments_analyzed,
            counted.segment_errors,
            loop.impatient,
        )

    played: Played = run(main)
    return played


def _multivariant(case: Case) -> tuple[str, ...]:
    form = case.medium.parts[0][1]
    seen = f'RESOLUTION={form.width}x{form.height},CODECS="avc1.42c01e,mp4a.40.2"'
    return (
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="main",DEFAULT=YES,URI="audio.m3u8"',
        f'#EXT-X-STREAM-INF:BANDWIDTH={form.bitrate + form.audio_bitrate},AUDIO="sound",{seen}',
        "main.m3u8",
    )
