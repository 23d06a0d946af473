# SPDX-License-Identifier: Apache-2.0
"""Hands what the role saw to the reporter, in order. Taking it never waits, so that nobody is stopped in between."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from castwarden_base.logs import get_logger
from castwarden_model.messages import MonitorAssignment, MonitorObservation, Occurrence, Transition

from ..assignments import Assignments
from ..reporter import Reporter

log = get_logger(__name__)
_SNAPSHOT_SECONDS = 10.0
Fact = Transition | Occurrence


@dataclass(frozen=True, slots=True)
class _Saying:
    epoch: int
    seen: MonitorObservation
    fact: Fact | None


class Teller:
    """`say` takes; `run` hands over until `close`. `known` gives what a restarted worker should begin with."""

    def __init__(self, reporter: Reporter, assignments: Assignments, known: Callable[[], MonitorAssignment]) -> None:
        self._reporter = reporter
        self._assignments = assignments
        self._known = known
        self._sayings: asyncio.Queue[_Saying | None] = asyncio.Queue()
        self._snapshot: tuple[float, MonitorObservation] | None = None

    def say(self, epoch: int, seen: MonitorObservation, fact: Fact | None = None) -> None:
        """Takes a fact with the state that it led to, or the state alone."""
        self._sayings.put_nowait(_Saying(epoch, seen, fact))

    def snapshot(self, epoch: int, seen: MonitorObservation) -> None:
        """Says the state alone: at once when it has changed, else every ten seconds while counts go on."""
        now = asyncio.get_running_loop().time()
        if self._snapshot is not None:
            at, before = self._snapshot
            if seen == before or (now - at < _SNAPSHOT_SECONDS and _state(seen) == _state(before)):
                return
        self.say(epoch, seen)
        self._snapshot = (now, seen)

    def close(self) -> None:
        """Makes `run` return once everything is handed over."""
        self._sayings.put_nowait(None)

    async def run(self) -> None:
        """A report counts as told once it is in the outbox."""
        while saying := await self._sayings.get():
            fact = saying.fact
            if fact is None:
                await self._reporter.tell(saying.epoch, monitor=saying.seen)
                continue
            if isinstance(fact, Transition):
                await self._reporter.tell(saying.epoch, monitor=saying.seen, transitions=[fact])
            else:
                await self._reporter.tell(saying.epoch, monitor=saying.seen, occurrences=[fact])
            await asyncio.to_thread(self._assignments.keep, self._known())
            log.info("told", fact=fact.model_dump(mode="json", exclude_none=True))


def _state(seen: MonitorObservation) -> tuple[object, ...]:
    return (seen.stream, seen.title, seen.reason, seen.scheduled_start, seen.video, seen.audio)
