# SPDX-License-Identifier: Apache-2.0
"""Knows what this worker has to do: long-polls the gateway, and goes on with the last assignment while it is down."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from castwarden_base.logs import get_logger
from castwarden_base.retry import backoff
from castwarden_model.messages import (
    Assignment,
    MonitorAssignment,
    Occurrence,
    OpenCondition,
    Report,
    ResourceRef,
    Transition,
)
from castwarden_model.resources import StreamState
from pydantic import TypeAdapter, ValidationError

from .errors import Fenced, Gone, Unavailable
from .gateway import Gateway
from .outage import Outage
from .outbox import write_durably

log = get_logger(__name__)
_ASSIGNMENT: TypeAdapter[Assignment] = TypeAdapter(Assignment)
LONGEST_WAIT = 25.0
_OUTAGE = Outage("assignments")
_LEADS_TO = {"stream.started": StreamState.LIVE, "stream.ended": StreamState.ENDED}


class Assignments:
    """`current` is the newest assignment; `changed(since)` waits for another one; `gone` is set when there is none."""

    def __init__(self, gateway: Gateway, resource: ResourceRef, kept: Path) -> None:
        """`kept` is the file that a restarted worker reads when the gateway is down."""
        self._gateway = gateway
        self._resource = resource
        self._kept = kept
        self._news = asyncio.Condition()
        self.current: Assignment | None = None
        self.fallback: Assignment | None = None  # the kept one, when it had to do: the gateway may know better
        self.gone = asyncio.Event()

    async def changed(self, since: Assignment | None = None) -> Assignment:
        """The current assignment as soon as it is another one than `since`."""
        async with self._news:
            await self._news.wait_for(lambda: self.current is not None and self.current is not since)
        assert self.current is not None  # noqa: S101 - what was just waited for
        return self.current

    async def run(self, unsent: Sequence[Report] = ()) -> None:
        """Follows the assignment for as long as the process lives.

        `unsent` are the reports that waited when the process began: the gateway may not know of them yet.
        """
        waits = backoff(first=0.5, cap=30.0)
        version: str | None = None
        while True:
            try:
                found = await self._gateway.assignment(version, LONGEST_WAIT if version else 0)
            except Unavailable as error:
                delay = next(waits)
                _OUTAGE.failed("assignment_unavailable", error, retry_seconds=delay)
                await self._fall_back()
                await asyncio.sleep(delay)
                continue
            except (Gone, Fenced) as error:
                log.info("assignment_gone", error=str(error))
                self.gone.set()
                await asyncio.Event().wait()  # the process ends now
                return
            _OUTAGE.over()
            waits = backoff(first=0.5, cap=30.0)
            if found is not None:
                first, version = version is None, found.version
                if first and isinstance(found, MonitorAssignment):
                    found = self._with_past(found, unsent)
                await self._take(found)

    def keep(self, assignment: Assignment) -> None:
        """Writes down what a restarted worker should begin with."""
        try:
            write_durably(self._kept, _ASSIGNMENT.dump_json(assignment, by_alias=True))
        except OSError as error:
            log.warning("assignment_not_kept", error=str(error))

    async def _take(self, assignment: Assignment) -> None:
        log.info("assignment", version=assignment.version, epoch=assignment.epoch)
        await asyncio.to_thread(self.keep, assignment)
        await self._set(assignment)

    async def _fall_back(self) -> None:
        if self.current is None and (kept := self._read_kept()):
            log.info("kept_assignment_used", version=kept.version)
            self.fallback = kept
            await self._set(kept)

    def _read_kept(self) -> Assignment | None:
        try:
            kept = _ASSIGNMENT.validate_json(self._kept.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as error:
            log.warning("kept_assignment_unreadable", error=str(error))
            return None
        return kept if kept.resource.uid == self._resource.uid else None

    def _with_past(self, found: MonitorAssignment, unsent: Sequence[Report]) -> MonitorAssignment:
        """Adds what the gateway cannot know yet, or does not keep: whether a stream that is blocked now was live."""
        kept = self._read_kept()
        if found.stream is StreamState.PROBE_BLOCKED and isinstance(kept, MonitorAssignment):
            found = found.model_copy(update={"stream": kept.stream})
        return with_unsent(found, unsent)

    async def _set(self, assignment: Assignment) -> None:
        async with self._news:
            self.current = assignment
            self._news.notify_all()


def with_unsent(assignment: MonitorAssignment, unsent: Sequence[Report]) -> MonitorAssignment:
    """The assignment as it will be once the gateway has taken `unsent`."""
    for report in unsent:
        assignment = with_facts(assignment, report.transitions, report.occurrences)
    return assignment


def with_facts(
    assignment: MonitorAssignment, transitions: Sequence[Transition], occurrences: Sequence[Occurrence]
) -> MonitorAssignment:
    """The assignment as it will be once the gateway knows of these."""
    stream, end_reason = assignment.stream, assignment.end_reason
    conditions = {one.condition: one for one in assignment.open}
    for transition in transitions:
        known = conditions.get(transition.condition)
        if known is not None and known.episode == transition.episode and transition.state == "cleared":
            del conditions[transition.condition]
        elif transition.state == "raised":
            conditions[transition.condition] = OpenCondition.of(transition)
    for occurrence in occurrences:
        stream = _LEADS_TO.get(occurrence.type, stream)
        if occurrence.type in _LEADS_TO:
            end_reason = occurrence.data.get("reason")
    return assignment.model_copy(update={"stream": stream, "end_reason": end_reason, "open": list(conditions.values())})
