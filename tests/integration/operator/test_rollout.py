# SPDX-License-Identifier: Apache-2.0
"""A new image, on every control plane at hand: Pods that watch are replaced one after the other."""

from functools import partial

import pytest
from castwarden_base.waiting import wait_until

from tests.plugins.kube import Kube
from tests.plugins.objects import MONITORS, PODS, monitor

from .conftest import PATIENCE, OperatorProcess, Starter, eventually, is_
from .test_children import exists, run
from .test_process import settled

pytestmark = pytest.mark.asyncio

NAMES = [f"main-{number}" for number in range(4)]
NEW = "localhost/worker:2"


async def renewed(kube: Kube) -> set[str]:
    """The Monitors whose Pods are of the new image."""
    pods = {name: await eventually(kube, PODS, f"monitor-{name}", exists) for name in NAMES}
    return {name for name, pod in pods.items() if pod["spec"]["containers"][0]["image"] == NEW}


async def test_a_new_image_goes_on_only_as_its_pods_become_ready(
    kube: Kube, start_operator: Starter, operator: OperatorProcess
) -> None:
    for name in NAMES:
        await kube.create(monitor(name))
        await eventually(kube, PODS, f"monitor-{name}", exists)
        await run(kube, f"monitor-{name}")
    for name in NAMES:
        await eventually(kube, MONITORS, name, is_("Ready", "True"))
    await operator.end()
    again = await start_operator(CASTWARDEN_WORKER_IMAGE=NEW)
    await again.ready()
    done: set[str] = set()
    for _ in NAMES:
        await wait_until(partial(_more_than, kube, len(done)), PATIENCE)
        await settled(again)
        fresh = await renewed(kube) - done
        assert len(fresh) == 1
        done |= fresh
        await run(kube, f"monitor-{fresh.pop()}")
    for name in NAMES:
        await eventually(kube, MONITORS, name, is_("Ready", "True"))


async def _more_than(kube: Kube, number: int) -> bool:
    return len(await renewed(kube)) > number
