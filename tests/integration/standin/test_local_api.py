# SPDX-License-Identifier: Apache-2.0
"""The in-process API: what controllers and the Pod runner build on."""

import asyncio

import pytest
from castwarden_local.standin.errors import AlreadyExists, Conflict, Expired, Invalid, NotFound
from castwarden_local.standin.interface import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    GVR,
    JOBS,
    PODS,
    SECRETS,
    Api,
    Object,
    WatchEvent,
)
from castwarden_local.standin.standin import Standin

from .conftest import Postgres

GADGETS = GVR("test.castwarden.dev", "v1", "gadgets")


def config_map(name: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def pod(name: str) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def take(api: Api, count: int, gvr: GVR, **query: str) -> list[WatchEvent]:
    found = []
    async with asyncio.timeout(20):
        async for event in api.watch(gvr, **query):
            found.append(event)
            if len(found) == count:
                return found
    return found


async def test_an_object_is_created_read_listed_and_deleted(standin: Standin) -> None:
    api = standin.api
    made = await api.create(CONFIG_MAPS, config_map("a", x="1"))
    assert (made["apiVersion"], made["kind"], made["data"]) == ("v1", "ConfigMap", {"x": "1"})
    assert made["metadata"]["uid"]
    assert await api.get(CONFIG_MAPS, "a", "default") == made
    assert (await api.list(CONFIG_MAPS, "default")).items == [made]
    with pytest.raises(AlreadyExists):
        await api.create(CONFIG_MAPS, config_map("a"))
    await api.delete(CONFIG_MAPS, "a", "default", uid=made["metadata"]["uid"])
    with pytest.raises(NotFound):
        await api.get(CONFIG_MAPS, "a", "default")


async def test_what_is_handed_out_is_the_callers_own(standin: Standin) -> None:
    given = config_map("a", x="1")
    made = await standin.api.create(CONFIG_MAPS, given)
    assert given == config_map("a", x="1")
    made["data"]["x"] = "changed"
    assert (await standin.api.get(CONFIG_MAPS, "a", "default"))["data"] == {"x": "1"}


async def test_a_watch_begins_with_what_exists_and_goes_on(standin: Standin) -> None:
    api = standin.api
    await api.create(CONFIG_MAPS, config_map("a"))
    watching = asyncio.create_task(take(api, 4, CONFIG_MAPS))
    await asyncio.sleep(0)
    await api.create(CONFIG_MAPS, config_map("b"))
    await api.patch(CONFIG_MAPS, "b", {"data": {"x": "1"}}, "default")
    await api.delete(CONFIG_MAPS, "a", "default")
    seen = [(event.type, event.object["metadata"]["name"]) for event in await watching]
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]


async def test_a_watch_from_a_list_misses_nothing(standin: Standin) -> None:
    api = standin.api
    listed = await api.list(CONFIG_MAPS)
    await api.create(CONFIG_MAPS, config_map("a"))
    (event,) = await take(api, 1, CONFIG_MAPS, resource_version=listed.resource_version)
    assert event.object["metadata"]["name"] == "a"


async def test_a_watch_outlives_a_lost_connection(standin: Standin, postgres: Postgres) -> None:
    watching = asyncio.create_task(take(standin.api, 2, CONFIG_MAPS))
    await standin.api.create(CONFIG_MAPS, config_map("a"))
    await postgres.disconnect()
    await standin.api.create(CONFIG_MAPS, config_map("b"))
    assert len(await watching) == 2


async def test_a_watch_from_before_history_begins_is_expired(postgres: Postgres, tmp_path: object) -> None:
    from pathlib import Path

    standin = Standin(postgres.url, Path(str(tmp_path)) / "small", history_limit=10)
    await standin.start()
    try:
        for number in range(20):
            await standin.api.create(CONFIG_MAPS, config_map(f"a{number}"))
        with pytest.raises(Expired):
            await take(standin.api, 1, CONFIG_MAPS, resource_version="1")
    finally:
        await standin.stop()


async def test_an_update_that_changes_nothing_writes_nothing(gadgets: Standin) -> None:
    api = gadgets.api
    made = await api.create(GADGETS, {"metadata": {"name": "a", "namespace": "default"}, "spec": {"color": "red"}})
    config = {"metadata": {"name": "a", "namespace": "default"}, "status": {"phase": "Fine"}}
    first = await api.apply(GADGETS, config, manager="m", subresource="status")
    before = (await api.list(GADGETS)).resource_version
    assert await api.apply(GADGETS, config, manager="m", subresource="status") == first
    assert await api.patch(GADGETS, "a", {"spec": {"color": "red"}}, "default") == first
    assert await api.patch(GADGETS, "a", [], "default", kind="json") == first
    assert await api.update(GADGETS, first) == first
    assert (await api.list(GADGETS)).resource_version == before
    assert made["spec"] == {"color": "red", "size": 1}


async def test_status_and_spec_do_not_write_each_other(gadgets: Standin) -> None:
    api = gadgets.api
    given = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"size": 2}, "status": {"phase": "Lie"}}
    made = await api.create(GADGETS, given)
    assert "status" not in made
    made = await api.update_status(GADGETS, made | {"spec": {"size": 9}, "status": {"phase": "True"}})
    assert (made["spec"]["size"], made["status"], made["metadata"]["generation"]) == (2, {"phase": "True"}, 1)
    made = await api.patch(GADGETS, "a", {"spec": {"size": 3}, "status": {"phase": "Lie"}}, "default")
    assert (made["spec"]["size"], made["status"], made["metadata"]["generation"]) == (3, {"phase": "True"}, 2)


async def test_a_stale_update_is_a_conflict(standin: Standin) -> None:
    made = await standin.api.create(CONFIG_MAPS, config_map("a", x="1"))
    await standin.api.update(CONFIG_MAPS, made | {"data": {"x": "2"}})
    with pytest.raises(Conflict, match="the object has been modified"):
        await standin.api.update(CONFIG_MAPS, made | {"data": {"x": "3"}})


async def test_writers_at_the_same_time_lose_nothing(standin: Standin) -> None:
    await standin.api.create(CONFIG_MAPS, config_map("a"))
    patches = [standin.api.patch(CONFIG_MAPS, "a", {"data": {f"k{n}": str(n)}}, "default") for n in range(50)]
    await asyncio.gather(*patches)
    assert len((await standin.api.get(CONFIG_MAPS, "a", "default"))["data"]) == 50


async def test_what_breaks_the_schema_is_refused_in_process_too(gadgets: Standin) -> None:
    body: Object = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"size": 10}}
    with pytest.raises(Invalid, match=r"spec\.size: Invalid value: 10: .* less than or equal to 9"):
        await gadgets.api.create(GADGETS, body)


async def test_a_definition_serves_its_resource_at_once_and_stops_when_it_goes(gadgets: Standin) -> None:
    api = gadgets.api
    definition = await api.get(CUSTOM_RESOURCE_DEFINITIONS, "gadgets.test.castwarden.dev")
    assert {each["type"]: each["status"] for each in definition["status"]["conditions"]}["Established"] == "True"
    await api.create(GADGETS, {"metadata": {"name": "a", "namespace": "default"}})
    deleted = asyncio.create_task(take(api, 2, GADGETS))
    await asyncio.sleep(0)
    await api.delete(CUSTOM_RESOURCE_DEFINITIONS, "gadgets.test.castwarden.dev")
    assert [event.type for event in await deleted] == ["ADDED", "DELETED"]
    events = (
        await take(api, 1, CUSTOM_RESOURCE_DEFINITIONS) if (await api.list(CUSTOM_RESOURCE_DEFINITIONS)).items else []
    )
    while events and events[-1].type != "DELETED":
        events = await take(api, 2, CUSTOM_RESOURCE_DEFINITIONS)
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await api.list(GADGETS)


async def test_binding_a_pod_names_its_node_once(standin: Standin) -> None:
    await standin.api.create(PODS, pod("p"))
    bound = await standin.api.bind("default", "p", "here")
    assert bound["spec"]["nodeName"] == "here"
    assert [each["type"] for each in bound["status"]["conditions"]] == ["PodScheduled"]
    with pytest.raises(Conflict, match='already assigned to node "here"'):
        await standin.api.bind("default", "p", "there")
    found = await standin.api.list(PODS, field_selector="spec.nodeName=here")
    assert [each["metadata"]["name"] for each in found.items] == ["p"]


async def test_a_bound_pod_goes_in_two_steps(standin: Standin) -> None:
    await standin.api.create(PODS, pod("p"))
    await standin.api.bind("default", "p", "here")
    leaving = await standin.api.delete(PODS, "p", "default")
    assert leaving["metadata"]["deletionGracePeriodSeconds"] == 30
    assert (await standin.api.get(PODS, "p", "default"))["metadata"]["deletionTimestamp"]
    await standin.api.delete(PODS, "p", "default", grace_seconds=0, uid=leaving["metadata"]["uid"])
    with pytest.raises(NotFound):
        await standin.api.get(PODS, "p", "default")


async def test_a_job_gets_its_selector_and_labels(standin: Standin) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    body: Object = {"metadata": {"name": "j", "namespace": "default"}, "spec": {"template": template}}
    job = await standin.api.create(JOBS, body)
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert job["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "j"
    assert (job["spec"]["completions"], job["spec"]["backoffLimit"]) == (1, 6)


async def test_plain_text_in_a_secret_is_stored_encoded(standin: Standin) -> None:
    body: Object = {"metadata": {"name": "s", "namespace": "default"}, "stringData": {"a": "b"}}
    made = await standin.api.create(SECRETS, body)
    assert (made["type"], made["data"]) == ("Opaque", {"a": "Yg=="})
    assert "stringData" not in made
