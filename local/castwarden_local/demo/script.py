# SPDX-License-Identifier: Apache-2.0
"""What is on air during the demo, and which webhooks must follow from it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from castwarden_local.origin.live import Kind

SEGMENT = 1.0  # seconds
CLEAR_AFTER = 2.0

Script = Sequence[tuple[float, tuple[Kind, ...]]]

# Seconds of each part. The first is long enough for two workers to begin on a busy machine.
SCRIPT: Script = (
    (12, ("motion",)),
    (5, ("black",)),
    (4, ("motion",)),
    (5, ("blank", "silent")),
    (4, ("motion",)),
    (5, ("logo", "left")),
    (4, ("motion",)),
    (8, ("frozen",)),
    (4, ("motion",)),
    (5, ("missing",)),
    (5, ("motion",)),
    (7, ("stall",)),
    (6, ("motion",)),
)


@dataclass(frozen=True, slots=True)
class _Alert:
    """What one kind of part raises: the check, its events, and seconds until it is raised and cleared."""

    check: str
    raised: str
    cleared: str
    raise_after: float
    clear_after: float = CLEAR_AFTER

    @classmethod
    def usual(cls, check: str, event: str, raise_after: float = 3.0) -> "_Alert":
        return cls(check, event, f"{event}_recovered", raise_after)

    @property
    def settings(self) -> dict[str, Any]:
        """The check's settings in a Monitor's spec."""
        match self.check:
            case "stall":
                return {"raiseAfter": f"{self.raise_after:g}s", "clearAfterSegments": 2}
            case "segmentErrors":
                return {"consecutive": 3, "clearAfter": f"{self.clear_after:g}s"}
            case _:
                return {"raiseAfter": f"{self.raise_after:g}s", "clearAfter": f"{self.clear_after:g}s"}


_ALERTS: Mapping[Kind, _Alert] = {
    "black": _Alert.usual("black", "alert.blackout"),
    "blank": _Alert.usual("blank", "alert.blank"),
    "logo": _Alert.usual("blackWithLogo", "alert.black_with_logo"),
    "frozen": _Alert.usual("freeze", "alert.freeze", 6.0),
    "silent": _Alert.usual("silence", "alert.silence"),
    "left": _Alert.usual("oneChannelSilent", "alert.one_channel_silent"),
    "missing": _Alert.usual("segmentErrors", "alert.segment_error", 3 * SEGMENT),
    "stall": _Alert("stall", "stream.suspended", "stream.resumed", 4.0, 2 * SEGMENT),
}

CHECKS = {alert.check: alert.settings for alert in _ALERTS.values()}


@dataclass(frozen=True, slots=True)
class Expected:
    """One webhook that must come. Its cause goes on air at `offset`; `threshold` must pass before it may be sent."""

    type: str
    cause: str
    offset: float  # seconds after the stream went on air
    threshold: float  # seconds


def expected(script: Script) -> list[Expected]:
    """Every webhook of one Monitor, in order."""
    events = [Expected("stream.started", "first segment", 0.0, 0.0)]
    offset = 0.0
    for seconds, kinds in script:
        alerts = [(kind, _ALERTS[kind]) for kind in kinds if kind in _ALERTS]
        events += [Expected(alert.raised, f"{kind} begins", offset, alert.raise_after) for kind, alert in alerts]
        offset += seconds
        events += [Expected(alert.cleared, f"{kind} ends", offset, alert.clear_after) for kind, alert in alerts]
    return [*events, Expected("stream.ended", "end of the playlist", offset, 0.0)]


def on_air(script: Script, elapsed: float) -> str:
    """What is shown `elapsed` seconds after the stream went on air."""
    if elapsed < 0:
        return "not yet on air"
    left = elapsed
    for seconds, kinds in script:
        if left < seconds:
            return f"{' and '.join(kinds)} ({left:.0f} of {seconds:g} s)"
        left -= seconds
    return "the stream has ended"
