# SPDX-License-Identifier: Apache-2.0
"""A tenant with endpoints in a real database, receivers on loopback, engines between them."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import ClientSession, web
from castwarden_base.ids import uuid7
from castwarden_gateway.db import Connection, Database
from castwarden_gateway.events.store import EventRecord, record
from castwarden_gateway.http.errors import problems
from castwarden_gateway.http.routes import mount
from castwarden_gateway.webhooks import store
from castwarden_gateway.webhooks.columns import columns
from castwarden_gateway.webhooks.engine import DeliveryEngine
from castwarden_gateway.webhooks.models import EndpointCreate
from castwarden_gateway.webhooks.options import Options
from castwarden_gateway.webhooks.routes import WEBHOOKS, routes
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.send import delivery_client
from castwarden_gateway.webhooks.service import Webhooks
from castwarden_gateway.webhooks.signing import Signer
from castwarden_model.events import Event, Subject

LOOPBACK = (ip_network("127.0.0.0/8"),)
PATH = "/api/v1/webhooks"
KEYRING_KEY = bytes(range(32))
QUICK = Options(
    poll_seconds=0.1,
    gauge_seconds=0.2,
    tally_seconds=0.2,
    replay_seconds=0.1,
    stop_seconds=5.0,
    lease_grace_seconds=1.0,
)


@dataclass
class Bench:
    """What every test here needs of the gateway, without its HTTP side."""

    database: Database
    signer: Signer
    tenant_id: UUID = field(default_factory=uuid7)

    async def add_tenant(self, slug: str = "acme") -> None:
        await self.database.execute(
            "insert into tenants (id, slug, name, namespace) values ($1, $2, $2, $2)", self.tenant_id, slug
        )

    async def endpoint(self, url: str, **options: Any) -> tuple[UUID, str]:
        """A new endpoint's id and secret."""
        values = columns(EndpointCreate(url=url, **options).model_dump(), self.signer, self.tenant_id)
        key = self.signer.new_key(options.get("signature", "v1"), self.tenant_id)
        async with self.database.connection() as connection:
            row = await store.insert_endpoint(connection, self.tenant_id, uuid7(), key, values)
        return row["id"], self.signer.shown(row) or row["public_key"]

    async def bound(self, url: str, uid: str) -> None:
        async with self.database.connection() as connection:
            await store.ensure_bound_endpoint(
                connection, self.signer.keyring, tenant_id=self.tenant_id, resource_uid=uid, url=url
            )

    async def emit(
        self,
        *types: str,
        uid: str = "uid-1",
        data: dict[str, Any] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> list[UUID]:
        """Records events in one transaction, as a report does, and returns their ids."""
        events = [self.event(type_, uid, data, metadata) for type_ in types]

        async def work(connection: Connection) -> None:
            await record(connection, [EventRecord(self.tenant_id, event, "https://live.example/a") for event in events])

        try:
            await self.database.run(work)
        except asyncpg.UniqueViolationError:
            pass  # committed before, but the answer was lost with the connection
        return [event.id for event in events]

    def event(
        self, type_: str, uid: str = "uid-1", data: dict[str, Any] | None = None, metadata: dict[str, str] | None = None
    ) -> Event:
        return Event(
            id=uuid7(),
            type=type_,
            timestamp=datetime.now(UTC),
            subject=Subject(kind="Monitor", namespace="acme", name="studio", uid=uid),
            data=data or {},
            metadata=metadata or {},
        )

    async def make_due(self) -> None:
        """Lets the waits of all failed deliveries pass."""
        await self.database.execute("update webhook_deliveries set due_at = now() where lease_owner is null")

    async def row(self, sql: str) -> Any:
        """The one row of a query, or None while there is none."""
        return await self.database.fetchrow(sql)

    async def unfinished(self) -> int:
        count: int = await self.database.fetchval("select count(*) from webhook_deliveries")
        return count

    async def drained(self) -> bool:
        return await self.unfinished() == 0


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]
Receivers = Callable[..., Awaitable["Receiver"]]
Engines = Callable[..., Awaitable[DeliveryEngine]]


class Receiver:
    """A real HTTP server that remembers every request and behaves as told."""

    def __init__(self, behaviour: Behaviour | None) -> None:
        self.received: list[Received] = []
        self.behaviour = behaviour
        self.now = self.most = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(Received(dict(request.headers), await request.read(), request.path))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await self.behaviour(request) if self.behaviour else web.Response(text="thank you")
        finally:
            self.now -= 1

    @property
    def ids(self) -> Counter[str]:
        return Counter(received.id for received in self.received)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url)
    yield database.of_all()
    await database.close()


@pytest.fixture
async def bench(database: Database) -> Bench:
    bench = Bench(database, Signer(Keyring([KEYRING_KEY])))
    await bench.add_tenant()
    return bench


@pytest.fixture
async def receiver() -> AsyncIterator[Receivers]:
    """`await receiver()` starts one; give a behaviour or a status for anything but 200."""
    async with AsyncExitStack() as stack:

        async def start(behaviour: Behaviour | int | None = None, host: str = "127.0.0.1") -> Receiver:
            status = behaviour

            async def answer(_: web.Request) -> web.StreamResponse:
                return web.Response(status=status)  # type: ignore[arg-type]

            found = Receiver(answer if isinstance(behaviour, int) else behaviour)
            app = web.Application()
            app.router.add_route("*", "/{tail:.*}", found.handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, host, 0).start()
            found.url = f"http://{host}:{runner.addresses[0][1]}/hook"
            return found

        yield start


@pytest.fixture
async def engine_on() -> AsyncIterator[Engines]:
    """`await engine_on(bench)` starts an engine; it is stopped at the end, which harms none that was stopped before."""
    async with AsyncExitStack() as stack:

        async def start(bench: Bench, options: Options = QUICK, **session_options: Any) -> DeliveryEngine:
            client = delivery_client(**{"allow": LOOPBACK, "sockets": options.max_in_flight, **session_options})
            await stack.enter_async_context(client)
            running = DeliveryEngine(bench.database, client, bench.signer, options)
            await running.start()
            stack.push_async_callback(running.stop)
            return running

        yield start


@pytest.fixture
async def engine(bench: Bench, engine_on: Engines) -> Engines:
    """`await engine()` starts one on the test's database."""
    return partial(engine_on, bench)


@pytest.fixture
async def silent_server() -> AsyncIterator[str]:
    """The URL of a server that takes connections and never answers."""
    writers: list[asyncio.StreamWriter] = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    for writer in writers:
        writer.close()
    server.close()


class Api:
    """A client that acts for one tenant."""

    def __init__(self, session: ClientSession, url: str, tenant_id: UUID) -> None:
        self._session, self._url, self._tenant_id = session, url, tenant_id

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Test-Tenant": str(self._tenant_id)}
        async with self._session.request(method, self._url + PATH + path, json=body, headers=headers) as response:
            return response.status, await response.json() if response.status != 204 else None

    def of(self, tenant_id: UUID) -> "Api":
        return Api(self._session, self._url, tenant_id)


Serve = Callable[..., Awaitable[Api]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(bench, ...)` mounts the routes for a tenant named in a header and returns a client."""
    runners: list[web.AppRunner] = []
    sessions: list[Any] = []

    async def start(bench: Bench, allow: Any = LOOPBACK, signer: Signer | None = None) -> Api:
        async def gate(http: web.Request, scope: str | None) -> Any:
            assert scope in ("webhooks:read", "webhooks:write")
            return SimpleNamespace(tenant=SimpleNamespace(id=UUID(http.headers["X-Test-Tenant"])))

        app = web.Application(middlewares=[problems("test", {}, lambda: False)])
        deliveries = delivery_client(allow, 10)
        app[WEBHOOKS] = Webhooks(bench.database, deliveries, signer or bench.signer, allow)
        mount(app, routes, gate)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = ClientSession()
        sessions.extend([client, deliveries])
        return Api(client, f"http://127.0.0.1:{runner.addresses[0][1]}", bench.tenant_id)

    yield start
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def api(bench: Bench, serve: Serve) -> Api:
    return await serve(bench)
