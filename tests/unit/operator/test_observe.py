# SPDX-License-Identifier: Apache-2.0
"""What is seen reaches the right queue, and full lists make good what watches missed. In virtual time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from castwarden_operator.cache import Cache
from castwarden_operator.errors import ApiError
from castwarden_operator.kinds import BY_NAME, CHILDREN, POOL, RESOURCES, Kind, Object, Ref
from castwarden_operator.observe import Observer
from castwarden_operator.reconcile.monitor import pod_for
from castwarden_operator.reconcile.pool import shared_pod

from .objects import SETTINGS, resource, stored
from .objects import monitor as a_monitor

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

MONITOR, POD = BY_NAME["Monitor"], BY_NAME["Pod"]
MAIN = Ref("Monitor", "media-team", "main")


class Queue:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.added: list[Ref] = []
        self.expedited: list[Ref] = []

    def add(self, ref: Ref) -> None:
        self.added.append(ref)

    def add_within(self, ref: Ref, _seconds: float) -> None:
        self.added.append(ref)

    def expedite(self, ref: Ref) -> None:
        self.expedited.append(ref)


class Lists:
    """An API server that only lists."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Object]] = {}
        self.version = 100
        self.failures: list[ApiError] = []
        self.asked: list[tuple[str, str | None, str]] = []

    async def list_all(self, kind: Kind, namespace: str | None, selector: str = "") -> tuple[list[Object], str]:
        if self.failures:
            raise self.failures.pop()
        self.asked.append((kind.name, namespace, selector))
        return [dict(obj) for obj in self.objects.get(kind.name, [])], str(self.version)


class World:
    def __init__(self, **settings: Any) -> None:
        self.api = Lists()
        self.cache = Cache()
        self.queues: Mapping[str, Any] = {name: Queue() for name in (POOL, *(kind.name for kind in RESOURCES))}
        chosen = SETTINGS.model_copy(update=settings)
        self.observer = Observer(self.api, self.cache, self.queues, chosen)  # type: ignore[arg-type] # lists only

    @property
    def monitors(self) -> Queue:
        queue: Queue = self.queues["Monitor"]
        return queue

    @property
    def pools(self) -> list[Ref]:
        """The pools that were told, and forgets them."""
        told: list[Ref] = self.queues[POOL].added
        self.queues[POOL].added = []
        return told


def pod(version: int = 20) -> Object:
    return stored(pod_for(a_monitor(), SETTINGS), resourceVersion=str(version))


async def test_a_changed_child_concerns_its_owner() -> None:
    world = World()
    world.observer.seen(POD, "MODIFIED", pod())
    assert world.monitors.added == [MAIN]


async def test_a_deleted_child_concerns_its_owner() -> None:
    world = World()
    world.observer.seen(POD, "ADDED", pod())
    world.observer.seen(POD, "DELETED", pod(21))
    assert world.monitors.added == [MAIN, MAIN]
    assert world.cache.children(MAIN) == []


async def test_a_child_whose_labels_were_forged_concerns_its_former_owner_too() -> None:
    world = World()
    world.observer.seen(POD, "ADDED", pod())
    forged = pod(21)
    forged["metadata"]["labels"]["castwarden.dev/name"] = "other"
    world.monitors.added.clear()
    world.observer.seen(POD, "MODIFIED", forged)
    assert set(world.monitors.added) == {MAIN, Ref("Monitor", "media-team", "other")}


async def test_a_child_without_an_owner_concerns_nobody() -> None:
    world = World()
    stranger = pod()
    del stranger["metadata"]["labels"]["castwarden.dev/name"]
    world.observer.seen(POD, "ADDED", stranger)
    assert world.monitors.added == []


async def test_a_new_spec_is_urgent_and_a_new_status_is_not() -> None:
    world = World()
    first = resource("Monitor")
    world.observer.seen(MONITOR, "ADDED", first)
    second = resource("Monitor")
    second["metadata"]["resourceVersion"] = "11"
    world.observer.seen(MONITOR, "MODIFIED", second)
    third = resource("Monitor")
    third["metadata"] |= {"resourceVersion": "12", "generation": 4}
    world.observer.seen(MONITOR, "MODIFIED", third)
    assert world.monitors.expedited == [MAIN, MAIN]
    assert world.monitors.added == [MAIN]


async def test_the_first_list_takes_in_everything_and_has_every_resource_looked_at() -> None:
    world = World()
    world.api.objects = {"Monitor": [resource("Monitor")], "Pod": [pod()]}
    await world.observer.sync()
    assert world.observer.synced
    assert world.monitors.added == [MAIN]
    assert len(world.cache.children(MAIN)) == 1


async def test_children_are_listed_by_label_and_in_the_watched_namespaces_only() -> None:
    world = World(watch_namespaces=("a", "b"))
    await world.observer.sync()
    assert len(world.api.asked) == 2 * (len(CHILDREN) + len(RESOURCES))
    selectors = {name: selector for name, _, selector in world.api.asked}
    assert selectors["Pod"] == "app.kubernetes.io/managed-by=castwarden,app.kubernetes.io/component=worker"
    assert selectors["Monitor"] == ""
    assert {namespace for _, namespace, _ in world.api.asked} == {"a", "b"}


@pytest.mark.parametrize("status", [0, 403, 404, 503])
async def test_the_first_list_is_tried_until_it_works(status: int) -> None:
    world = World()
    world.api.failures = [ApiError(status, "", "no")] * 5
    await world.observer.sync()
    assert world.observer.synced


async def test_a_deletion_that_the_watch_missed_is_found_at_the_next_resync() -> None:
    world = World()
    world.api.objects = {"Monitor": [resource("Monitor")], "Pod": [pod()]}
    await world.observer.sync()
    world.monitors.added.clear()
    world.api.objects["Pod"] = []
    task = asyncio.create_task(world.observer.resync_forever())
    await asyncio.sleep(SETTINGS.resync_seconds * 1.1 + 1)
    task.cancel()
    assert MAIN in world.monitors.added
    assert world.cache.children(MAIN) == []


async def test_a_watch_that_started_over_is_followed_by_one_full_list_soon() -> None:
    world = World()
    await world.observer.sync()
    world.api.asked.clear()
    task = asyncio.create_task(world.observer.resync_forever())
    for version in range(20, 30):
        world.observer.seen(POD, None, pod(version))
        await asyncio.sleep(0.1)
    await asyncio.sleep(60)
    task.cancel()
    assert [name for name, _, _ in world.api.asked].count("Pod") == 1


async def test_resyncs_come_about_every_ten_minutes() -> None:
    world = World()
    task = asyncio.create_task(world.observer.resync_forever())
    await asyncio.sleep(6000)
    task.cancel()
    lists = [name for name, _, _ in world.api.asked].count("Monitor")
    assert 9 <= lists <= 11


A_POOL, NEWS = Ref(POOL, "media-team", "default"), Ref(POOL, "media-team", "news")


def packed(version: int, status: Object | None = None, **spec: Any) -> Object:
    found = resource("Monitor", status=status, **{"placement": "Packed", **spec})
    found["metadata"]["resourceVersion"] = str(version)
    return found


async def test_a_pool_hears_of_all_that_changes_a_seat_and_of_nothing_else() -> None:
    world = World()
    world.observer.seen(MONITOR, "ADDED", packed(10))
    assert world.pools == [A_POOL]
    seated = {"seat": "monitors-default-0/0", "podName": "monitors-default-0"}
    world.observer.seen(MONITOR, "MODIFIED", packed(11, seated))
    assert world.pools == [A_POOL]
    world.observer.seen(MONITOR, "MODIFIED", packed(12, {**seated, "lastEvent": {"type": "stream.started"}}))
    world.observer.seen(MONITOR, "MODIFIED", packed(13, seated, depth="Full"))
    assert world.pools == []
    world.observer.seen(MONITOR, "MODIFIED", packed(14, seated, suspend=True))
    assert world.pools == [A_POOL]
    world.observer.seen(MONITOR, "DELETED", packed(15, seated, suspend=True))
    assert world.pools == [A_POOL]


async def test_a_pool_hears_of_a_seat_whose_writing_the_cache_knows_already() -> None:
    world = World()
    world.observer.seen(MONITOR, "ADDED", packed(10))
    assert world.pools == [A_POOL]
    moved = packed(11, {"seat": "monitors-default-1/0", "podName": "monitors-default-1"})
    world.cache.put(MONITOR, moved)
    world.observer.seen(MONITOR, "MODIFIED", moved)
    assert world.pools == [A_POOL]


async def test_a_monitor_between_two_pools_concerns_both() -> None:
    world = World()
    seated = {"seat": "monitors-default-0/0", "podName": "monitors-default-0"}
    world.observer.seen(MONITOR, "ADDED", packed(10, seated))
    assert world.pools == [A_POOL]
    world.observer.seen(MONITOR, "MODIFIED", packed(11, seated, pool="news"))
    assert set(world.pools) == {A_POOL, NEWS}
    assert [child["metadata"]["name"] for child in world.cache.children(NEWS)] == ["main"]
    assert [child["metadata"]["name"] for child in world.cache.children(A_POOL)] == ["main"]


async def test_a_shared_pod_concerns_its_pool_and_no_monitor() -> None:
    world = World()
    world.observer.seen(POD, "ADDED", stored(shared_pod(A_POOL, 0, SETTINGS)))
    assert world.pools == [A_POOL]
    assert world.monitors.added == []


async def test_every_full_list_has_every_pool_looked_at() -> None:
    world = World()
    world.api.objects = {"Monitor": [packed(10)], "Pod": [stored(shared_pod(NEWS, 0, SETTINGS))]}
    await world.observer.sync()
    assert set(world.pools) == {A_POOL, NEWS}
