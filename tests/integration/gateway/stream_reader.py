# SPDX-License-Identifier: Apache-2.0
"""Reads event streams as an EventSource does, and records events in transactions of a test's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until

from tests.integration.gateway.conftest import KEY, PATIENCE, Listening
from tests.plugins.databases import see_all

STREAM = "/api/v1/events/stream"


class Reader:
    """As an EventSource reads: messages with their ids, and what else is on the wire."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.events: list[Any] = []
        self.ids: list[str] = []
        self.retry = 0
        self.heartbeats = 0
        self.ended = False

    async def read(self) -> None:
        data, id_ = "", ""
        try:
            async for line in self.response.content:
                field, _, value = line.decode().rstrip("\n").partition(":")
                value = value.removeprefix(" ")
                if field == "data":
                    data += value
                elif field == "id":
                    id_ = value
                elif field == "retry":
                    self.retry = int(value)
                elif line.startswith(b":"):
                    self.heartbeats += 1
                elif not line.strip() and data:
                    self.events.append(json.loads(data))
                    self.ids.append(id_)
                    data = ""
        except aiohttp.ClientError:
            pass
        self.ended = True


@asynccontextmanager
async def reading(
    gateway: Listening, session: aiohttp.ClientSession, path: str = STREAM, after: str | None = None, key: str = KEY
) -> AsyncIterator[Reader]:
    headers = {"Authorization": f"Bearer {key}", **({"Last-Event-ID": after} if after else {})}
    url = f"http://127.0.0.1:{gateway.public_port}{path}"
    async with session.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as response:
        assert response.status == 200, await response.text()
        reader = Reader(response)
        task = asyncio.create_task(reader.read())
        await wait_until(lambda: reader.retry, PATIENCE)
        try:
            yield reader
        finally:
            response.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Events:
    """Writes events straight into the table, in transactions of the test's own."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await see_all(self._url)
        try:
            yield connection
        finally:
            await connection.close()

    async def insert(self, connection: Any, type_: str = "stream.ended", id_: UUID | None = None, **of: str) -> str:
        id_ = id_ or uuid7()
        await connection.execute(
            "insert into events (id, tenant_id, type, kind, namespace, name, uid, occurred_at, data)"
            " select $1, id, $2, $3, 'default', $4, $5, now(), '{}' from tenants where slug = $6",
            id_,
            type_,
            of.get("kind", "Monitor"),
            of.get("name", "one"),
            of.get("uid", "u"),
            of.get("tenant", "public"),
        )
        await connection.execute("select pg_notify('castwarden_events', '')")
        return str(id_)
