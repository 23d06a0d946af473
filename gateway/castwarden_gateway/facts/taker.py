# SPDX-License-Identifier: Apache-2.0
"""Takes reports: one transaction for as many as are waiting, so that a commit is shared and never waited for in line.

Each report is all or nothing. When a batch fails for any reason but the database's absence, its reports are taken
one by one, and only the one at fault is refused.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

import asyncpg
from castwarden_base.ids import uuid7
from castwarden_base.logs import get_logger
from castwarden_model.messages import Occurrence, Report, ResourceRef
from prometheus_client import Counter, Histogram

from castwarden_gateway.db import Connection, Database, DatabaseUnavailable
from castwarden_gateway.events.store import EventRecord, record
from castwarden_gateway.facts import store
from castwarden_gateway.facts.errors import Fenced, InvalidReport
from castwarden_gateway.facts.fold import fold
from castwarden_gateway.facts.known import Known, source_url
from castwarden_gateway.kube.resources import AnyResource
from castwarden_gateway.tenants.bootstrap import Tenants

log = get_logger(__name__)
REPORTS = Counter("castwarden_gateway_reports_total", "Reports from workers", ["kind", "outcome"])
BATCH = Histogram(
    "castwarden_gateway_report_batch_size", "Reports taken in one transaction", buckets=(1, 2, 4, 8, 16, 32, 64)
)
EVENTS = Counter("castwarden_gateway_events_total", "Events recorded", ["type"])

_reports = cache(REPORTS.labels)
_events = cache(EVENTS.labels)
_BATCH = 128
_QUEUE = 5000
_MANY_VIDEOS = 50
_UNTAKEABLE = (asyncpg.DataError, ValueError, TypeError, OverflowError)
"""What values that no store can hold and no fold can compare raise: the same report would raise it again for ever."""


@dataclass(slots=True)
class _Waiting:
    report: Report
    resource: AnyResource
    done: "asyncio.Future[bool]"


class Taker:
    """`await take(report, resource)` returns once it is committed."""

    def __init__(self, database: Database, tenants: Tenants, taken: Callable[[Known], None]) -> None:
        """`taken` hears what is known after each commit."""
        self._db = database
        self._tenants = tenants
        self._taken = taken
        self._quick: asyncio.Queue[_Waiting] = asyncio.Queue(_QUEUE)
        self._slow: asyncio.Queue[_Waiting] = asyncio.Queue(_QUEUE)  # polls of thousands of videos, in nobody's way

    async def take(self, report: Report, resource: AnyResource) -> bool:
        """True when it had been taken before. Raises Fenced, InvalidReport or DatabaseUnavailable."""
        waiting = _Waiting(report, resource, asyncio.get_running_loop().create_future())
        await (self._slow if len(report.videos) > _MANY_VIDEOS else self._quick).put(waiting)
        try:
            repeated = await waiting.done
        except (Fenced, InvalidReport) as error:
            _reports(report.resource.kind, type(error).__name__.lower()).inc()
            raise
        _reports(report.resource.kind, "repeated" if repeated else "taken").inc()
        return repeated

    async def known(self, ref: ResourceRef, pod: str = "") -> Known:
        """What is known of a resource now."""
        return await store.current(self._db, self._tenants, ref, pod)

    async def tell(self, resource: AnyResource, occurrence: Occurrence) -> None:
        """Takes something that the gateway itself has noticed. The same occurrence again changes nothing."""
        ref = ref_of(resource)
        known = await self.known(ref)
        report = Report(id=uuid7(), resource=ref, pod=known.pod, epoch=known.epoch, seq=-1, occurrences=[occurrence])
        await self.take(report, resource)

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            for queue in (self._quick, self._slow):  # one lane each: few large transactions cost least
                group.create_task(self._lane(queue))

    async def _lane(self, queue: asyncio.Queue[_Waiting]) -> None:
        while True:
            batch = [await queue.get()]
            await asyncio.sleep(0)  # what the loop has read already shares the commit
            while len(batch) < _BATCH and not queue.empty():
                batch.append(queue.get_nowait())
            BATCH.observe(len(batch))
            await self._settle(batch)

    async def _settle(self, batch: Sequence[_Waiting]) -> None:
        """Takes a batch and answers everyone in it. Nothing escapes: a lane must not end."""
        try:
            answers = await self._take_together(batch)
        except DatabaseUnavailable as error:
            for one in batch:
                _answer(one, error)
        except Exception as error:  # noqa: BLE001 - the supervisor of reports: one that fails must not end a lane
            if len(batch) == 1:
                _answer(batch[0], error)
                return
            for one in batch:
                await self._settle([one])
        else:
            for one, repeated in zip(batch, answers, strict=True):
                if not one.done.done():
                    one.done.set_result(repeated)

    async def _take_together(self, batch: Sequence[_Waiting]) -> list[bool]:
        owned = [(await self._tenants.of_namespace(one.report.resource.namespace), one) for one in batch]
        begun = [(tenant.id, one.report) for tenant, one in owned]

        async def work(connection: Connection) -> tuple[list[bool], list[Known], list[EventRecord]]:
            return await _write(connection, batch, begun)

        answers, touched, events = await self._db.run(work)
        for known in touched:  # repeats too: the first answer may have been lost with the process
            self._taken(known)
        for event in events:
            _events(event.event.type).inc()
        return answers


async def _write(
    connection: Connection, batch: Sequence[_Waiting], begun: Sequence[tuple[UUID, Report]]
) -> tuple[list[bool], list[Known], list[EventRecord]]:
    """One transaction's work: load, fold, save. Returns who repeated, what is known now, and the events."""
    reports = [one.report for one in batch]
    uids = list({report.resource.uid for report in reports})
    known = await store.read(connection, uids, lock=True)
    if len(known) < len(uids):
        await store.begin(connection, begun)
        known = await store.read(connection, uids, lock=True)
    new = await store.note_ids(connection, reports)
    await store.read_videos(connection, known, reports)
    now, answers, added, events = datetime.now(UTC), [], [], []
    for one in batch:
        report = one.report
        fresh = new[report.resource.uid]
        repeated = report.id not in fresh
        answers.append(repeated)
        if repeated:
            continue
        fresh.discard(report.id)  # the same report may be in the batch twice
        facts = store.fact_ids(report)
        of = known[report.resource.uid]
        add = fold(of, report, one.resource, facts - fresh, now)
        fresh -= facts
        added.append((of, add))
        events += [EventRecord(of.tenant_id, event, source_url(one.resource)) for event in add.events]
    if added:
        await store.save(connection, {of.ref.uid: of for of, _ in added}.values(), added)
        await record(connection, events)
    return answers, list(known.values()), events


def _answer(one: _Waiting, error: Exception) -> None:
    if isinstance(error, _UNTAKEABLE):
        log.warning("report_untakeable", uid=one.report.resource.uid, exc_info=error)
        error = InvalidReport(str(error))
    elif not isinstance(error, Fenced | InvalidReport | DatabaseUnavailable):
        log.error("report_failed", uid=one.report.resource.uid, exc_info=error)
    if not one.done.done():
        one.done.set_exception(error)


def ref_of(resource: AnyResource) -> ResourceRef:
    meta = resource.metadata
    return ResourceRef(kind=resource.kind, namespace=meta.namespace, name=meta.name, uid=meta.uid)
