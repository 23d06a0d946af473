# SPDX-License-Identifier: Apache-2.0
"""Hours of clean footage: a channel's programme with cuts, fades, titles, credits, pauses — and nothing to alert about.

Some minutes of it are put together by chance with a fixed seed, and played over and over with the default settings.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np

from .broadcast import Broadcast
from .cases import Format, Medium, Packaging
from .drawings import clock, credits_roll, letterbox, lights, logo, slide
from .footage import RATE
from .play import follow, settings
from .report import Result
from .rule import Bounds, judge
from .scenes import Dimmed, Fade, Footage, Grain, Held, Inlay, Pan, Plain, Scene
from .sounds import Hiss, Hush, Music, Sound, Speech
from .tape import Tape
from .virtual import VirtualLoop, run

HOURS = 2.0
_LENGTH = 600.0  # seconds of the programme: whole segments, and whole AAC frames
_SEGMENT = 4.0
_OVERTIME = 60.0
_T = TypeVar("_T")


def programme(seed: int, seconds: float) -> Medium:
    """So much television."""
    sounds = tuple(_filled(_sounds(np.random.default_rng((seed, 2))), seconds - 1024 / RATE))
    pictures = tuple(_filled(_pictures(np.random.default_rng((seed, 1))), seconds))
    return Medium(pictures, sounds, Packaging(_SEGMENT, 2), ((seconds, Format(bitrate=250_000)),))


def play_clean(depth: str, hours: float = HOURS, length: float = _LENGTH) -> Result:
    """Watches a programme of `length` seconds for so many hours, live; the clock is virtual."""
    aired = Tape(programme(11, length)).aired(hours * 3600)
    spec = settings(None, depth, defaults=True)

    async def main(loop: VirtualLoop) -> Result:
        async with Broadcast(loop, {"main": aired}) as origin, asyncio.timeout(hours * 3600 + _OVERTIME):
            watch, told = await follow(loop, origin, spec, begin=_SEGMENT + 0.01)
        verdict = judge((), told.alerts, spec.checks, Bounds(_SEGMENT, 2 * _SEGMENT, origin.now))
        seen = watch.statistics.total_segments_analyzed
        faults = [] if seen == len(aired) else [f"{seen} of {len(aired)} segments were seen"]
        if watch.statistics.segment_errors:
            faults.append(f"{watch.statistics.segment_errors} segments were taken for broken")
        if [kind for _, kind in told.occurrences] != ["stream.started", "stream.ended"]:
            faults.append(f"told {told.occurrences}")
        return Result("clean", f"{hours:g} hours of clean footage, {depth}", verdict, tuple(faults), 0, hours * 3600)

    result: Result = run(main)
    return result


def _filled(parts: Iterator[tuple[float, _T]], seconds: float) -> Iterator[tuple[float, _T]]:
    """Parts until the time is up, the last one cut."""
    for length, part in parts:
        yield min(length, seconds), part
        seconds -= length
        if seconds <= 0:
            return


def _pictures(random: np.random.Generator) -> Iterator[tuple[float, Scene]]:
    while True:
        for _ in range(int(random.integers(8, 14))):
            yield _tenths(random, 1.6, 9), logo(_shot(random), left=280, width=28, height=18, luma=210)
        yield from _between(random)


def _between(random: np.random.Generator) -> Iterator[tuple[float, Scene]]:
    """What comes between scenes: fades, titles, credits, advertisements with a moment of black, a still."""
    shot = _shot(random)
    kind = int(random.integers(6))
    if kind == 0:
        yield from ((1.6, Fade(shot, 1.6)), (_tenths(random, 0.4, 3), Plain()), (1.6, Fade(_shot(random), 1.6, 0, 1)))
    elif kind == 1:
        yield _tenths(random, 4, 15), slide(int(random.integers(100)))
    elif kind == 2:
        yield _tenths(random, 10, 25), credits_roll()
    elif kind == 3:
        for _ in range(4):
            yield from ((_tenths(random, 4, 12), _shot(random)), (0.4, Plain()))
    elif kind == 4:
        yield _tenths(random, 4, 20), Grain(Held(shot, 5), 1.5)
    else:
        yield _tenths(random, 4, 12), lights(Plain(18))


def _shot(random: np.random.Generator) -> Scene:
    clip = ("bunny", "bikes", "bikes", "phone")[int(random.integers(4))]
    room = {"bunny": (160, 90), "bikes": (320, 92), "phone": (76, 144)}[clip]
    left, top = (2 * int(random.integers(size // 2)) for size in room)
    shot = Footage(clip, int(random.integers(100)), float(random.choice([0.5, 1.0, 1.0])), left, top)
    shot = replace(shot, mirrored=bool(random.integers(2)))
    kind = int(random.integers(9))
    if kind == 0:
        return Dimmed(shot, 0.3)
    if kind == 1:
        return letterbox(shot, 22)
    if kind == 2:
        return Pan(shot, 10.0)
    if kind == 3:
        return clock(shot)
    if kind == 4:
        return Inlay(Held(shot), Footage("phone", left=40, top=60), 120, 40, 100, 120)
    if kind == 5:
        return Grain(shot, 3)
    return shot


def _sounds(random: np.random.Generator) -> Iterator[tuple[float, Sound]]:
    while True:
        kind = int(random.integers(6))
        if kind == 0:
            yield _tenths(random, 1, 8), Hiss(-62)
        elif kind == 1:
            yield _tenths(random, 0.4, 3), Hush()
        elif kind == 2:
            yield _tenths(random, 8, 20), Speech(-42, int(random.integers(50)))
        elif kind == 3:
            yield _tenths(random, 8, 40), Music(-22)
        else:
            yield _tenths(random, 8, 30), Speech(-22, int(random.integers(50)))


def _tenths(random: np.random.Generator, least: float, most: float) -> float:
    """A whole number of fifths of a second: five pictures."""
    return round(float(random.uniform(least, most)) * 5) / 5
