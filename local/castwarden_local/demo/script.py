# SPDX-License-Identifier: Apache-2.0
"""What is on air during the demo, and which webhooks must follow from it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["motion", "black", "silent", "stall"]

SEGMENT = 1.0  # seconds
BLACK_AFTER = 3.0
SILENCE_AFTER = 3.0
STALL_AFTER = 4.0
CLEAR_AFTER = 2.0

# Seconds of each part. The first is long enough for two workers to begin on a busy machine.
SCRIPT: tuple[tuple[float, Kind], ...] = (
    (12, "motion"),
    (7, "black"),
    (6, "motion"),
    (7, "silent"),
    (6, "motion"),
    (8, "stall"),
    (6, "motion"),
)

CHECKS = {
    "black": {"raiseAfter": f"{BLACK_AFTER:g}s", "clearAfter": f"{CLEAR_AFTER:g}s"},
    "silence": {"raiseAfter": f"{SILENCE_AFTER:g}s", "clearAfter": f"{CLEAR_AFTER:g}s"},
    "stall": {"raiseAfter": f"{STALL_AFTER:g}s", "clearAfterSegments": 2},
}

_RAISES: Mapping[Kind, tuple[str, float, str, float]] = {
    "black": ("alert.blackout", BLACK_AFTER, "alert.blackout_recovered", CLEAR_AFTER),
    "silent": ("alert.silence", SILENCE_AFTER, "alert.silence_recovered", CLEAR_AFTER),
    "stall": ("stream.suspended", STALL_AFTER, "stream.resumed", 2 * SEGMENT),
}


@dataclass(frozen=True, slots=True)
class Expected:
    """One webhook that must come. Its cause goes on air at `offset`; `threshold` must pass before it may be sent."""

    type: str
    cause: str
    offset: float  # seconds after the stream went on air
    threshold: float  # seconds


def expected(script: Sequence[tuple[float, Kind]]) -> list[Expected]:
    """Every webhook of one Monitor, in order."""
    events = [Expected("stream.started", "first segment", 0.0, 0.0)]
    offset = 0.0
    for seconds, kind in script:
        if kind in _RAISES:
            raised, raise_after, cleared, clear_after = _RAISES[kind]
            events.append(Expected(raised, f"{kind} begins", offset, raise_after))
            events.append(Expected(cleared, f"{kind} ends", offset + seconds, clear_after))
        offset += seconds
    return [*events, Expected("stream.ended", "end of the playlist", offset, 0.0)]


def on_air(script: Sequence[tuple[float, Kind]], elapsed: float) -> str:
    """What is shown `elapsed` seconds after the stream went on air."""
    if elapsed < 0:
        return "not yet on air"
    left = elapsed
    for seconds, kind in script:
        if left < seconds:
            return f"{kind} ({left:.0f} of {seconds:g} s)"
        left -= seconds
    return "the stream has ended"
