# SPDX-License-Identifier: Apache-2.0
"""What starts late, goes away and comes back."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.db.migrate import migrate
from castwarden_local.postgres import Postgres

from tests.integration.gateway.conftest import KEY, PATIENCE, Api, Gateways, inside, monitor, public, report, transition
from tests.integration.gateway.kube_double import KubeDouble
from tests.plugins.databases import see_all


async def test_a_broken_watch_is_resumed_without_a_new_list(gateway: Gateway, kube_api: KubeDouble) -> None:
    kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    lists = kube_api.requests.count(("GET", "/apis/castwarden.dev/v1alpha1/monitors"))
    kube_api.hang_up()
    kube_api.put("monitors", monitor("two"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "two"), PATIENCE)
    kube_api.remove("monitors", "default", "one")
    await wait_until(lambda: not gateway.resources.monitors.get("default", "one"), PATIENCE)
    watches = kube_api.requests.count(("GET", "/apis/castwarden.dev/v1alpha1/monitors")) - lists
    assert watches == 1


async def test_a_watch_that_is_too_old_lists_again_and_misses_nothing(gateway: Gateway, kube_api: KubeDouble) -> None:
    kube_api.put("monitors", monitor("stays"))
    kube_api.put("monitors", monitor("goes"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "goes"), PATIENCE)
    kube_api.down = True
    kube_api.hang_up()
    kube_api.remove("monitors", "default", "goes")
    kube_api.put("monitors", monitor("comes"))
    kube_api.compact()
    kube_api.down = False
    await wait_until(lambda: gateway.resources.monitors.get("default", "comes"), PATIENCE)
    assert gateway.resources.monitors.get("default", "goes") is None
    assert gateway.resources.monitors.get("default", "stays") is not None


async def test_a_gateway_that_is_up_before_postgresql_and_kubernetes_becomes_ready_when_they_come(
    gateways: Gateways, kube_api: KubeDouble, empty_database_url: str, session: aiohttp.ClientSession
) -> None:
    kube_api.down = True
    gateways.database_url = empty_database_url
    gateway = await gateways.start(ready=False)
    api = public(gateway, session)
    assert (await api.get("/healthz")).status == 200

    async def reasons() -> set[str]:
        answer = await api.get("/readyz")
        return set(answer.body.get("reasons", {})) if answer.status == 503 else set()

    await wait_until(lambda: _equals(reasons, {"schema", "kubernetes", "serving"}), PATIENCE)
    await migrate(empty_database_url)
    await wait_until(lambda: _equals(reasons, {"kubernetes", "serving"}), PATIENCE)
    waiting = await api.get("/api/v1/monitors")
    assert (waiting.status, waiting.body["code"]) in {(503, "kubernetes-unavailable"), (401, "unauthorized")}
    kube_api.down = False
    await wait_until(lambda: _equals(reasons, set()), PATIENCE)
    assert (await api.get("/api/v1/monitors")).status == 200


async def test_a_request_under_way_is_answered_and_waiting_workers_are_let_go_on_shutdown(
    gateways: Gateways, kube_api: KubeDouble, session: aiohttp.ClientSession
) -> None:
    gateway = await gateways.start(drain_seconds=3)  # time to send it all on a busy machine
    obj = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    internal, uid = inside(gateway, session), obj["metadata"]["uid"]
    path = f"/internal/v1/assignments/Monitor/default/one?uid={uid}"
    version = (await internal.get(path)).body["version"]
    waiting = asyncio.create_task(internal.get(f"{path}&version={version}&wait=30"))
    reports = [asyncio.create_task(internal.post("/internal/v1/reports", report(obj, seq=n))) for n in range(50)]
    stopping = asyncio.create_task(gateways.stop(gateway))
    api = public(gateway, session)
    await wait_until(lambda: _status_is(api, "/readyz", 503), PATIENCE)
    assert {answer.status for answer in await asyncio.gather(*reports)} == {200}
    assert (await asyncio.wait_for(waiting, PATIENCE)).status == 204
    await stopping


@pytest.fixture
async def own_postgres() -> AsyncIterator[Postgres]:
    """A server of this test's own, that comes back when it is killed. Not in pytest's folder: others cannot enter."""
    with tempfile.TemporaryDirectory(prefix="castwarden-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder), Path(folder))
        await server.start()
        yield server
        await server.stop()


async def test_postgresql_killed_under_load_loses_and_doubles_nothing(
    own_postgres: Postgres, gateways: Gateways, kube_api: KubeDouble, session: aiohttp.ClientSession
) -> None:
    gateways.database_url = own_postgres.url("castwarden")
    await migrate(gateways.database_url)
    gateway = await gateways.start()
    obj = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    internal, api = inside(gateway, session), public(gateway, session)
    states = ["raised", "cleared"] * 20
    for number, state in enumerate(states):
        if number in (10, 25):
            assert own_postgres.pid is not None
            os.kill(own_postgres.pid, signal.SIGKILL)
        body = report(obj, seq=number, transitions=[transition("black", state)])
        await wait_until(lambda body=body: _accepted(internal, body), 60)  # type: ignore[misc]
    events = (await api.get("/api/v1/events?limit=200")).data[::-1]
    assert [event["type"] for event in events] == ["alert.blackout", "alert.blackout_recovered"] * 20


async def test_the_process_migrates_serves_and_ends_cleanly_on_sigterm(
    kube_api: KubeDouble, empty_database_url: str, session: aiohttp.ClientSession
) -> None:
    environment = {
        **os.environ,
        "DB_DSN": empty_database_url,
        "CASTWARDEN_SECRET_KEY": "A" * 43 + "=",
        "API_KEY": KEY,
        "PORT": "0",
        "INTERNAL_PORT": "0",
        "CASTWARDEN_HOST": "127.0.0.1",
        "CASTWARDEN_DRAIN_SECONDS": "0.1",
    }
    command = [sys.executable, "-m", "castwarden_gateway"]
    migrated = await asyncio.create_subprocess_exec(*command, "migrate", env=environment)
    assert await asyncio.wait_for(migrated.wait(), 60) == 0
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    port = 0
    async with asyncio.timeout(60):
        while not port:
            line = (await process.stderr.readline()).decode()
            port = int(line.partition('"port": ')[2].split(",")[0]) if '"listening"' in line else 0
    draining = asyncio.create_task(process.stderr.read())
    api = Api(session, f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {KEY}"})
    await wait_until(lambda: _status_is(api, "/readyz", 200), 60)
    assert (await api.get("/api/v1/monitors")).status == 200
    assert "castwarden_gateway_requests_total" in (await api.get("/metrics")).body
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert b'"stopped"' in await draining


async def test_a_wrong_setting_ends_the_process_with_one_clear_line(empty_database_url: str) -> None:
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": empty_database_url, "CASTWARDEN_SECRET_KEY": "short"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "castwarden_gateway", env=environment, stderr=subprocess.PIPE
    )
    _, stderr = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert b"CASTWARDEN_SECRET_KEY" in stderr
    assert len(stderr.splitlines()) == 1


async def test_the_pool_survives_connections_that_are_ended_under_it(api: Api, database_url: str) -> None:
    assert (await api.get("/api/v1/events")).status == 200
    connection = await see_all(database_url)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    await connection.close()
    answers = await asyncio.gather(*(api.get("/api/v1/events") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}


async def _equals(read: object, wanted: object) -> bool:
    return bool(await read() == wanted)  # type: ignore[operator]


async def _status_is(api: Api, path: str, status: int) -> bool:
    return (await api.get(path)).status == status


async def _accepted(internal: Api, body: object) -> bool:
    return (await internal.post("/internal/v1/reports", body)).status == 200
