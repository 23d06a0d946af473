# SPDX-License-Identifier: Apache-2.0
"""What is open and what Degraded says of it, in words. Pure; called by the fold."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from castwarden_model.messages import MonitorObservation, OpenCondition, Settled, Transition
from castwarden_model.resources import StreamState

from castwarden_gateway.facts.known import Known, degrade, stamp

BLOCKED = "probe_blocked"
BEHIND = "analysis_degraded"
_SHORT = 5  # open conditions that are named in one line
_LONGEST = 80  # characters that are said of what was measured
_SETTLED = "settled"  # in `private`: conditions whose last episode ended without a recovery, why and when
_ERROR = "error"  # in `private`: why the source cannot be watched
_TOLD_FOR = timedelta(days=1)
_WHY_SETTLED: Mapping[str, str] = {
    Settled.CHECK_DISABLED: "its check was switched off",
    Settled.STREAM_ENDED: "the stream ended",
    Settled.BASELINE_LOST: "what it was measured against is not known any more",
}


def note_error(known: Known, data: Mapping[str, Any]) -> None:
    """Remembers why the source cannot be watched at all."""
    known.private[_ERROR] = {key: str(data.get(key, ""))[:1024] for key in ("reason", "message")}


def forget_error(known: Known, seen: MonitorObservation) -> None:
    """It counts until the stream is seen, whenever the worker finds the same."""
    if seen.stream is not StreamState.UNKNOWN:
        known.private.pop(_ERROR, None)


def _error(known: Known) -> dict[str, str] | None:
    """Why the source cannot be watched, if that is what the last look found."""
    error: dict[str, str] | None = known.private.get(_ERROR)
    stream = known.status.get("stream", {})
    found = stream.get("state") == StreamState.UNKNOWN and error and stream.get("reason") == error["reason"]
    return error if found else None


def note_settled(known: Known, transition: Transition) -> None:
    """Remembers that an episode ended without a recovery, until the condition is told of again."""
    settled: dict[str, dict[str, str]] = known.private.pop(_SETTLED, {})
    settled.pop(transition.condition, None)
    if transition.settled:
        settled[transition.condition] = {"why": transition.settled, "at": stamp(transition.at)}
    if settled:
        known.private[_SETTLED] = settled


def judge(known: Known, now: datetime) -> None:
    """Degraded: the source is faulty, or cannot be looked at as it should be, which is no fault of the source."""
    known.status["openConditions"] = sorted(known.open)
    known.status["openSummary"] = _in_short(sorted(known.open))
    blocked = BLOCKED in known.open or known.status.get("stream", {}).get("state") == StreamState.PROBE_BLOCKED
    error = None if blocked else _error(known)
    faults = sorted(known.open.keys() - {BLOCKED, BEHIND})
    said = ["cannot look at the source: " + _why_blocked(known)] if blocked else []
    said += [f"the source cannot be watched: {error['message']}"] if error else []
    said += ["open: " + ", ".join(_in_words(known.open[name]) for name in faults)] if faults else []
    if BEHIND in known.open:
        said.append("looks less deeply than it should: " + (known.private.get("behind") or "the worker cannot keep up"))
    if blocked:
        reason = "ProbeBlocked"
    elif error:
        reason = _reason_of(error["reason"])
    elif "stall" in faults:
        reason = "StreamStalled"
    else:
        reason = "ConditionsOpen" if faults else "ProbeDegraded"
    remarks = [*_settled_remark(known, now), *_clock_remark(known)]
    if said:
        degrade(known, reason, "; ".join([*said, *remarks]), now)
    else:
        otherwise, message = _not_degraded(known.status.get("stream", {}))
        degrade(known, None, "; ".join([message, *remarks] if message else remarks), now, otherwise=otherwise)


def _reason_of(error: str) -> str:
    """The operator makes Ready false for these, and for ProbeBlocked."""
    if error.startswith("http_"):
        return "SourceNotFound"
    return "SourceRefused" if error in ("blocked_address", "invalid_url") else "SourceUnsupported"


def _in_words(condition: OpenCondition) -> str:
    """An open condition with what was measured when it was raised, and how long it had to last for that."""
    name, measured = condition.condition[:64], condition.measured
    if not measured:
        return name
    seen = ", ".join(
        f"{key[:40]} {value[:80] if isinstance(value, str) else f'{value:g}'}" for key, value in measured.items()
    )
    after = f", raised after {condition.threshold_sec:g} s" if condition.threshold_sec else ""
    return f"{name} ({seen[:_LONGEST]}{after}, since {stamp(condition.started_at)})"


def _in_short(names: list[str]) -> str:
    """For a column of a table."""
    more = [f"+{len(names) - _SHORT}"] if len(names) > _SHORT else []
    return ", ".join(name[:40] for name in [*names[:_SHORT], *more])


def _settled_remark(known: Known, now: datetime) -> list[str]:
    """For a day, what ended without a recovery and why."""
    early = stamp(now - _TOLD_FOR)
    found = sorted((name, told) for name, told in known.private.get(_SETTLED, {}).items() if told["at"] >= early)
    return [
        f"{name} ended at {told['at']} without a recovery: {_WHY_SETTLED.get(told['why'], told['why'][:80])}"
        for name, told in found
    ]


def _clock_remark(known: Known) -> list[str]:
    """Says so when times cannot be trusted; they are never corrected."""
    offset = known.private.get("clock_offset")
    if offset is None:
        return []
    direction = "ahead" if offset > 0 else "behind"
    return [f"the worker's clock is about {abs(offset):.0f} s {direction}: so are the times of its events"]


def _not_degraded(stream: dict[str, Any]) -> tuple[str, str]:
    """Healthy is only what was seen: a stream that never came is not."""
    why = stream.get("reason") or "no segment yet"
    match stream.get("state"):
        case StreamState.LIVE:
            return "SourceHealthy", ""
        case StreamState.ENDED:
            return "SourceEnded", f"the stream has ended: {why}"
        case _:
            return "SourceNotSeen", f"the stream has not been seen yet: {why}"


def _why_blocked(known: Known) -> str:
    """What the worker said when it was shut out, and what would help."""
    told = known.private.get("blocked", {})
    reason = told.get("reason") or known.status.get("stream", {}).get("reason") or "unknown"
    return f"{reason}; {told['hint']}" if told.get("hint") else str(reason)
