# SPDX-License-Identifier: Apache-2.0
"""Deleting: finalizers hold it up, preconditions guard it, and what an owner leaves behind is collected."""

import asyncio
from typing import Any

import pytest
from castwarden_base.waiting import wait_until

from tests.plugins.kube import Kube, Refused
from tests.plugins.objects import CONFIG_MAPS, MONITORS, NAMESPACES, Object, config_map, make, monitor, owned_by
from tests.plugins.refusals import about, causes, failure, refusal

CUSTOM = {"group": "castwarden.dev", "kind": "monitors"}


def finalized(body: Object, *finalizers: str) -> Object:
    return body | {"metadata": body["metadata"] | {"finalizers": list(finalizers)}}


def options(policy: str) -> Object:
    return {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}


async def family(kube: Kube, **reference: Any) -> Object:
    """A Monitor `owner` and two ConfigMaps of which it owns the first."""
    owner = await kube.create(monitor("owner"))
    await asyncio.gather(
        kube.create(owned_by(owner, config_map("child"), **reference)), kube.create(config_map("stranger"))
    )
    await collector_has_caught_up(kube)
    return owner


async def collector_has_caught_up(kube: Kube) -> None:
    """Waits until a pair made just now has been collected: the collector then knows all that was made before it."""
    owner = await kube.create(monitor("pilot"))
    await kube.create(owned_by(owner, config_map("pilot")))
    await kube.delete(MONITORS, "pilot")
    await wait_until(lambda: kube.gone(CONFIG_MAPS, "pilot"), timeout=60)


async def test_a_deleted_object_is_gone_and_the_answer_says_so(kube: Kube) -> None:
    made = await kube.create(monitor("a"))
    answer = await kube.delete(MONITORS, "a")
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {**CUSTOM, "name": "a", "uid": made["metadata"]["uid"]}
    assert not await kube.exists(MONITORS, "a")


async def test_a_finalizer_holds_the_deletion_until_it_is_removed(kube: Kube) -> None:
    made = await kube.create(finalized(monitor("a"), "example.org/x", "example.org/y"))
    held = await kube.delete(MONITORS, "a")
    assert held["kind"] == "Monitor"
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    assert held["metadata"]["generation"] == made["metadata"]["generation"] + 1
    first = await kube.patch(MONITORS, "a", {"metadata": {"finalizers": ["example.org/y"]}})
    assert first["metadata"]["deletionTimestamp"] == held["metadata"]["deletionTimestamp"]
    await kube.patch(MONITORS, "a", {"metadata": {"finalizers": None}})
    assert not await kube.exists(MONITORS, "a")


async def test_a_watch_sees_the_mark_the_release_and_the_end(kube: Kube) -> None:
    made = await kube.create(finalized(monitor("a"), "example.org/x"))
    async with kube.watch(MONITORS, resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        await kube.delete(MONITORS, "a")
        await kube.patch(MONITORS, "a", [{"op": "remove", "path": "/metadata/finalizers"}], kind="json")
        events = await watch.take(2)
    assert [event.type for event in events] == ["MODIFIED", "DELETED"]
    assert all("deletionTimestamp" in event.object["metadata"] for event in events)


async def test_a_second_deletion_changes_nothing(kube: Kube) -> None:
    await kube.create(finalized(monitor("a"), "example.org/x"))
    held = await kube.delete(MONITORS, "a")
    again = await kube.delete(MONITORS, "a")
    assert again["metadata"]["resourceVersion"] == held["metadata"]["resourceVersion"]
    await kube.patch(MONITORS, "a", {"metadata": {"finalizers": []}})


async def test_no_finalizer_can_be_added_once_the_deletion_has_begun(kube: Kube) -> None:
    await kube.create(finalized(monitor("a"), "example.org/x"))
    await kube.delete(MONITORS, "a")
    patch = {"metadata": {"finalizers": ["example.org/x", "example.org/y"]}}
    status = await refusal(kube.patch(MONITORS, "a", patch))
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert {cause["field"] for cause in status["details"]["causes"]} == {"metadata.finalizers"}
    await kube.patch(MONITORS, "a", {"metadata": {"finalizers": []}})


async def test_an_object_under_deletion_can_be_changed_still(kube: Kube) -> None:
    await kube.create(finalized(monitor("a"), "example.org/x"))
    await kube.delete(MONITORS, "a")
    changed = await kube.patch(MONITORS, "a", {"status": {"podName": "p"}}, subresource="status")
    assert changed["status"] == {"podName": "p"}
    await kube.patch(MONITORS, "a", {"metadata": {"finalizers": []}})


@pytest.mark.parametrize("precondition", ["uid", "resourceVersion"])
async def test_a_deletion_meant_for_another_object_is_a_conflict(kube: Kube, precondition: str) -> None:
    made = await kube.create(monitor("a"))
    wrong = {"preconditions": {precondition: "1"}}
    status = await refusal(kube.delete(MONITORS, "a", wrong))
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert await kube.exists(MONITORS, "a")
    await kube.delete(MONITORS, "a", {"preconditions": {precondition: made["metadata"][precondition]}})
    assert not await kube.exists(MONITORS, "a")


@pytest.mark.parametrize("policy", [None, "Background"])
async def test_what_an_owner_owned_is_collected_after_it(kube: Kube, policy: str | None) -> None:
    await family(kube)
    await kube.delete(MONITORS, "owner", options(policy) if policy else None)
    assert not await kube.exists(MONITORS, "owner")
    await wait_until(lambda: kube.gone(CONFIG_MAPS, "child"), timeout=30)
    assert await kube.exists(CONFIG_MAPS, "stranger")


async def test_an_orphan_outlives_its_owner_and_forgets_it(kube: Kube) -> None:
    await family(kube)
    await kube.delete(MONITORS, "owner", options("Orphan"))
    await wait_until(lambda: kube.gone(MONITORS, "owner"), timeout=30)
    child = await kube.get(CONFIG_MAPS, "child")
    assert "ownerReferences" not in child["metadata"]


async def test_an_owner_waits_for_children_that_block_it(kube: Kube) -> None:
    await family(kube, blockOwnerDeletion=True)
    await kube.patch(CONFIG_MAPS, "child", {"metadata": {"finalizers": ["example.org/x"]}})
    held = await kube.delete(MONITORS, "owner", options("Foreground"))
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    await wait_until(lambda: _under_deletion(kube, "child"), timeout=30)
    assert await kube.exists(MONITORS, "owner")
    await kube.patch(CONFIG_MAPS, "child", {"metadata": {"finalizers": []}})
    await wait_until(lambda: kube.gone(MONITORS, "owner"), timeout=30)
    assert not await kube.exists(CONFIG_MAPS, "child")


async def _under_deletion(kube: Kube, name: str) -> bool:
    return "deletionTimestamp" in (await kube.get(CONFIG_MAPS, name))["metadata"]


async def test_a_child_stays_while_one_of_its_owners_does(kube: Kube) -> None:
    first, second = await kube.create(monitor("first")), await kube.create(monitor("second"))
    await kube.create(owned_by(second, owned_by(first, config_map("child"))))
    await kube.delete(MONITORS, "first")
    await wait_until(lambda: _owners(kube, "child", ["second"]), timeout=30)
    await kube.delete(MONITORS, "second")
    await wait_until(lambda: kube.gone(CONFIG_MAPS, "child"), timeout=30)


async def _owners(kube: Kube, name: str, expected: list[str]) -> bool:
    metadata = (await kube.get(CONFIG_MAPS, name))["metadata"]
    return [owner["name"] for owner in metadata.get("ownerReferences", [])] == expected


async def test_a_child_of_nobody_is_collected(kube: Kube) -> None:
    owner = await kube.create(monitor("owner"))
    await kube.delete(MONITORS, "owner")
    await kube.create(monitor("owner"))  # the same name again is not the same owner
    await kube.create(owned_by(owner, config_map("child")))
    await wait_until(lambda: kube.gone(CONFIG_MAPS, "child"), timeout=30)
    assert await kube.exists(MONITORS, "owner")


async def test_grandchildren_are_collected_too(kube: Kube) -> None:
    owner = await kube.create(monitor("owner"))
    child = await kube.create(owned_by(owner, config_map("child")))
    await kube.create(owned_by(child, config_map("grandchild")))
    await kube.delete(MONITORS, "owner")
    await wait_until(lambda: kube.gone(CONFIG_MAPS, "grandchild"), timeout=30)


async def test_one_controller_is_the_most(kube: Kube) -> None:
    first, second = await kube.create(monitor("first")), await kube.create(monitor("second"))
    body = owned_by(second, owned_by(first, config_map("child"), controller=True), controller=True)
    status = await refusal(kube.create(body))
    assert about(status) == failure(422, "Invalid", kind="ConfigMap", name="child")
    assert [cause["field"] for cause in status["details"]["causes"]] == ["metadata.ownerReferences"]


async def test_a_namespace_goes_with_everything_in_it(kube: Kube) -> None:
    name = f"{kube.namespace}-gone"
    await kube.create(make(NAMESPACES, name))
    inside = Kube(kube.session, kube.access, name)
    await inside.create(finalized(monitor("held"), "example.org/x"))
    await inside.create(config_map("free"))
    await kube.delete(NAMESPACES, name)
    await wait_until(lambda: inside.gone(CONFIG_MAPS, "free"), timeout=30)
    assert (await kube.get(NAMESPACES, name))["status"]["phase"] == "Terminating"
    status = await refusal(inside.create(monitor("late")))
    assert about(status) == failure(403, "Forbidden", name="late", **CUSTOM)
    assert causes(status) == [("metadata.namespace", "NamespaceTerminating")]
    await inside.patch(MONITORS, "held", {"metadata": {"finalizers": []}})
    await wait_until(lambda: kube.gone(NAMESPACES, name), timeout=60)


async def test_deleting_twice_at_once_succeeds_for_one_and_tells_the_other(kube: Kube) -> None:
    await kube.create(monitor("a"))
    answers = await asyncio.gather(*(kube.delete(MONITORS, "a") for _ in range(4)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 3
    assert {each.code for each in refused} <= {404, 409}
