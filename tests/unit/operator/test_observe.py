# SPDX-License-Identifier: Apache-2.0
"""What is seen reaches the right queue, and full lists make good what watches missed. In virtual time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from castwarden_operator.cache import Cache
from castwarden_operator.errors import ApiError
from castwarden_operator.kinds import BY_NAME, CHILDREN, RESOURCES, Kind, Object, Ref
from castwarden_operator.observe import Observer
from castwarden_operator.reconcile.monitor import pod_for

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
        self.queues: Mapping[str, Any] = {kind.name: Queue() for kind in RESOURCES}
        chosen = SETTINGS.model_copy(update=settings)
        self.observer = Observer(self.api, self.cache, self.queues, chosen)  # type: ignore[arg-type] # lists only

    @property
    def monitors(self) -> Queue:
        queue: Queue = self.queues["Monitor"]
        return queue


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
