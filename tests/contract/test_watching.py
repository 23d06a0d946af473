# SPDX-License-Identifier: Apache-2.0
"""Watches: every change once and in order, from any moment that history still reaches back to."""

import asyncio

import pytest

from tests.plugins.controlplane import ControlPlane
from tests.plugins.kube import Kube, Watch
from tests.plugins.objects import CONFIG_MAPS, MONITORS, PODS, Object, config_map, monitor, pod
from tests.plugins.refusals import refusal


async def now(kube: Kube) -> str:
    return str((await kube.list(MONITORS))["metadata"]["resourceVersion"])


async def seen(watch: Watch, count: int) -> list[tuple[str, str]]:
    return [(event.type, event.name) for event in await watch.take(count)]


async def test_a_watch_tells_every_change_in_order(kube: Kube) -> None:
    async with kube.watch(MONITORS, resourceVersion=await now(kube)) as watch:
        made = await kube.create(monitor("a"))
        patched = await kube.patch(MONITORS, "a", {"spec": {"suspend": True}})
        await kube.create(monitor("b"))
        await kube.delete(MONITORS, "a")
        events = await watch.take(4)
    assert [(event.type, event.name) for event in events] == [
        *(("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a"))
    ]
    assert (events[0].object, events[1].object) == (made, patched)
    versions = [int(event.object["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert events[3].object["spec"]["suspend"] is True


async def test_a_watch_from_the_past_tells_what_came_since(kube: Kube) -> None:
    start = await now(kube)
    await kube.create(monitor("a"))
    await kube.patch(MONITORS, "a", {"status": {"podName": "p"}}, subresource="status")
    await kube.delete(MONITORS, "a")
    async with kube.watch(MONITORS, resourceVersion=start) as watch:
        assert await seen(watch, 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_from_an_events_version_begins_after_it(kube: Kube) -> None:
    made = await kube.create(monitor("a"))
    await kube.create(monitor("b"))
    async with kube.watch(MONITORS, resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        assert await seen(watch, 1) == [("ADDED", "b")]


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}], ids=["unset", "zero"])
async def test_a_watch_from_nowhere_begins_with_what_exists(kube: Kube, query: Object) -> None:
    made = await kube.create(monitor("a"))
    async with kube.watch(MONITORS, **query) as watch:
        assert await watch.take(1) == [("ADDED", made)]
        await kube.create(monitor("b"))
        assert await seen(watch, 1) == [("ADDED", "b")]


async def test_a_patch_that_changes_nothing_is_no_event(kube: Kube) -> None:
    made = await kube.create(monitor("a"))
    async with kube.watch(MONITORS, resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        await kube.patch(MONITORS, "a", {"spec": {"suspend": False}})
        await kube.create(monitor("b"))
        assert await seen(watch, 1) == [("ADDED", "b")]


async def test_an_object_enters_and_leaves_a_label_selectors_sight(kube: Kube) -> None:
    async with kube.watch(MONITORS, resourceVersion=await now(kube), labelSelector="team=news") as watch:
        await kube.create(monitor("other", labels={"team": "sport"}))
        await kube.create(monitor("a"))
        for team in ("news", "news", "sport"):
            patch = {"metadata": {"labels": {"team": team}}, "spec": {"metadata": {"last": team, "n": "1"}}}
            await kube.patch(MONITORS, "a", patch)
        await kube.patch(MONITORS, "a", {"metadata": {"labels": {"team": "news"}}})
        await kube.patch(MONITORS, "a", {"spec": {"suspend": True}})
        await kube.delete(MONITORS, "a")
        events = await watch.take(5)
    assert [(event.type, event.name) for event in events] == [
        *(("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"))
    ]
    gone = events[1].object["metadata"]
    assert gone["labels"] == {"team": "news"}  # as it was when it still matched, at the version that took it away
    assert int(gone["resourceVersion"]) > int(events[0].object["metadata"]["resourceVersion"])


async def test_one_object_is_watched_by_its_name(kube: Kube) -> None:
    async with kube.watch(MONITORS, resourceVersion=await now(kube), fieldSelector="metadata.name=b") as watch:
        await kube.create(monitor("a"))
        await kube.create(monitor("b"))
        assert await seen(watch, 1) == [("ADDED", "b")]


async def test_a_pod_that_ends_leaves_the_sight_of_a_watch_on_its_phase(kube: Kube) -> None:
    start = (await kube.list(PODS))["metadata"]["resourceVersion"]
    async with kube.watch(PODS, resourceVersion=start, fieldSelector="status.phase!=Failed") as watch:
        await kube.create(pod("a"))
        await kube.patch(PODS, "a", {"status": {"phase": "Failed"}}, subresource="status")
        assert await seen(watch, 2) == [("ADDED", "a"), ("DELETED", "a")]


async def test_a_watch_does_not_hear_of_other_namespaces_and_kinds(kube: Kube) -> None:
    async with kube.watch(CONFIG_MAPS, resourceVersion=await now(kube)) as watch:
        await kube.create(monitor("a"))
        other = config_map("a") | {"metadata": {"name": f"other-{kube.namespace}"}}
        await kube.request("POST", CONFIG_MAPS.path("default"), other)
        await kube.request("DELETE", CONFIG_MAPS.path("default", other["metadata"]["name"]))
        await kube.create(config_map("mine"))
        events = await watch.take(1)
        while events[-1].name == "kube-root-ca.crt":  # published into every new namespace
            events += await watch.take(1)
    assert [event.name for event in events if event.name != "kube-root-ca.crt"] == ["mine"]


async def test_a_watch_ends_when_its_time_is_over(kube: Kube) -> None:
    async with kube.watch(MONITORS, resourceVersion=await now(kube), timeoutSeconds=1) as watch:
        assert await watch.rest() == []


async def test_a_bookmark_tells_how_far_a_watch_has_come(kube: Kube) -> None:
    start = await now(kube)
    query = {"resourceVersion": start, "allowWatchBookmarks": True, "timeoutSeconds": 4}
    async with kube.watch(MONITORS, **query) as watch:
        made = await kube.create(monitor("a"))
        events = await watch.rest()
    assert events[0].object == made
    bookmarks = events[1:]
    assert bookmarks
    assert {event.type for event in bookmarks} == {"BOOKMARK"}
    marked = bookmarks[-1].object
    assert (marked["kind"], marked["apiVersion"]) == ("Monitor", "castwarden.dev/v1alpha1")
    assert int(marked["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
    async with kube.watch(MONITORS, resourceVersion=marked["metadata"]["resourceVersion"]) as watch:
        await kube.create(monitor("b"))
        assert await seen(watch, 1) == [("ADDED", "b")]


async def test_a_watch_can_deliver_the_list_itself_and_mark_its_end(kube: Kube) -> None:
    await kube.create(monitor("a"))
    await kube.create(monitor("b"))
    query = {"sendInitialEvents": True, "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": True}
    async with kube.watch(MONITORS, **query) as watch:
        events = await watch.take(3)
        assert {(event.type, event.name) for event in events[:2]} == {("ADDED", "a"), ("ADDED", "b")}
        assert events[2].type == "BOOKMARK"
        assert events[2].object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await kube.create(monitor("c"))
        assert await seen(watch, 1) == [("ADDED", "c")]


async def test_a_watch_from_before_history_begins_is_told_to_list_again(
    kube: Kube, control_plane: ControlPlane
) -> None:
    """A real server's watch cache begins when it first served the kind; the stand-in forgets when it remembers much."""
    if control_plane.name == "standin":
        await make_history(kube)
    async with kube.watch(MONITORS, resourceVersion="1") as watch:
        (event,) = await watch.take(1)
    assert event.type == "ERROR"
    status = event.object
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


async def make_history(kube: Kube) -> None:
    from tests.plugins.standin import HISTORY_LIMIT  # here, because only the stand-in needs it

    await kube.create(config_map("busy"))
    for number in range(HISTORY_LIMIT):
        await kube.patch(CONFIG_MAPS, "busy", {"data": {"number": str(number)}})


async def test_a_version_that_is_no_number_is_refused(kube: Kube) -> None:
    status = await refusal(kube.list(MONITORS, resourceVersion="x"))
    assert (status["code"], status["reason"]) == (400, "BadRequest")


async def test_many_changes_at_once_reach_every_watcher_whole(kube: Kube) -> None:
    start = await now(kube)
    names = {f"m{number}" for number in range(20)}
    async with (
        kube.watch(MONITORS, resourceVersion=start) as first,
        kube.watch(MONITORS, resourceVersion=start) as second,
    ):
        await asyncio.gather(*(kube.create(monitor(name)) for name in names))
        firsts, seconds = await first.take(20), await second.take(20)
    assert {event.name for event in firsts} == names
    assert firsts == seconds
    versions = [int(event.object["metadata"]["resourceVersion"]) for event in firsts]
    assert versions == sorted(versions)
