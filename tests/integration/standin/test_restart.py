# SPDX-License-Identifier: Apache-2.0
"""What outlives the process: objects, definitions, watches' places, keys, tokens, the port; and how clients see it."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import kopf
import pytest
from castwarden_local.standin.interface import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, GVR, Object
from castwarden_local.standin.standin import Standin
from kubernetes import aio

from .conftest import GADGET, Postgres, kubeconfig_user

GADGETS = GVR("test.castwarden.dev", "v1", "gadgets")


def config_map(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}}


async def test_everything_a_client_relies_on_is_the_same_after_a_restart(postgres: Postgres, tmp_path: Path) -> None:
    first = Standin(postgres.url, tmp_path)
    await first.start()
    await first.api.create(CUSTOM_RESOURCE_DEFINITIONS, GADGET)
    made = await first.api.create(GADGETS, {"metadata": {"name": "a", "namespace": "default"}})
    token = await first.mint_token("default", "default")
    kubeconfig, port = first.kubeconfig.read_bytes(), first.port
    await first.stop()

    second = Standin(postgres.url, tmp_path)
    await second.start()
    try:
        assert (second.kubeconfig.read_bytes(), second.port) == (kubeconfig, port)
        assert await second.api.get(GADGETS, "a", "default") == made
        context = ssl.create_default_context(cafile=str(second.ca_file))
        headers = {"Authorization": f"Bearer {token}"}
        path = f"{second.url}/apis/test.castwarden.dev/v1/gadgets"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(path, ssl=context) as response:
            assert response.status == 200
    finally:
        await second.stop()


async def test_a_watch_goes_on_where_it_was_before_the_restart(postgres: Postgres, tmp_path: Path) -> None:
    first = Standin(postgres.url, tmp_path)
    await first.start()
    made = await first.api.create(CONFIG_MAPS, config_map("a"))
    await first.api.create(CONFIG_MAPS, config_map("b"))
    await first.api.delete(CONFIG_MAPS, "a", "default")
    await first.stop()

    second = Standin(postgres.url, tmp_path)
    await second.start()
    try:
        await second.api.create(CONFIG_MAPS, config_map("c"))
        seen = []
        async with asyncio.timeout(20):
            async for event in second.api.watch(CONFIG_MAPS, resource_version=made["metadata"]["resourceVersion"]):
                seen.append((event.type, event.object["metadata"]["name"]))
                if len(seen) == 3:
                    break
        assert seen == [("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]
    finally:
        await second.stop()


async def test_what_was_left_to_collect_is_collected_after_a_restart(postgres: Postgres, tmp_path: Path) -> None:
    first = Standin(postgres.url, tmp_path)
    await first.start()
    owner = await first.api.create(CONFIG_MAPS, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    child = config_map("child")
    child["metadata"]["ownerReferences"] = [reference]
    await first.api.create(CONFIG_MAPS, child)
    await first.stop()
    await _forget(postgres, "owner")

    second = Standin(postgres.url, tmp_path)
    await second.start()
    try:
        async with asyncio.timeout(20):
            async for event in second.api.watch(CONFIG_MAPS):
                if (event.type, event.object["metadata"]["name"]) == ("DELETED", "child"):
                    break
    finally:
        await second.stop()


async def _forget(postgres: Postgres, name: str) -> None:
    await postgres.fetch(f"DELETE FROM standin_objects WHERE name = '{name}' RETURNING 1")


async def test_a_taken_port_is_said_when_it_was_asked_for_and_avoided_when_not(
    standin: Standin, postgres: Postgres, tmp_path: Path
) -> None:
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    taken = server.sockets[0].getsockname()[1]
    await standin.stop()
    asked = Standin(postgres.url, tmp_path / "asked", port=taken)
    with pytest.raises(OSError, match="address already in use"):
        await asked.start()
    await asked.stop()
    (tmp_path / "free").mkdir()
    (tmp_path / "free" / "port").write_text(str(taken))
    free = Standin(postgres.url, tmp_path / "free")
    await free.start()
    assert free.port not in (0, taken)
    await free.stop()
    server.close()


async def test_secrets_of_the_stand_in_are_for_its_owner_alone(standin: Standin, tmp_path: Path) -> None:
    files = [path for path in (tmp_path / "standin").iterdir() if path.is_file()]
    assert {"admin.token", "ca.key", "kubeconfig", "server.key", "tokens.key"} <= {path.name for path in files}
    assert {path.name: path.stat().st_mode & 0o077 for path in files if path.stat().st_mode & 0o077} == {}


async def test_a_service_account_gets_a_kubeconfig_of_its_own(standin: Standin, tmp_path: Path) -> None:
    path = await standin.write_kubeconfig(tmp_path / "worker", "default", "default")
    assert kubeconfig_user(path)["token"] != kubeconfig_user(standin.kubeconfig)["token"]
    configuration = aio.client.Configuration()
    await aio.config.load_kube_config(config_file=str(path), client_configuration=configuration)
    async with aio.client.ApiClient(configuration) as client:
        found = await aio.client.CoreV1Api(client).list_namespace()
        assert [each.metadata and each.metadata.name for each in found.items] == ["default", "kube-system"]


async def test_the_official_client_lists_watches_and_applies(gadgets: Standin) -> None:
    configuration = aio.client.Configuration()
    await aio.config.load_kube_config(config_file=str(gadgets.kubeconfig), client_configuration=configuration)
    async with aio.client.ApiClient(configuration) as client:
        core, custom = aio.client.CoreV1Api(client), aio.client.CustomObjectsApi(client)
        given = aio.client.V1ConfigMap(metadata=aio.client.V1ObjectMeta(name="a"), data={"x": "1"})
        made = await core.create_namespaced_config_map("default", given)
        assert made.data == {"x": "1"}
        place = ("test.castwarden.dev", "v1", "default", "gadgets")
        body = {
            "apiVersion": "test.castwarden.dev/v1",
            "kind": "Gadget",
            "metadata": {"name": "a"},
            "spec": {"size": 2},
        }
        await custom.create_namespaced_custom_object(*place, body)
        watching = aio.watch.Watch().stream(custom.list_namespaced_custom_object, *place, timeout_seconds=1)
        assert [event["object"]["spec"]["size"] async for event in watching] == [2]


async def test_kopf_sees_what_happens(gadgets: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(gadgets.kubeconfig))
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    seen: asyncio.Queue[tuple[str | None, str]] = asyncio.Queue()

    @kopf.on.event("test.castwarden.dev", "v1", "gadgets", registry=registry)
    async def notice(type: str | None, name: str, **_: object) -> None:  # noqa: A002 - kopf's name for it
        await seen.put((type, name))

    stop = asyncio.Event()
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    operator = asyncio.create_task(
        kopf.operator(registry=registry, settings=settings, namespaces=["default"], stop_flag=stop, standalone=True)
    )
    try:
        await gadgets.api.create(GADGETS, {"metadata": {"name": "a", "namespace": "default"}})
        async with asyncio.timeout(60):
            while (await seen.get())[1] != "a":
                pass
            await gadgets.api.delete(GADGETS, "a", "default")
            while await seen.get() != ("DELETED", "a"):
                pass
    finally:
        stop.set()
        await asyncio.wait_for(operator, 30)
