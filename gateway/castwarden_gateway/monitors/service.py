# SPDX-License-Identifier: Apache-2.0
"""The rules of monitors: one active monitor per stream and tenant, a quota, callbacks that may be called."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from castwarden_base.http import BlockedAddress, InvalidUrl, check_url
from castwarden_base.logs import get_logger
from castwarden_base.settings import Network
from castwarden_model.resources import Monitor
from orjson import Fragment
from yarl import URL

from castwarden_gateway.db import DatabaseUnavailable
from castwarden_gateway.http.cursors import decode
from castwarden_gateway.http.etags import IfMatch
from castwarden_gateway.http.operations import Operation
from castwarden_gateway.http.problems import (
    Conflict,
    FieldError,
    InvalidRequest,
    NotFound,
    Problem,
)
from castwarden_gateway.http.routes import as_json
from castwarden_gateway.kube.changes import change, remove
from castwarden_gateway.kube.errors import refusals_as_problems
from castwarden_gateway.kube.order import read_position
from castwarden_gateway.kube.resources import Resources
from castwarden_gateway.kube.status import StatusWriter
from castwarden_gateway.monitors.answers import MonitorView
from castwarden_gateway.monitors.bindings import Bindings
from castwarden_gateway.monitors.bodies import FIELDS, MonitorCreate, MonitorFields, MonitorPatch, MonitorQuery, spec_of
from castwarden_gateway.monitors.view import ACTIVE, status_of, stream_status_of, view
from castwarden_gateway.outbound.receivers import Receivers
from castwarden_gateway.tenants.principal import Tenant

log = get_logger(__name__)
_VIEWS = 20_000


class DuplicateMonitor(Conflict):
    code, title = "duplicate-monitor", "The tenant already has an active monitor for this stream"


class TooManyMonitors(Problem):
    status, code, title = 429, "max-monitors-exceeded", "The tenant has as many active monitors as it may have"


class Monitors:
    """What the API can do with the monitors of one tenant. Raises Problems."""

    def __init__(
        self,
        resources: Resources,
        statuses: StatusWriter,
        bindings: Bindings,
        allow: Iterable[Network],
        receivers: Receivers,
    ) -> None:
        self._resources = resources
        self._kind = resources.monitors
        self._statuses = statuses
        self._bindings = bindings
        self._allow = tuple(allow)
        self._receivers = receivers
        self._creating: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._views: dict[str, tuple[str, Mapping[str, Any] | None, Fragment]] = {}

    async def create(self, tenant: Tenant, body: MonitorCreate, operation: Operation) -> Monitor:
        self._check_callback(body)
        self._check_source(body.stream_url)
        self._resources.require_synced()
        name = f"mon-{operation.id}"
        async with self._creating[tenant.id]:
            monitor = await self._kind.fetch(tenant.namespace, name) if operation.resumed else None
            if monitor is None:
                self._refuse_duplicate(tenant, body.stream_url)
                monitor = await refusals_as_problems(self._kind.create(tenant.namespace, name, spec_of(body)), FIELDS)
        await self._bind(monitor)
        return monitor

    def get(self, tenant: Tenant, name: str) -> Monitor:
        self._resources.require_synced()
        found = self._kind.get(tenant.namespace, name)
        if found is None:
            raise NotFound(f"There is no monitor {name}.")
        return found

    def page(self, tenant: Tenant, query: MonitorQuery) -> list[Monitor]:
        """Those that match, newest first: one more than the page shows, if there is one."""
        self._resources.require_synced()
        newest = self._kind.newest(tenant.namespace, decode(query.cursor, read_position))
        return list(islice((one for one in newest if self._matches(one, query)), query.limit + 1))

    async def update(
        self, tenant: Tenant, name: str, body: MonitorPatch, if_match: IfMatch, operation: Operation
    ) -> Monitor:
        """Merge-patches the spec. A write of status in between is no reason to refuse `if_match`."""
        self._check_callback(body)
        find = partial(self.get, tenant, name)
        changed = await change(self._kind, find, spec_of(body), FIELDS, if_match, operation)
        await self._bind(changed)
        return changed

    async def delete(self, tenant: Tenant, name: str, if_match: IfMatch, operation: Operation) -> None:
        await remove(self._kind, partial(self.get, tenant, name), FIELDS, if_match, operation)

    def view(self, monitor: Monitor) -> MonitorView:
        return view(monitor, self._status(monitor))

    def rendered(self, monitor: Monitor) -> Fragment:
        """The view as JSON, kept until the resource or what is known of it changes."""
        meta = monitor.metadata
        pending = self._statuses.pending(meta.uid)
        known = self._views.get(meta.uid)
        if known is not None and known[0] == meta.resource_version and known[1] is pending:
            return known[2]
        if len(self._views) >= _VIEWS:
            self._views.clear()
        rendered = Fragment(as_json(self.view(monitor)))
        self._views[meta.uid] = (meta.resource_version, pending, rendered)
        return rendered

    def _status(self, monitor: Monitor) -> Mapping[str, Any]:
        meta = monitor.metadata
        return self._statuses.current(monitor.kind, meta.namespace, meta.name, meta.uid)

    def _matches(self, monitor: Monitor, query: MonitorQuery) -> bool:
        if query.status is None and query.stream_status is None:
            return True
        status = self._status(monitor)
        return query.status in (None, status_of(monitor, status)) and query.stream_status in (
            None,
            stream_status_of(status),
        )

    def _refuse_duplicate(self, tenant: Tenant, url: str) -> None:
        active = [
            monitor
            for monitor in self._kind.in_namespace(tenant.namespace)
            if status_of(monitor, self._status(monitor)) in ACTIVE
        ]
        wanted = canonical(url)
        for monitor in active:
            if canonical(monitor.spec.source.page_url) == wanted:
                name = monitor.metadata.name
                raise DuplicateMonitor(f"The monitor {name} watches this stream already.", extra={"monitor_id": name})
        if len(active) >= tenant.max_monitors:
            raise TooManyMonitors(f"At most {tenant.max_monitors}.")

    def _check_callback(self, body: MonitorFields) -> None:
        if body.callback_url is None:
            return
        try:
            self._receivers.check(body.callback_url)
        except (InvalidUrl, BlockedAddress) as error:
            refused = FieldError(str(error), pointer="/callback_url")
            raise InvalidRequest("The callback cannot be called; see errors.", errors=[refused]) from error

    def _check_source(self, url: str) -> None:
        """Refuses what a worker would refuse whatever a name resolves to. That is checked at every connection."""
        scheme, _, rest = url.partition("://")
        try:
            check_url(url if scheme.lower() in ("http", "https") else f"http://{rest.partition('?')[0]}", self._allow)
        except (InvalidUrl, BlockedAddress) as error:
            refused = FieldError(str(error), pointer="/stream_url")
            raise InvalidRequest("The stream cannot be watched; see errors.", errors=[refused]) from error

    async def _bind(self, monitor: Monitor) -> None:
        try:
            await self._bindings.ensure(monitor)
        except DatabaseUnavailable as error:  # the watch of this same write tries until it works
            log.warning("binding_postponed", monitor=monitor.metadata.name, reason=str(error))


def canonical(url: str) -> str:
    """The same text for URLs of the same stream: YouTube's many spellings, hosts in capitals, fragments."""
    parsed = URL(url)
    host = (parsed.host or "").removeprefix("www.").removeprefix("m.")
    if host == "youtu.be":
        return f"youtube:{parsed.path.strip('/')}"
    if host == "youtube.com" and parsed.path == "/watch" and "v" in parsed.query:
        return f"youtube:{parsed.query['v']}"
    if host == "youtube.com" and parsed.path.startswith("/live/"):
        return f"youtube:{parsed.path.removeprefix('/live/').strip('/')}"
    return str(parsed.with_fragment(None))
