# SPDX-License-Identifier: Apache-2.0
"""The operator is not alone: the gateway writes the same status, strangers have Pods, finished Jobs are cleaned up."""

import pytest
from castwarden_base.waiting import wait_until

from tests.plugins.kube import Kube
from tests.plugins.objects import DOWNLOAD_JOBS, JOBS, MONITORS, PODS, download_job, make, monitor, pod

from .conftest import PATIENCE, OperatorProcess, condition, eventually, is_

pytestmark = pytest.mark.asyncio

MOMENT = "2030-01-01T00:00:00Z"


async def test_the_gateways_part_of_the_status_is_never_touched(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main"))
    await eventually(kube, PODS, "monitor-main", lambda _: True)
    degraded = {"type": "Degraded", "status": "True", "reason": "Black", "lastTransitionTime": MOMENT}
    status = {"stream": {"state": "Live"}, "conditions": [degraded]}
    gateways = make(MONITORS, "main", status=status)
    await kube.apply(gateways, manager="castwarden-gateway", force=True, subresource="status")
    await kube.patch(MONITORS, "main", {"spec": {"suspend": True}})
    both = await eventually(kube, MONITORS, "main", is_("Suspended", "True"))
    assert condition(both, "Degraded") == degraded
    assert both["status"]["stream"] == {"state": "Live"}


async def test_a_pod_of_somebody_else_is_left_alone_and_the_monitor_says_so(
    kube: Kube, operator: OperatorProcess
) -> None:
    strangers = await kube.create(pod("monitor-main"))
    made = await kube.create(monitor("main"))
    await eventually(kube, MONITORS, "main", is_("Ready", "False", "NameTaken"))
    assert await kube.get(PODS, "monitor-main") == strangers
    await kube.delete(PODS, "monitor-main")
    ours = await eventually(kube, PODS, "monitor-main", lambda _: True)
    assert ours["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]


async def test_a_download_that_is_complete_stays_so_without_its_job(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(download_job("film"))
    (name,) = await wait_until(lambda: kube.names(PODS, labelSelector="castwarden.dev/name=film"), PATIENCE)
    await kube.patch(PODS, name, {"status": {"phase": "Succeeded"}}, subresource="status")
    await eventually(kube, DOWNLOAD_JOBS, "film", is_("Complete", "True"))
    await kube.delete(JOBS, "download-film", propagationPolicy="Background")
    await wait_until(lambda: kube.gone(JOBS, "download-film"), PATIENCE)
    await kube.create(monitor("later"))
    await eventually(kube, PODS, "monitor-later", lambda _: True)
    await eventually(kube, DOWNLOAD_JOBS, "film", is_("Complete", "True"))
    assert await kube.gone(JOBS, "download-film")
