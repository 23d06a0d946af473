# SPDX-License-Identifier: Apache-2.0
"""Folds one report into what is known, and says what it adds. Pure: no clock, no I/O.

A snapshot counts when it is the newest; a transition counts when it changes something. Facts that were taken before are
left out by the caller.
"""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from castwarden_base.ids import uuid7
from castwarden_model.events import Event, check_data
from castwarden_model.messages import MonitorObservation, Occurrence, OpenCondition, Report, Transition
from castwarden_model.resources import Channel, DownloadJob, Monitor, StreamState
from castwarden_model.telling import told_as, told_with

from castwarden_gateway.facts.downloads import fold_download
from castwarden_gateway.facts.errors import Fenced, InvalidReport
from castwarden_gateway.facts.feeds import fold_feed, fold_videos
from castwarden_gateway.facts.judgement import BEHIND, BLOCKED, forget_error, judge, note_error, note_settled
from castwarden_gateway.facts.known import BENEATH, END_REASON, OFF_SECONDS, Added, Known, source_url, stamp, subject_of

_MADE_UP = re.compile(r"mon-[0-9a-f-]{36}")
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
            context.tell(added, occurrence.type, occurrence.at, _occurred(occurrence, known, resource))
    for transition in report.transitions:
        if transition.id not in repeated:
            _fold_transition(context, transition, added)
    if report.monitor is not None and newest:
        _fold_errors(known, report)
        _fold_monitor(known, report.monitor, now)
    if report.transitions or report.monitor is not None:
        judge(known, now)
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
        self._source = {"stream_url": source_url(resource)} if isinstance(resource, Monitor) else {}

    def tell(self, added: Added, type_: str, at: datetime, data: dict[str, Any]) -> None:
        try:
            checked = check_data(type_, data | self._source)
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


def _occurred(occurrence: Occurrence, known: Known, resource: Monitor | Channel | DownloadJob) -> dict[str, Any]:
    if occurrence.type == "stream.ended":
        known.private[END_REASON] = str(occurrence.data.get("reason", ""))[:1024]
    if occurrence.type == "stream.started":
        known.private.pop(END_REASON, None)
        return {**occurrence.data, "title": occurrence.data.get("title") or _name_of(known.ref.name, resource)}
    return occurrence.data


def _fold_errors(known: Known, report: Report) -> None:
    """What the worker says of its source. The gateway tells errors of its own without a snapshot."""
    for occurrence in report.occurrences:
        if occurrence.type == "monitor.error":
            note_error(known, occurrence.data)


def _name_of(name: str, resource: Monitor | Channel | DownloadJob) -> str:
    """A name that a person gave; what the API made up tells less than where the stream is."""
    given = resource.spec.metadata.get("title")
    if given or not _MADE_UP.fullmatch(name):
        return given or name
    return source_url(resource).partition("://")[2].partition("?")[0][:1024]


def _fold_transition(context: _Context, transition: Transition, added: Added) -> None:
    """An episode is raised once and cleared once, whoever tells of it again. It ends when another one is raised.

    One that nobody saw recover ends without an event: `status` tells why.
    """
    known, name = context.known, transition.condition
    before = known.open.get(name)
    if transition.state == "raised":
        if before is not None:
            if before.episode == transition.episode:
                return
            _tell_lost_recovery(context, before, transition, added)
        known.open[name] = OpenCondition.of(transition)
        if name == BLOCKED:
            known.private["blocked"] = {key: str(transition.detail.get(key, ""))[:1024] for key in ("reason", "hint")}
        if name == BEHIND:
            known.private["behind"] = str(transition.measured.get("reason", ""))[:1024]
    elif before is None or before.episode != transition.episode:
        return
    else:
        del known.open[name]
        if name == BLOCKED:
            known.private.pop("blocked", None)
        if name == BEHIND:
            known.private.pop("behind", None)
    note_settled(known, transition)
    _tell_transition(context, transition, added)


def _tell_lost_recovery(context: _Context, before: OpenCondition, following: Transition, added: Added) -> None:
    """Nobody told when `before` ended: by the time the following one began at the latest."""
    at = max(before.started_at, following.started_at)
    lasted = (at - before.started_at).total_seconds()
    ended = {"state": "cleared", "episode": before.episode, "started_at": before.started_at, "at": at}
    _tell_transition(context, following.model_copy(update={**ended, "duration_sec": lasted, "segment": None}), added)


def _tell_transition(context: _Context, transition: Transition, added: Added) -> None:
    if type_ := told_as(transition):
        context.tell(added, type_, transition.at, told_with(transition))


def _fold_monitor(known: Known, seen: MonitorObservation, now: datetime) -> None:
    before = known.status.get("stream", {})
    since = before["since"] if before.get("state") == seen.stream and "since" in before else stamp(now)
    if seen.stream is not StreamState.PROBE_BLOCKED:
        known.private.pop(BENEATH, None)
    elif before.get("state") != StreamState.PROBE_BLOCKED:
        known.private[BENEATH] = before.get("state", StreamState.UNKNOWN)
    forget_error(known, seen)
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
