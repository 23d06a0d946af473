# SPDX-License-Identifier: Apache-2.0
"""Keeps one webhook endpoint for every Monitor with a `webhookUrl`, whoever wrote the Monitor."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from castwarden_base.http import BlockedAddress, InvalidUrl
from castwarden_base.ids import derived_uuid7
from castwarden_base.logs import get_logger
from castwarden_model.messages import Occurrence
from castwarden_model.resources import Monitor

from castwarden_gateway.db import Connection, Database, DatabaseUnavailable, statements
from castwarden_gateway.facts.errors import Fenced
from castwarden_gateway.kube.cache import Object
from castwarden_gateway.kube.resources import Kind
from castwarden_gateway.monitors.troubles import Tell
from castwarden_gateway.outbound.receivers import Receivers
from castwarden_gateway.tenants.bootstrap import NamespaceTaken, Tenants
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.store import drop_bound_endpoint, ensure_bound_endpoint

log = get_logger(__name__)
SQL = statements(__file__)
_RETRY_SECONDS = 5.0


class Bindings:
    """`ensure` at once for a Monitor made here; `run` follows the watch for all others."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        tenants: Tenants,
        monitors: Kind[Monitor],
        namespaces: Iterable[str],
        receivers: Receivers,
        tell: Tell,
    ) -> None:
        """`namespaces` are those that are watched; none means all."""
        self._db = database
        self._keyring = keyring
        self._tenants = tenants
        self._monitors = monitors
        self._namespaces = list(namespaces)
        self._receivers = receivers
        self._tell = tell
        self._bound: dict[str, str] = {}  # uid -> URL that its endpoint has
        self._todo: dict[str, Object | None] = {}  # uid -> the Monitor, or None when it is gone
        self._woken = asyncio.Event()
        monitors.cache.subscribe(self._changed)

    async def ensure(self, monitor: Monitor) -> None:
        """The endpoint is as the Monitor says, once this returns. Raises DatabaseUnavailable."""
        uid, url = monitor.metadata.uid, monitor.spec.webhook_url
        if url is not None and (refusal := self._refusal(url)) is not None:
            await self._tell_of(monitor, url, refusal)
            url = None
        if self._bound.get(uid) == url:
            return
        if url is None:
            await self._drop(uid)
            return
        tenant = await self._tenants.of_namespace(monitor.metadata.namespace)

        async def work(connection: Connection) -> None:
            description = f"Monitor {monitor.metadata.name}"
            await ensure_bound_endpoint(
                connection, self._keyring, tenant_id=tenant.id, resource_uid=uid, url=url, description=description
            )

        await self._db.run(work)
        self._bound[uid] = url

    async def run(self) -> None:
        """Works until cancelled. Begin it when the cache is filled: what it does not hold is taken to be gone."""
        await self._load()
        while True:
            await self._woken.wait()
            self._woken.clear()
            todo, self._todo = self._todo, {}
            for uid, found in todo.items():
                try:
                    await self._settle(uid, found)
                except (DatabaseUnavailable, Fenced, NamespaceTaken) as error:
                    log.warning("binding_postponed", uid=uid, reason=str(error))
                    self._todo.setdefault(uid, found)
            if self._todo:
                await asyncio.sleep(_RETRY_SECONDS)
                self._woken.set()

    async def _load(self) -> None:
        """The endpoints there are, so that what changed while no gateway ran is put right."""
        here = {found["metadata"]["uid"]: found for found in self._monitors.cache}
        while True:
            try:
                rows = await self._db.fetch(SQL.bound, self._namespaces)
                break
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)
        for row in rows:
            uid = row["resource_uid"]
            self._bound[uid] = row["url"]
            self._note(uid, here.get(uid))

    async def _settle(self, uid: str, found: Object | None) -> None:
        monitor = None if found is None else self._monitors.parse(found)
        if monitor is not None:
            await self.ensure(monitor)
        elif found is None:
            await self._drop(uid)

    async def _drop(self, uid: str) -> None:
        await self._db.run(lambda connection: drop_bound_endpoint(connection, uid))
        self._bound.pop(uid, None)

    def _changed(self, before: Object | None, after: Object | None) -> None:
        if after is not None and self._bound.get(after["metadata"]["uid"]) != _url(after):
            self._note(after["metadata"]["uid"], after)
        if before is not None and (after is None or after["metadata"]["uid"] != before["metadata"]["uid"]):
            self._note(before["metadata"]["uid"], None)

    def _note(self, uid: str, found: Object | None) -> None:
        self._todo[uid] = found
        self._woken.set()

    def _refusal(self, url: str) -> str | None:
        try:
            self._receivers.check(url)
        except (InvalidUrl, BlockedAddress) as error:
            return str(error)
        return None

    async def _tell_of(self, monitor: Monitor, url: str, refusal: str) -> None:
        """Once for each URL: kubectl let it pass, so this is where its author hears of it."""
        now = datetime.now(UTC)
        id_ = derived_uuid7(monitor.metadata.creation_timestamp or now, monitor.metadata.uid, url)
        data = {"reason": "webhook_url_refused", "message": refusal}
        await self._tell(monitor, Occurrence(id=id_, type="monitor.error", at=now, data=data))


def _url(found: Object) -> str | None:
    url: str | None = (found.get("spec") or {}).get("webhookUrl")
    return url
