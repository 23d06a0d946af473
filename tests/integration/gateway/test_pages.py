# SPDX-License-Identifier: Apache-2.0
"""Every list, page by page, while rows come and go between the pages: nothing twice, nothing that stays left out."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.http.cursors import PageQuery
from castwarden_gateway.tables import PUBLIC_ROUTES

from tests.integration.gateway.conftest import PATIENCE, Api
from tests.integration.gateway.kube_double import KubeDouble, Object
from tests.plugins.databases import see_all

Connection = "asyncpg.Connection[asyncpg.Record]"
_NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Things:
    """Makes and removes rows of each list; a row's mark is what `marks` finds in the answer."""

    def __init__(self, gateway: Gateway, kube_api: KubeDouble, connection: Any, tenant: UUID) -> None:
        self.gateway = gateway
        self.kube = kube_api
        self.db = connection
        self.tenant = tenant

    async def prepare(self) -> None:
        """One of each that other things belong to."""
        for plural in ("monitors", "channels", "downloadjobs"):
            await self._put(plural, "parent")

    async def resource(self, plural: str, number: int) -> str:
        """Two of three were made in the same second."""
        name = f"r{number:02}-{plural}"
        await self._put(plural, name, _NOW + timedelta(seconds=number // 3))
        return name

    async def remove_resource(self, plural: str, name: str) -> None:
        self.kube.remove(plural, "default", name)
        kind = {kind.model.PLURAL: kind for kind in self.gateway.resources.kinds}[plural]
        await wait_until(lambda: kind.get("default", name) is None, PATIENCE)

    async def event(self, plural: str) -> str:
        meta = self.kube.get(plural, "parent")["metadata"]
        id_ = uuid7()
        await self.db.execute(
            "insert into events (id, tenant_id, type, kind, namespace, name, uid, occurred_at, data)"
            " values ($1, $2, 'stream.ended', 'Monitor', 'default', 'parent', $3, now(), '{}')",
            id_,
            self.tenant,
            meta["uid"],
        )
        return str(id_)

    async def video(self, number: int) -> str:
        uid, id_ = self.kube.get("channels", "parent")["metadata"]["uid"], uuid7()
        await self.db.execute(
            "insert into resources (uid, tenant_id, kind, namespace, name) values ($1, $2, 'Channel', 'default', 'x')"
            " on conflict do nothing",
            uid,
            self.tenant,
        )
        await self.db.execute(
            "insert into videos (id, tenant_id, channel_uid, media_id, title, url, published_at)"
            " values ($1, $2, $3, $4, '', '', $5)",
            id_,
            self.tenant,
            uid,
            str(number),
            None if number % 4 == 0 else _NOW + timedelta(seconds=number // 3),
        )
        return str(id_)

    async def row(self, table: str) -> str:
        id_ = uuid7()
        values = {
            "api_keys": "(id, tenant_id, name, key_hash, key_prefix, scopes) values ($1, $2, 'k', $3, 'k', '{*}')",
            "tenants": "(id, slug, name, namespace) select $1, $3, 'n', $3 where $2::uuid is not null",
            "webhook_endpoints": "(id, tenant_id, url, events, profile, payload, retry, timeout_seconds,"
            " max_in_flight, secret, enabled) values ($1, $2, $3, '{x}', 'standard', 'castwarden', 'standard', 5, 1,"
            " '', false)",
            "webhook_dead": "(tenant_id, id, event_id, endpoint_id, attempt, last_error, created_at)"
            " values ($2, $1, $1, $1, 1, $3, now())",
            "audit_log": "(id, tenant_id, key_name, key_prefix, key_tenant, action, kind, route, request_id)"
            " values ($1, $2, $3, '', '', 'create_key', 'key', '', '')",
        }
        await self.db.execute(f"insert into {table} {values[table]}", id_, self.tenant, str(id_))
        return str(id_)

    async def replay(self) -> str:
        """Of an endpoint of its own, so that all of them may run."""
        endpoint, id_ = UUID(await self.row("webhook_endpoints")), uuid7()
        await self.db.execute(
            "insert into webhook_replays (id, tenant_id, endpoint_id, since, until, cursor)"
            " values ($1, $2, $3, now() - interval '1 hour', now(), $1)",
            id_,
            self.tenant,
            endpoint,
        )
        return str(id_)

    async def delete(self, table: str, id_: str) -> None:
        await self.db.execute(f"delete from {table} where id = $1", UUID(id_))

    async def _put(self, plural: str, name: str, at: datetime = _NOW - timedelta(days=1)) -> None:
        kind = {kind.model.PLURAL: kind for kind in self.gateway.resources.kinds}[plural]
        source = {"channels": {"feedUrl": "https://cdn.example.com/f"}}.get(plural, {"url": "https://cdn.example.com/"})
        found: Object = {
            "apiVersion": "castwarden.dev/v1alpha1",
            "kind": kind.model.KIND,
            "metadata": {"name": name, "creationTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "spec": {"source": source},
        }
        self.kube.put(plural, found)
        await wait_until(lambda: kind.get("default", name), PATIENCE)


Make = Callable[[Things, int], Awaitable[str]]
Remove = Callable[[Things, str], Awaitable[None]]


def _resources(plural: str) -> tuple[Make, Remove]:
    return (
        lambda things, number: things.resource(plural, number),
        lambda things, name: things.remove_resource(plural, name),
    )


def _events(plural: str) -> tuple[Make, Remove]:
    return lambda things, _: things.event(plural), lambda things, id_: things.delete("events", id_)


def _rows(table: str) -> tuple[Make, Remove]:
    return lambda things, _: things.row(table), lambda things, id_: things.delete(table, id_)


LISTS: dict[str, tuple[Make, Remove]] = {
    "/api/v1/monitors": _resources("monitors"),
    "/api/v1/channels": _resources("channels"),
    "/api/v1/downloads": _resources("downloadjobs"),
    "/api/v1/events": _events("monitors"),
    "/api/v1/monitors/{id}/events": _events("monitors"),
    "/api/v1/channels/{id}/events": _events("channels"),
    "/api/v1/downloads/{id}/events": _events("downloadjobs"),
    "/api/v1/channels/{id}/videos": (
        lambda things, number: things.video(number),
        lambda things, id_: things.delete("videos", id_),
    ),
    "/api/v1/api_keys": _rows("api_keys"),
    "/api/v1/audit": _rows("audit_log"),
    "/api/v1/tenants": _rows("tenants"),
    "/api/v1/webhooks/endpoints": _rows("webhook_endpoints"),
    "/api/v1/webhooks/deliveries": _rows("webhook_dead"),
    "/api/v1/webhooks/replays": (
        lambda things, _: things.replay(),
        lambda things, id_: things.delete("webhook_replays", id_),
    ),
}


def test_every_list_with_pages_is_read_here() -> None:
    table = [route for routes in PUBLIC_ROUTES for route in routes]
    assert {route.path for route in table if route.query and issubclass(route.query, PageQuery)} == set(LISTS)


async def test_pages_stay_right_while_rows_come_and_go(
    gateway: Gateway, api: Api, kube_api: KubeDouble, database_url: str
) -> None:
    connection = await see_all(database_url)
    tenant = await connection.fetchval("select id from tenants")
    things = Things(gateway, kube_api, connection, tenant)
    await things.prepare()
    for path, (make, remove) in LISTS.items():
        await connection.execute("delete from events")
        filled = path.replace("{id}", "parent")
        made = [await make(things, number) for number in range(9)]
        first = await api.get(f"{filled}?limit=3")
        seen = marks(first)
        await make(things, 20)
        upcoming = next(one for one in made if one not in seen)
        seen_and_gone = next(one for one in made if one in seen)
        await remove(things, seen_and_gone)
        await remove(things, upcoming)
        pages, answer = [seen], first
        while answer.body["links"]["next"]:
            assert answer.headers["Link"] == f'<{answer.body["links"]["next"]}>; rel="next"', path
            assert answer.body["meta"]["count"] == 3, path
            answer = await api.get(answer.body["links"]["next"])
            pages.append(marks(answer))
        assert "Link" not in answer.headers, path
        rows = [one for page in pages for one in page]
        assert len(rows) == len(set(rows)), path
        assert set(made) - {upcoming} <= set(rows), path
        assert upcoming not in rows, path
    await connection.close()


async def test_a_page_has_1_to_200_rows(api: Api) -> None:
    for limit in ("0", "201", "-1", "x", "1.5", ""):
        refused = await api.get(f"/api/v1/events?limit={limit}")
        assert (refused.status, refused.pointers) == (422, ["limit"]), limit
    assert (await api.get("/api/v1/events?limit=200")).status == 200


def marks(answer: Any) -> list[str]:
    return [row.get("monitor_id") or row["id"] for row in answer.data]
