# SPDX-License-Identifier: Apache-2.0
"""The operator as a process: restarts, signals, leadership."""

import asyncio
import signal
from pathlib import Path

import pytest
from castwarden_base.waiting import wait_until

from tests.plugins.kube import Kube
from tests.plugins.objects import (
    CHANNELS,
    DOWNLOAD_JOBS,
    LEASES,
    MONITORS,
    PODS,
    Object,
    channel,
    download_job,
    monitor,
)

from .conftest import PATIENCE, OperatorProcess, Proxy, Starter, eventually, is_

pytestmark = pytest.mark.asyncio


async def settled(operator: OperatorProcess) -> None:
    """Waits until the operator has written nothing for four seconds: other controllers may be slower than it."""
    seen, since = -1, 0.0
    loop = asyncio.get_running_loop()

    async def quiet() -> bool:
        nonlocal seen, since
        writes = await operator.writes()
        if writes != seen:
            seen, since = writes, loop.time()
        return loop.time() - since > 4

    await wait_until(quiet, PATIENCE, interval=0.2)


async def make_some(kube: Kube) -> None:
    for number in range(5):
        await kube.create(monitor(f"main-{number}"))
    await kube.create(monitor("held", suspend=True))
    await kube.create(
        monitor(
            "sized",
            template={
                "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}},
                "tolerations": [{"key": "media", "operator": "Exists"}],
                "env": [{"name": "EMPTY"}],
            },
        )
    )
    await kube.create(channel("news", template={"resources": {"limits": {"cpu": "1000m"}}}))
    await kube.create(download_job("film"))
    await eventually(kube, MONITORS, "main-4", is_("Suspended", "False"))
    await eventually(kube, MONITORS, "sized", is_("Suspended", "False"))
    await eventually(kube, CHANNELS, "news", is_("Suspended", "False"))
    await eventually(kube, DOWNLOAD_JOBS, "film", is_("Suspended", "False"))


async def test_an_operator_that_was_killed_and_restarted_writes_nothing_over_settled_resources(
    kube: Kube, start_operator: Starter, operator: OperatorProcess
) -> None:
    await make_some(kube)
    await settled(operator)
    await operator.end(signal.SIGKILL)
    again = await start_operator()
    await again.ready()

    async def looked_at_all() -> bool:
        reconciles = await again.samples("controller_runtime_reconcile_total")
        return sum(value for _, value in reconciles) >= 9

    await wait_until(looked_at_all, PATIENCE)
    await settled(again)
    assert await again.writes() == 0


async def test_what_happened_while_the_operator_was_down_is_made_good(
    kube: Kube, start_operator: Starter, operator: OperatorProcess
) -> None:
    await kube.create(monitor("main"))
    before = await eventually(kube, PODS, "monitor-main", lambda _: True)
    await operator.end(signal.SIGKILL)
    await kube.delete(PODS, "monitor-main", {"gracePeriodSeconds": 0})
    await kube.create(monitor("new"))
    await start_operator()
    await eventually(kube, PODS, "monitor-new", lambda _: True)
    await eventually(kube, PODS, "monitor-main", lambda pod: pod["metadata"]["uid"] != before["metadata"]["uid"])


async def test_nobody_but_the_leader_writes_and_a_clean_exit_hands_over_at_once(
    kube: Kube, start_operator: Starter
) -> None:
    def held_by(name: str) -> Object:
        return {"CASTWARDEN_LEADER_ELECTION": "true", "POD_NAME": name}

    first = await start_operator(**held_by("first"))
    await first.ready()
    second = await start_operator(**held_by("second"))
    await wait_until(lambda: second.logged("election.waiting"), PATIENCE)
    await kube.create(monitor("one"))
    await eventually(kube, PODS, "monitor-one", lambda _: True)
    assert await second.writes() == 0
    assert await first.end() == 0
    await eventually(
        kube, LEASES, "castwarden-operator", lambda lease: lease["spec"]["holderIdentity"].startswith("second")
    )
    await kube.create(monitor("two"))
    await eventually(kube, PODS, "monitor-two", lambda _: True)
    [(_, leads)] = await second.samples("leader_election_master_status")
    assert leads == 1


async def test_an_operator_that_loses_its_lease_ends_its_process(kube: Kube, start_operator: Starter) -> None:
    operator = await start_operator(CASTWARDEN_LEADER_ELECTION="true", POD_NAME="first")
    await eventually(kube, LEASES, "castwarden-operator", lambda _: True)
    await kube.patch(LEASES, "castwarden-operator", {"spec": {"holderIdentity": "thief"}})
    assert await asyncio.wait_for(operator.process.wait(), PATIENCE) == 1


@pytest.mark.control_planes("standin")  # in a cluster that others use it would meddle with what is theirs
async def test_an_operator_without_namespaces_serves_them_all(kube: Kube, start_operator: Starter) -> None:
    await start_operator(CASTWARDEN_WATCH_NAMESPACES="")
    await kube.create(monitor("main"))
    await eventually(kube, PODS, "monitor-main", lambda _: True)


async def test_an_outage_of_the_api_server_is_survived_and_what_was_missed_is_made_good(
    kube: Kube, start_operator: Starter, proxy: tuple[Proxy, Path]
) -> None:
    line, kubeconfig = proxy
    operator = await start_operator(KUBECONFIG=str(kubeconfig))
    await operator.ready()
    await kube.create(monitor("main"))
    before = await eventually(kube, PODS, "monitor-main", lambda _: True)
    await settled(operator)
    await line.cut()
    await kube.delete(PODS, "monitor-main", {"gracePeriodSeconds": 0})
    await kube.create(monitor("new"))
    await line.start()
    await eventually(kube, PODS, "monitor-new", lambda _: True)
    await eventually(kube, PODS, "monitor-main", lambda pod: pod["metadata"]["uid"] != before["metadata"]["uid"])
    assert operator.process.returncode is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_operator_cleanly(operator: OperatorProcess, number: signal.Signals) -> None:
    assert await operator.end(number) == 0


async def test_health_and_metrics_tell_how_it_is(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main"))
    await eventually(kube, PODS, "monitor-main", lambda _: True)
    await settled(operator)
    for name in (
        "workqueue_depth",
        "workqueue_adds_total",
        "workqueue_unfinished_work_seconds",
        "controller_runtime_reconcile_total",
        "controller_runtime_active_workers",
        "controller_runtime_max_concurrent_reconciles",
        "rest_client_requests_total",
    ):
        assert await operator.samples(name), name


async def test_the_operator_leaves_no_finalizer_and_no_annotation_behind(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main"))
    seen = await eventually(kube, MONITORS, "main", is_("Ready", "False"))
    assert "finalizers" not in seen["metadata"]
    assert "annotations" not in seen["metadata"]
    managers = {entry["manager"] for entry in seen["metadata"]["managedFields"] if entry.get("subresource") == "status"}
    assert managers == {"castwarden-operator"}
