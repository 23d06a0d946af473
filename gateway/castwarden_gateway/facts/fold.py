# SPDX-License-Identifier: Apache-2.0
"""Folds one report into what is known, and says what it adds. Pure: no clock, no I/O.

A snapshot counts when it is the newest; a transition counts when it changes something. Facts that were taken before are
left out by the caller.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from castwarden_base.ids import uuid7
from castwarden_model.conditions import ALERTS
from castwarden_model.events import Event, check_data
from castwarden_model.messages import MonitorObservation, Occurrence, OpenCondition, Report, Transition
from castwarden_model.resources import Channel, DownloadJob, Monitor, StreamState

from castwarden_gateway.facts.downloads import fold_download
from castwarden_gateway.facts.errors import Fenced, InvalidReport
from castwarden_gateway.facts.feeds import fold_feed, fold_videos
from castwarden_gateway.facts.known import BENEATH, OFF_SECONDS, Added, Known, degrade, stamp, subject_of

_BLOCKED = "probe_blocked"
_BEHIND = "analysis_degraded"
_SHORT = 5  # open conditions that are named in one line
_LARGEST = 64 * 1024
"""Bytes of a resource's state, or of one event's data, as JSON. It stays in memory and goes to the Kubernetes API."""


def fold(
    known: Known, report: Report, resource: Monitor | Channel | DownloadJob, repeated: Collection[UUID], now: datetime
) -> Added:
    """Changes `known` and returns what else to write. Raises Fenced or InvalidReport; `known` is spoilt then."""
    if report.epoch < known.epoch and report.pod != known.pod:
        raise Fenced(f"epoch {report.epoch} of {report.pod} is over")
    if report.epoch > known.epoch:  # our rows were lost, or it never asked for an assignment
        known.epoch, known.seq, known.pod = report.epoch, -1, report.pod
    newest = report.epoch == known.epoch and report.seq > known.seq
    if newest:
        known.seq = report.seq
        _note_clock(known, report.clock_offset)
    added, context = Added(), _Context(known, resource)
    for occurrence in report.occurrences:
        if occurrence.id not in repeated:
            context.tell(added, occurrence.type, occurrence.at, _occurred(occurrence, known))
    for transition in report.transitions:
        if transition.id not in repeated:
            _fold_transition(context, transition, added)
    if report.monitor is not None and newest:
        _fold_monitor(known, report.monitor, now)
    if report.transitions or report.monitor is not None:
        _judge(known, now)
    if report.feed is not None and newest:
        fold_feed(known, report.feed, now)
    if isinstance(resource, Channel) and report.videos:
        for type_, at, data in fold_videos(known, report.videos, added, now):
            context.tell(added, type_, at, data)
    if report.download is not None:
        for type_, at, data in fold_download(known, report.download, newest, added, now):
            context.tell(added, type_, at, data)
    _refuse_large("The state of the resource", [known.status, known.private])
    return added


class _Context:
    """Makes events of one resource."""

    def __init__(self, known: Known, resource: Monitor | Channel | DownloadJob) -> None:
        self.known = known
        self._subject = subject_of(known.ref)
        self._metadata = dict(resource.spec.metadata)

    def tell(self, added: Added, type_: str, at: datetime, data: dict[str, Any]) -> None:
        try:
            checked = check_data(type_, data)
        except ValueError as error:
            raise InvalidReport(f"{type_}: {error}") from error
        _refuse_large(type_, checked)
        event = Event.model_construct(  # every part is of its type already
            id=uuid7(), type=type_, timestamp=at, subject=self._subject, data=checked, metadata=self._metadata
        )
        added.events.append(event)
        self.known.status["lastEvent"] = {"type": type_, "at": stamp(at)}


def _note_clock(known: Known, offset: float) -> None:
    """In whole tens of seconds, so that the status does not change with every report."""
    if abs(offset) > OFF_SECONDS:
        known.private["clock_offset"] = round(offset, -1)
    else:
        known.private.pop("clock_offset", None)


def _refuse_large(what: str, value: Any) -> None:
    size = len(orjson.dumps(value))
    if size > _LARGEST:
        raise InvalidReport(f"{what} would have {size} bytes; at most {_LARGEST} are kept")


def _occurred(occurrence: Occurrence, known: Known) -> dict[str, Any]:
    if occurrence.type == "stream.started":
        return {**occurrence.data, "title": occurrence.data.get("title") or known.ref.name}
    return occurrence.data


def _fold_transition(context: _Context, transition: Transition, added: Added) -> None:
    """An episode is raised once and cleared once, whoever tells of it again. It ends when another one is raised."""
    known, name = context.known, transition.condition
    before = known.open.get(name)
    if transition.state == "raised":
        if before is not None:
            if before.episode == transition.episode:
                return
            _tell_lost_recovery(context, before, transition, added)
        known.open[name] = OpenCondition(condition=name, episode=transition.episode, started_at=transition.started_at)
        if name == _BLOCKED:
            known.private["blocked"] = {key: str(transition.detail.get(key, ""))[:1024] for key in ("reason", "hint")}
        if name == _BEHIND:
            known.private["behind"] = str(transition.measured.get("reason", ""))[:1024]
    elif before is None or before.episode != transition.episode:
        return
    else:
        del known.open[name]
        if name == _BLOCKED:
            known.private.pop("blocked", None)
        if name == _BEHIND:
            known.private.pop("behind", None)
    _tell_transition(context, transition, added)


def _tell_lost_recovery(context: _Context, before: OpenCondition, following: Transition, added: Added) -> None:
    """Nobody told when `before` ended: by the time the following one began at the latest."""
    at = max(before.started_at, following.started_at)
    lasted = (at - before.started_at).total_seconds()
    ended = {"state": "cleared", "episode": before.episode, "started_at": before.started_at, "at": at}
    _tell_transition(context, following.model_copy(update={**ended, "duration_sec": lasted, "segment": None}), added)


def _tell_transition(context: _Context, transition: Transition, added: Added) -> None:
    types = ALERTS.get(transition.condition)
    if types is not None:  # a newer worker may know more conditions than we have events for
        context.tell(
            added, types.raised if transition.state == "raised" else types.cleared, transition.at, _data(transition)
        )


def _data(transition: Transition) -> dict[str, Any]:
    """Everything a transition tells; each event type picks its own fields."""
    segment = transition.segment
    return {
        "error": "unknown",
        "reason": "unknown",
        "hint": "",
        **transition.measured,
        **transition.detail,
        "duration_sec": transition.duration_sec,
        "total_duration_sec": transition.duration_sec,
        "started_at": transition.started_at,
        "recovered_at": transition.at,
        "threshold_sec": transition.threshold_sec,
        "segment_info": {"sequence": segment.sequence, "duration": segment.duration} if segment else None,
        "measured": transition.measured or None,
    }


def _fold_monitor(known: Known, seen: MonitorObservation, now: datetime) -> None:
    before = known.status.get("stream", {})
    since = before["since"] if before.get("state") == seen.stream and "since" in before else stamp(now)
    if seen.stream is not StreamState.PROBE_BLOCKED:
        known.private.pop(BENEATH, None)
    elif before.get("state") != StreamState.PROBE_BLOCKED:
        known.private[BENEATH] = before.get("state", StreamState.UNKNOWN)
    known.status["stream"] = _present(
        state=seen.stream.value,
        title=seen.title,
        reason=seen.reason,
        scheduledStart=seen.scheduled_start and stamp(seen.scheduled_start),
        since=since,
    )
    known.status["health"] = _present(
        video=seen.video.value,
        audio=seen.audio.value,
        lastCheckAt=seen.last_check_at and stamp(seen.last_check_at),
    )
    known.status["statistics"] = seen.statistics.model_dump(by_alias=True)


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _judge(known: Known, now: datetime) -> None:
    """Degraded: the source is faulty, or cannot be looked at as it should be, which is no fault of the source."""
    known.status["openConditions"] = sorted(known.open)
    known.status["openSummary"] = _in_short(sorted(known.open))
    blocked = _BLOCKED in known.open or known.status.get("stream", {}).get("state") == StreamState.PROBE_BLOCKED
    faults = sorted(known.open.keys() - {_BLOCKED, _BEHIND})
    said = ["cannot look at the source: " + _why_blocked(known)] if blocked else []
    said += ["open: " + ", ".join(faults)] if faults else []
    if _BEHIND in known.open:
        said.append("looks less deeply than it should: " + (known.private.get("behind") or "the worker cannot keep up"))
    if blocked:
        reason = "ProbeBlocked"
    elif "stall" in faults:
        reason = "StreamStalled"
    else:
        reason = "ConditionsOpen" if faults else "ProbeDegraded"
    clock = _clock_remark(known)
    if said:
        degrade(known, reason, "; ".join([*said, *clock]), now)
    else:
        otherwise, message = _not_degraded(known.status.get("stream", {}))
        degrade(known, None, "; ".join([message, *clock] if message else clock), now, otherwise=otherwise)


def _in_short(names: list[str]) -> str:
    """For a column of a table."""
    more = [f"+{len(names) - _SHORT}"] if len(names) > _SHORT else []
    return ", ".join(name[:40] for name in [*names[:_SHORT], *more])


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
