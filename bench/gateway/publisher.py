# SPDX-License-Identifier: Apache-2.0
"""Records events at a steady rate, as reports do, from a process of its own.

Reads a job as JSON on standard input ({"url", "tenant", "rate", "seconds", "bytes"}). Above `_TRANSACTIONS` a second,
several events share a transaction. Every event tells when its transaction began. All connections are made before.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from uuid import UUID

import uvloop
from castwarden_base.ids import uuid7
from castwarden_gateway.db import Connection, Database
from castwarden_gateway.events.store import EventRecord, record
from castwarden_model.events import Event, Subject

_TRANSACTIONS = 500
_CONNECTIONS = 8
_SUBJECT = Subject(kind="Monitor", namespace="default", name="bench", uid="bench")


async def main() -> None:
    job = json.load(sys.stdin)
    each = max(1, round(job["rate"] / _TRANSACTIONS))
    interval = each / job["rate"]
    database = (await Database.open(job["url"], max_size=_CONNECTIONS)).of_all()
    await connect(database, UUID(job["tenant"]))
    running: set[asyncio.Task[None]] = set()
    began = time.monotonic()
    for number in range(round(job["seconds"] / interval)):
        due = began + number * interval
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(publish(database, UUID(job["tenant"]), each, job["bytes"]))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    await database.close()
    print(json.dumps({"published": round(job["seconds"] / interval) * each, "seconds": time.monotonic() - began}))


def event(size: int) -> Event:
    data = {"sent": time.monotonic_ns(), "pad": "x" * size}
    return Event(id=uuid7(), type="stream.started", timestamp=datetime.now(UTC), subject=_SUBJECT, data=data)


async def publish(database: Database, tenant: UUID, count: int, size: int) -> None:
    async def work(connection: Connection) -> None:
        await record(connection, [EventRecord(tenant, event(size)) for _ in range(count)])

    await database.run(work)


class _Undone(Exception):
    pass


async def connect(database: Database, tenant: UUID) -> None:
    """Each connection records an event once, and takes it back: what a process does that has been running for long."""
    all_there = asyncio.Barrier(_CONNECTIONS)

    async def work(connection: Connection) -> None:
        await record(connection, [EventRecord(tenant, event(0))])
        await all_there.wait()
        raise _Undone

    await asyncio.gather(*(database.run(work) for _ in range(_CONNECTIONS)), return_exceptions=True)


if __name__ == "__main__":
    uvloop.run(main())
