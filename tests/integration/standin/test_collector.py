# SPDX-License-Identifier: Apache-2.0
"""Garbage collection: children of owners that go, namespaces that empty, Events that grow old."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.standin.errors import Forbidden, NotFound
from castwarden_local.standin.interface import (
    CONFIG_MAPS,
    EVENTS,
    GVR,
    NAMESPACES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Api,
    Object,
)
from castwarden_local.standin.standin import Standin
from castwarden_local.standin.writing.garbage_collector import EVENT_LIFETIME

SECONDS = 20.0


async def make(api: Api, gvr: GVR, name: str, namespace: str = "default", **meta: Any) -> Object:
    return await api.create(gvr, {"metadata": {"name": name, "namespace": namespace} | meta})


def owned_by(*owners: Object, **more: Any) -> list[Object]:
    return [
        {
            "apiVersion": each["apiVersion"],
            "kind": each["kind"],
            "name": each["metadata"]["name"],
            "uid": each["metadata"]["uid"],
        }
        | more
        for each in owners
    ]


async def gone(api: Api, gvr: GVR, name: str, namespace: str = "default") -> None:
    async def is_gone() -> bool:
        try:
            await api.get(gvr, name, namespace)
        except NotFound:
            return True
        return False

    await wait_until(is_gone, SECONDS)


async def test_children_follow_their_owner(standin: Standin) -> None:
    api = standin.api
    owner = await make(api, CONFIG_MAPS, "owner")
    child = await make(api, CONFIG_MAPS, "child", ownerReferences=owned_by(owner))
    await make(api, SECRETS, "grandchild", ownerReferences=owned_by(child))
    await api.delete(CONFIG_MAPS, "owner", "default")
    await gone(api, CONFIG_MAPS, "child")
    await gone(api, SECRETS, "grandchild")


async def test_a_child_of_two_owners_stays_until_both_are_gone(standin: Standin) -> None:
    api = standin.api
    first, second = await make(api, CONFIG_MAPS, "first"), await make(api, CONFIG_MAPS, "second")
    await make(api, CONFIG_MAPS, "child", ownerReferences=owned_by(first, second))
    await api.delete(CONFIG_MAPS, "first", "default")

    async def has_one_owner() -> bool:
        return len((await api.get(CONFIG_MAPS, "child", "default"))["metadata"]["ownerReferences"]) == 1

    await wait_until(has_one_owner, SECONDS)
    await api.delete(CONFIG_MAPS, "second", "default")
    await gone(api, CONFIG_MAPS, "child")


async def test_orphaned_children_stay_without_their_owner(standin: Standin) -> None:
    api = standin.api
    owner = await make(api, CONFIG_MAPS, "owner")
    await make(api, CONFIG_MAPS, "child", ownerReferences=owned_by(owner))
    await api.delete(CONFIG_MAPS, "owner", "default", propagation="Orphan")
    await gone(api, CONFIG_MAPS, "owner")
    assert "ownerReferences" not in (await api.get(CONFIG_MAPS, "child", "default"))["metadata"]


async def test_in_the_foreground_the_owner_waits_for_children_that_block_it(standin: Standin) -> None:
    api = standin.api
    owner = await make(api, CONFIG_MAPS, "owner")
    references = owned_by(owner, blockOwnerDeletion=True)
    await make(api, CONFIG_MAPS, "child", ownerReferences=references, finalizers=["test.dev/hold"])
    await api.delete(CONFIG_MAPS, "owner", "default", propagation="Foreground")

    async def child_is_leaving() -> bool:
        return "deletionTimestamp" in (await api.get(CONFIG_MAPS, "child", "default"))["metadata"]

    await wait_until(child_is_leaving, SECONDS)
    assert (await api.get(CONFIG_MAPS, "owner", "default"))["metadata"]["finalizers"] == ["foregroundDeletion"]
    await api.patch(CONFIG_MAPS, "child", {"metadata": {"finalizers": None}}, "default")
    await gone(api, CONFIG_MAPS, "owner")


async def test_a_child_made_after_its_owner_went_is_collected(standin: Standin) -> None:
    api = standin.api
    owner = await make(api, CONFIG_MAPS, "owner")
    await api.delete(CONFIG_MAPS, "owner", "default")
    await make(api, CONFIG_MAPS, "late", ownerReferences=owned_by(owner))
    await gone(api, CONFIG_MAPS, "late")


async def test_a_child_of_an_owner_of_an_unknown_kind_is_left_alone(standin: Standin) -> None:
    api = standin.api
    stranger = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "uid": "u"}}
    await make(api, CONFIG_MAPS, "child", ownerReferences=owned_by(stranger))
    owner = await make(api, CONFIG_MAPS, "marker")
    await make(api, CONFIG_MAPS, "collected", ownerReferences=owned_by(owner))
    await api.delete(CONFIG_MAPS, "marker", "default")
    await gone(api, CONFIG_MAPS, "collected")
    assert await api.get(CONFIG_MAPS, "child", "default")


async def test_a_namespace_takes_everything_in_it_along(standin: Standin) -> None:
    api = standin.api
    await api.create(NAMESPACES, {"metadata": {"name": "news"}})
    await wait_until(lambda: api.list(SERVICE_ACCOUNTS, "news"), SECONDS)
    await make(api, CONFIG_MAPS, "a", "news")
    await make(api, SECRETS, "held", "news", finalizers=["test.dev/hold"])
    leaving = await api.delete(NAMESPACES, "news")
    assert leaving["status"]["phase"] == "Terminating"
    await gone(api, CONFIG_MAPS, "a", "news")
    with pytest.raises(Forbidden, match="because it is being terminated"):
        await make(api, CONFIG_MAPS, "b", "news")
    await api.patch(SECRETS, "held", {"metadata": {"finalizers": None}}, "news")
    await gone(api, NAMESPACES, "news", "")


async def test_a_namespace_waits_for_its_running_pods(standin: Standin) -> None:
    api = standin.api
    await api.create(NAMESPACES, {"metadata": {"name": "news"}})

    async def furnished() -> bool:
        return bool((await api.list(SERVICE_ACCOUNTS, "news")).items)

    await wait_until(furnished, SECONDS)
    body: Object = {
        "metadata": {"name": "p", "namespace": "news"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    await api.create(PODS, body)
    await api.bind("news", "p", "here")
    await api.delete(NAMESPACES, "news")

    async def leaving() -> bool:
        return "deletionTimestamp" in (await api.get(PODS, "p", "news"))["metadata"]

    await wait_until(leaving, SECONDS)
    await api.delete(PODS, "p", "news", grace_seconds=0)
    await gone(api, NAMESPACES, "news", "")


async def test_the_default_service_account_comes_back(standin: Standin) -> None:
    api = standin.api
    first = (await api.get(SERVICE_ACCOUNTS, "default", "default"))["metadata"]["uid"]
    await api.delete(SERVICE_ACCOUNTS, "default", "default")

    async def is_back() -> bool:
        items = (await api.list(SERVICE_ACCOUNTS, "default")).items
        return bool(items) and items[0]["metadata"]["uid"] != first

    await wait_until(is_back, SECONDS)


async def test_old_events_are_forgotten(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    def event(name: str, age: timedelta) -> Object:
        at = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {"kind": "Pod", "name": "p", "namespace": "default"}
        return {"metadata": {"name": name, "namespace": "default"}, "involvedObject": about, "lastTimestamp": at}

    await standin.api.create(EVENTS, event("old", EVENT_LIFETIME + timedelta(minutes=1)))
    await standin.api.create(EVENTS, event("new", timedelta()))
    await standin._collector.expire()
    await gone(standin.api, EVENTS, "old")
    assert [each["metadata"]["name"] for each in (await standin.api.list(EVENTS)).items] == ["new"]
