# SPDX-License-Identifier: Apache-2.0
"""Wires the gateway: builds every part once, starts the two listeners, brings the rest up behind them, and drains.

The listeners come first, so that probes are answered while PostgreSQL or the Kubernetes API are still away.
"""

import asyncio
import gc
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Self

from aiohttp import web
from castwarden_base.health import HealthServer
from castwarden_base.logs import get_logger
from castwarden_base.tasks import Supervisor

from castwarden_gateway.audit.log import AuditLog
from castwarden_gateway.audit.routes import AUDIT
from castwarden_gateway.audit.store import AuditStore
from castwarden_gateway.channels.routes import CHANNELS, VIDEOS
from castwarden_gateway.channels.service import Channels
from castwarden_gateway.channels.store import VideoStore
from castwarden_gateway.db import Database, DatabaseUnavailable
from castwarden_gateway.db.walls import ignored
from castwarden_gateway.downloads.endings import Endings
from castwarden_gateway.downloads.routes import ATTEMPTS, DOWNLOADS
from castwarden_gateway.downloads.service import Downloads
from castwarden_gateway.downloads.store import AttemptStore
from castwarden_gateway.events.feed import Feed, adopt
from castwarden_gateway.events.routes import EVENTS, STREAMS
from castwarden_gateway.events.store import EventStore
from castwarden_gateway.events.store import prune as prune_events
from castwarden_gateway.events.streams import Streams
from castwarden_gateway.facts.known import Known
from castwarden_gateway.facts.restore import restore
from castwarden_gateway.facts.store import prune_reports
from castwarden_gateway.facts.taker import Taker
from castwarden_gateway.http.buckets import Buckets
from castwarden_gateway.http.claims import Claims
from castwarden_gateway.http.idempotency import Idempotency
from castwarden_gateway.internal import routes as internal
from castwarden_gateway.internal.assignments import Assignments
from castwarden_gateway.internal.auth import WorkerGate
from castwarden_gateway.internal.clocks import Clocks
from castwarden_gateway.internal.extractions import EXTRACTIONS_KEY, Extractions
from castwarden_gateway.internal.seats import Seating
from castwarden_gateway.kube.cache import Object
from castwarden_gateway.kube.client import Kube, connected
from castwarden_gateway.kube.resources import Resources
from castwarden_gateway.kube.status import StatusWriter
from castwarden_gateway.listeners import PROBLEMS, Listeners
from castwarden_gateway.looks.routes import LOOKS
from castwarden_gateway.looks.store import LookStore
from castwarden_gateway.monitors.bindings import Bindings
from castwarden_gateway.monitors.routes import MONITORS
from castwarden_gateway.monitors.service import Monitors
from castwarden_gateway.monitors.troubles import Troubles
from castwarden_gateway.openapi.routes import DESCRIPTION, pages
from castwarden_gateway.outbound.receivers import Receivers
from castwarden_gateway.readiness import Readiness
from castwarden_gateway.service.routes import HEALTH
from castwarden_gateway.settings import GatewaySettings
from castwarden_gateway.tables import DESCRIBED_ROUTES, INTERNAL_ROUTES, description
from castwarden_gateway.tenants.auth import Authenticator
from castwarden_gateway.tenants.bootstrap import Tenants, bootstrap
from castwarden_gateway.tenants.routes import AUTHENTICATOR, TENANTS
from castwarden_gateway.tenants.store import TenantStore
from castwarden_gateway.webhooks.engine import DeliveryEngine
from castwarden_gateway.webhooks.options import Options as EngineOptions
from castwarden_gateway.webhooks.routes import WEBHOOKS
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.send import delivery_client
from castwarden_gateway.webhooks.service import Webhooks
from castwarden_gateway.webhooks.signing import Signer

log = get_logger(__name__)
_SOCKETS = 2048
_KEEP_REPORT_IDS = timedelta(days=14)  # longer than any worker keeps trying


class Gateway:
    """`async with Gateway(settings) as gateway`: listens at once, is ready once `ready()` returns."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.public_port = settings.port
        self.internal_port = settings.internal_port
        self.resources = Resources()
        kinds = self.resources.kinds
        self.statuses = StatusWriter({kind.model.KIND: (kind.model.PLURAL, kind.cache) for kind in kinds})
        self.readiness = Readiness()
        self._listeners = Listeners(settings, lambda: self.readiness.draining)
        self._tasks = Supervisor()
        self._stack = AsyncExitStack()
        self._engine_started = False

    async def __aenter__(self) -> Self:
        settings, resources = self.settings, self.resources
        self.database = await Database.open(settings.database_url, max_size=settings.database_pool)
        everything = self.database.of_all()  # what workers report, deliveries and upkeep know no tenant
        self._client = delivery_client(settings.outbound_allow, _SOCKETS, hosts=settings.webhook_hosts)
        self._receivers = Receivers(settings.outbound_allow, settings.webhook_hosts)
        signing_key = settings.webhook_signing_key.get_secret_value() if settings.webhook_signing_key else None
        keyring = Keyring(settings.secret_keys)
        self._signer = Signer(keyring, signing_key)
        engine_options = EngineOptions(retention_days=settings.delivery_days)
        self._engine = DeliveryEngine(everything, self._client, self._signer, engine_options)
        self._store = TenantStore(self.database, settings.max_monitors)
        self._tenants = Tenants(self._store)
        self._buckets = Buckets(everything)
        self._authenticator = Authenticator(self._store, self._buckets, settings.rate_limit, settings.rate_limit_window)
        self._taker = Taker(everything, self._tenants, self._taken)
        self._assignments = Assignments(everything, resources, self._tenants)
        self._seating = Seating(resources)
        self._looks = LookStore(self.database, self._tenants)
        self._claims = Claims(self.database, keyring)
        self._audit_store = AuditStore(self.database)
        self._audit = AuditLog(self._audit_store, PROBLEMS)
        self._feed = Feed(self.database)
        self._streams = Streams(self._feed, self._authenticator.still_holds, settings.streams, settings.streams_per_key)
        self._clocks = Clocks()
        self._bindings = Bindings(
            everything,
            keyring,
            self._tenants,
            resources.monitors,
            settings.watch_namespaces,
            self._receivers,
            self._taker.tell,
        )
        self._troubles = Troubles(resources.monitors, self._taker.tell)
        self._endings = Endings(everything, resources.downloads.cache, self._taker)
        self._health = self._checks()
        await self._stack.enter_async_context(self._tasks)
        self.public_port = await self._listeners.listen(self._public(), settings.port)
        self.internal_port = await self._listeners.listen(self._internal(), settings.internal_port)
        log.info("listening", host=settings.host, port=self.public_port, internal_port=self.internal_port)
        self._tasks.start("readiness", self.readiness.watch(self.database))
        self._tasks.start("limits", self._buckets.run())
        self._tasks.start("audit", self._audit.run())
        self._starting = asyncio.create_task(self._start(), name="start")
        self._starting.add_done_callback(_log_failure)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Unready first; then no new connections, requests under way end, what is in hand is written."""
        self.readiness.draining = True
        await asyncio.sleep(self.settings.drain_seconds)
        self._assignments.drain()
        self._seating.drain()
        self._streams.drain()
        await self._listeners.close()
        await self._audit.close()
        self._starting.cancel()
        await asyncio.gather(self._starting, return_exceptions=True)
        if self._engine_started:
            await self._engine.stop()
        await self._stack.aclose()
        if (kube := self.resources.kube) is not None:
            await self._flush(kube)
            await kube.close()
        await self._client.close()
        await self.database.close()
        log.info("stopped")

    async def ready(self) -> None:
        """Returns once everything has been brought up; raises what kept it from it."""
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        """Brings up what needs PostgreSQL and the Kubernetes API, waiting for each as long as it takes."""
        settings, tasks = self.settings, self._tasks
        await self.readiness.usable.wait()
        while True:
            try:
                await bootstrap(self._store, settings)
                self._authenticator.forget_unknown()
                await adopt(self.database.of_all())
                if await self.database.retry(ignored):
                    log.warning("row_level_security_ignored", reason="this login is a superuser or has BYPASSRLS")
                break
            except DatabaseUnavailable:
                log.warning("database_away")
        tasks.start("reports", self._taker.run())
        tasks.start("last-use", self._authenticator.flush_uses())
        tasks.start("prune", self._prune())
        tasks.start("looks", self._looks.run())
        tasks.start("idempotency", self._claims.run())
        tasks.start("events", self._feed.run())
        tasks.start("event-calls", self._feed.hear())
        await self._engine.start()
        self._engine_started = True
        kube = await connected()
        self.resources.start(kube, settings.watch_namespaces, tasks)
        tasks.start("status", self.statuses.run(kube))
        await self.resources.wait_synced()
        for kind in self.resources.kinds:
            kind.cache.subscribe(self._forget)
        await restore(self.database.of_all(), self.resources, self.statuses)
        tasks.start("bindings", self._bindings.run())
        tasks.start("troubles", self._troubles.run())
        tasks.start("endings", self._endings.run())
        gc.collect()
        gc.freeze()  # what is here by now stays for good; looking through it again and again would cost requests
        self.readiness.started = True
        log.info("ready", monitors=len(self.resources.monitors.cache), channels=len(self.resources.channels.cache))

    async def _flush(self, kube: Kube) -> None:
        try:
            async with asyncio.timeout(5):
                await self.statuses.flush(kube)
        except TimeoutError:
            log.warning("status_left_behind")  # a gateway that starts writes it from the database

    async def _prune(self) -> None:
        while True:
            try:
                await prune_reports(self.database.of_all(), _KEEP_REPORT_IDS)
                await self._audit_store.prune(self.settings.audit_days)
                await prune_events(self.database.of_all(), self.settings.event_days)
            except DatabaseUnavailable:
                log.warning("not_pruned")
            await asyncio.sleep(3600)

    def _taken(self, known: Known) -> None:
        self.statuses.submit(known.ref, known.status)

    def _forget(self, before: Object | None, after: Object | None) -> None:
        if before is not None and (after is None or after["metadata"]["uid"] != before["metadata"]["uid"]):
            self.statuses.forget(before["metadata"]["uid"])
            self._looks.forget(before["metadata"]["uid"])
            self._clocks.forget(before["metadata"]["uid"])

    def _checks(self) -> HealthServer:
        health = HealthServer(self.settings.host, 0)  # only its routes are used
        health.live_while("tasks", self._tasks.failure)
        health.live_while("deliveries", self._engine.failure)
        health.live_while("start", lambda: _failure(self._starting))
        health.ready_while("database", self.readiness.database)
        health.ready_while("schema", self.readiness.schema)
        health.ready_while("writing", lambda: self.database.refusal)
        health.ready_while("kubernetes", lambda: None if self.resources.synced else "resources are not listed yet")
        health.ready_while("serving", self.readiness.serving)
        return health

    def _public(self) -> web.Application:
        settings, resources, allow = self.settings, self.resources, self.settings.outbound_allow
        shown = (*DESCRIBED_ROUTES, pages)
        app = self._listeners.public(shown, self._authenticator, Idempotency(self._claims), self._audit)
        app[HEALTH] = self._health
        app[DESCRIPTION] = description()
        app[MONITORS] = Monitors(resources, self.statuses, self._bindings, allow, self._receivers)
        app[LOOKS] = self._looks
        app[CHANNELS] = Channels(resources, self.statuses, allow, settings.max_channels)
        app[VIDEOS] = VideoStore(self.database)
        most = settings.max_downloads if settings.downloads_enabled else None
        app[DOWNLOADS] = Downloads(resources, self.statuses, allow, most)
        app[ATTEMPTS] = AttemptStore(self.database)
        app[EVENTS] = EventStore(self.database)
        app[STREAMS] = self._streams
        app[WEBHOOKS] = Webhooks(
            self.database, self._client, self._signer, allow, settings.webhook_hosts, settings.delivery_days
        )
        app[TENANTS] = self._store
        app[AUTHENTICATOR] = self._authenticator
        app[AUDIT] = self._audit_store
        return app

    def _internal(self) -> web.Application:
        key = self.settings.internal_api_key
        gate = WorkerGate(self.resources, self._seating, key.get_secret_value() if key else None)
        app = self._listeners.internal(INTERNAL_ROUTES, gate)
        self._health.add_routes(app)
        app[internal.ASSIGNMENTS] = self._assignments
        app[internal.TAKER] = self._taker
        app[internal.CLOCKS] = self._clocks
        app[EXTRACTIONS_KEY] = Extractions(self.database.of_all(), self.settings.extractions_per_hour)
        app[LOOKS] = self._looks
        app[internal.RESOURCES] = self.resources
        app[internal.SEATING] = self._seating
        return app


async def serve(settings: GatewaySettings) -> int:
    """Runs until SIGTERM or SIGINT."""
    async with Supervisor(signals=True) as process, Gateway(settings):
        await process.stopped()
        log.info("stopping")
    return 0


def _failure(starting: "asyncio.Task[None]") -> str | None:
    if not starting.done() or starting.cancelled() or (error := starting.exception()) is None:
        return None
    return f"{type(error).__name__}: {error}"


def _log_failure(starting: "asyncio.Task[None]") -> None:
    if not starting.cancelled() and (error := starting.exception()):
        log.error("start_failed", exc_info=error)
