# SPDX-License-Identifier: Apache-2.0
"""Resources become Pods, CronJobs and Jobs, and those stay what they should be."""

from typing import Any

import pytest
from castwarden_base.waiting import wait_until

from tests.plugins.kube import Kube
from tests.plugins.objects import (
    CHANNELS,
    CRON_JOBS,
    DOWNLOAD_JOBS,
    EVENTS,
    JOBS,
    MONITORS,
    NAMESPACES,
    PODS,
    Object,
    Resource,
    channel,
    download_job,
    make,
    monitor,
)

from .conftest import PATIENCE, OperatorProcess, Starter, condition, eventually, is_

pytestmark = pytest.mark.asyncio


def exists(_: Object) -> bool:
    return True


def owned_by(owner: Object) -> Any:
    return lambda child: child["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]


def other_than(before: Object) -> Any:
    return lambda now: now["metadata"]["uid"] != before["metadata"]["uid"]


async def set_status(kube: Kube, resource: Resource, name: str, status: Object) -> None:
    """What the kubelet or a controller would write."""
    await kube.patch(resource, name, {"status": status}, subresource="status")


async def run(kube: Kube, pod: str) -> None:
    ready = [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]
    await set_status(kube, PODS, pod, {"phase": "Running", "conditions": ready})


async def test_a_monitor_makes_a_pod_and_is_ready_when_the_pod_is(kube: Kube, operator: OperatorProcess) -> None:
    made = await kube.create(monitor("main"))
    pod = await eventually(kube, PODS, "monitor-main", owned_by(made))
    assert pod["spec"]["containers"][0]["args"] == ["monitor"]
    await eventually(kube, MONITORS, "main", is_("Ready", "False"))
    await run(kube, "monitor-main")
    ready = await eventually(kube, MONITORS, "main", is_("Ready", "True", "Running"))
    assert ready["status"]["podName"] == "monitor-main"
    assert ready["status"]["observedGeneration"] == ready["metadata"]["generation"]


async def test_a_channel_makes_a_cron_job_and_one_first_job(kube: Kube, operator: OperatorProcess) -> None:
    made = await kube.create(channel("news"))
    cron_job = await eventually(kube, CRON_JOBS, "poll-news", owned_by(made))
    job = await eventually(kube, JOBS, "poll-news-first", owned_by(cron_job))
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    seen = await eventually(kube, CHANNELS, "news", lambda found: found.get("status", {}).get("firstPollAt"))
    assert seen["status"]["firstPollAt"] == job["metadata"]["creationTimestamp"]
    assert seen["status"]["cronJobName"] == "poll-news"


async def test_the_first_job_is_not_made_again_after_it_was_cleaned_up(
    kube: Kube, start_operator: Starter, operator: OperatorProcess
) -> None:
    await kube.create(channel("news"))
    await eventually(kube, CHANNELS, "news", lambda found: found.get("status", {}).get("firstPollAt"))
    await kube.delete(JOBS, "poll-news-first", propagationPolicy="Background")
    await wait_until(lambda: kube.gone(JOBS, "poll-news-first"), PATIENCE)
    await operator.end()
    again = await start_operator()
    await again.ready()
    await kube.create(channel("other"))  # when this one is settled, the first one was looked at too
    await eventually(kube, JOBS, "poll-other-first", exists)
    assert await kube.gone(JOBS, "poll-news-first")


async def test_a_download_job_makes_a_job_and_copies_its_end(kube: Kube, operator: OperatorProcess) -> None:
    made = await kube.create(download_job("film", backoffLimit=0))
    job = await eventually(kube, JOBS, "download-film", owned_by(made))
    assert job["spec"]["backoffLimit"] == 0
    pods = await wait_until(lambda: kube.names(PODS, labelSelector="castwarden.dev/name=film"), PATIENCE)
    await set_status(kube, PODS, pods[0], {"phase": "Failed"})
    ended = await eventually(kube, DOWNLOAD_JOBS, "film", is_("Failed", "True"))
    assert condition(ended, "Failed")["reason"] == "BackoffLimitExceeded"
    assert condition(ended)["reason"] == "Failed"
    await kube.delete(JOBS, "download-film", propagationPolicy="Background")
    await kube.create(monitor("later"))
    await eventually(kube, PODS, "monitor-later", exists)
    assert await kube.gone(JOBS, "download-film")


async def test_downloads_stay_off_until_somebody_switches_them_on(kube: Kube, start_operator: Starter) -> None:
    operator = await start_operator(DOWNLOADS_ENABLED="false")
    await operator.ready()
    await kube.create(download_job("film"))
    refused = await eventually(kube, DOWNLOAD_JOBS, "film", is_("Ready", "False", "DownloadsDisabled"))
    assert "DOWNLOADS_ENABLED" in condition(refused)["message"]
    assert await kube.gone(JOBS, "download-film")


async def test_deleting_resources_removes_their_children(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main"))
    await kube.create(channel("news"))
    await kube.create(download_job("film"))
    children = ((PODS, "monitor-main"), (CRON_JOBS, "poll-news"), (JOBS, "poll-news-first"), (JOBS, "download-film"))
    for resource, name in children:
        await eventually(kube, resource, name, exists)
    for resource, name in ((MONITORS, "main"), (CHANNELS, "news"), (DOWNLOAD_JOBS, "film")):
        await kube.delete(resource, name)
    for resource, name in children:
        await wait_until(lambda r=resource, n=name: kube.gone(r, n), PATIENCE)  # type: ignore[misc]


async def test_a_monitor_made_again_under_its_name_gets_a_pod_of_its_own(kube: Kube, operator: OperatorProcess) -> None:
    first = await kube.create(monitor("main"))
    await eventually(kube, PODS, "monitor-main", owned_by(first))
    await kube.delete(MONITORS, "main")
    second = await kube.create(monitor("main"))
    await eventually(kube, PODS, "monitor-main", owned_by(second))


async def test_a_deleted_pod_comes_back(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main"))
    before = await eventually(kube, PODS, "monitor-main", exists)
    await kube.delete(PODS, "monitor-main", {"gracePeriodSeconds": 0})
    await eventually(kube, PODS, "monitor-main", other_than(before))


async def test_a_failed_pod_is_replaced_and_the_reason_told(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main"))
    before = await eventually(kube, PODS, "monitor-main", exists)
    await set_status(kube, PODS, "monitor-main", {"phase": "Failed", "reason": "Evicted", "message": "low on memory"})
    await eventually(kube, PODS, "monitor-main", other_than(before))

    async def told() -> bool:
        events = (await kube.list(EVENTS))["items"]
        return any(event["reason"] == "PodFailed" and "low on memory" in event["message"] for event in events)

    await wait_until(told, PATIENCE)


async def test_suspending_removes_the_pod_and_resuming_brings_it_back(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main"))
    await eventually(kube, PODS, "monitor-main", exists)
    await kube.patch(MONITORS, "main", {"spec": {"suspend": True}})
    await wait_until(lambda: kube.gone(PODS, "monitor-main"), PATIENCE)
    await eventually(kube, MONITORS, "main", is_("Suspended", "True"))
    await kube.patch(MONITORS, "main", {"spec": {"suspend": False}})
    await eventually(kube, PODS, "monitor-main", exists)
    await eventually(kube, MONITORS, "main", is_("Suspended", "False"))


async def test_suspending_holds_cron_jobs_and_jobs(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(channel("news"))
    await kube.create(download_job("film"))
    await eventually(kube, CRON_JOBS, "poll-news", lambda found: found["spec"]["suspend"] is False)
    await eventually(kube, JOBS, "download-film", exists)
    for resource, name in ((CHANNELS, "news"), (DOWNLOAD_JOBS, "film")):
        await kube.patch(resource, name, {"spec": {"suspend": True}})
    await eventually(kube, CRON_JOBS, "poll-news", lambda found: found["spec"]["suspend"] is True)
    await eventually(kube, JOBS, "download-film", lambda found: found["spec"]["suspend"] is True)


async def test_a_changed_template_rolls_the_pod_and_a_changed_threshold_does_not(
    kube: Kube, operator: OperatorProcess
) -> None:
    await kube.create(monitor("main"))
    before = await eventually(kube, PODS, "monitor-main", exists)
    await kube.patch(MONITORS, "main", {"spec": {"checks": {"black": {"raiseAfter": "5s"}}}})
    await eventually(kube, MONITORS, "main", is_("Ready", "False"))
    assert (await kube.get(PODS, "monitor-main"))["metadata"]["uid"] == before["metadata"]["uid"]
    await kube.patch(MONITORS, "main", {"spec": {"template": {"labels": {"team": "sport"}}}})
    after = await eventually(kube, PODS, "monitor-main", other_than(before))
    assert after["metadata"]["labels"]["team"] == "sport"


async def test_foreign_edits_of_children_are_put_back(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main"))
    await kube.create(channel("news"))
    await eventually(kube, PODS, "monitor-main", exists)
    await eventually(kube, CRON_JOBS, "poll-news", exists)
    component = "app.kubernetes.io/component"
    await kube.patch(PODS, "monitor-main", {"metadata": {"labels": {"castwarden.dev/role": "x", component: "x"}}})
    await kube.patch(CRON_JOBS, "poll-news", {"spec": {"schedule": "0 0 1 1 *"}})
    labels = {"castwarden.dev/role": "monitor", component: "worker"}
    await eventually(kube, PODS, "monitor-main", lambda pod: labels.items() <= pod["metadata"]["labels"].items())
    await eventually(kube, CRON_JOBS, "poll-news", lambda found: found["spec"]["schedule"] == "*/15 * * * *")


async def test_a_refusal_of_the_api_server_is_told_in_its_own_words(kube: Kube, operator: OperatorProcess) -> None:
    await kube.create(monitor("main", template={"labels": {"team": "not a label value!"}}))
    refused = await eventually(kube, MONITORS, "main", is_("Ready", "False", "Invalid"))
    assert "a valid label must be" in condition(refused)["message"]
    await kube.patch(MONITORS, "main", {"spec": {"template": {"labels": {"team": "sport"}}}})
    await eventually(kube, PODS, "monitor-main", exists)


async def test_broken_resources_do_not_slow_healthy_ones(kube: Kube, start_operator: Starter) -> None:
    operator = await start_operator(CASTWARDEN_CONCURRENCY="2")
    await operator.ready()
    for number in range(20):
        await kube.create(monitor(f"broken-{number}", template={"labels": {"team": "not a label value!"}}))
    await eventually(kube, MONITORS, "broken-19", is_("Ready", "False", "Invalid"))
    for number in range(5):
        await kube.create(monitor(f"healthy-{number}"))
    for number in range(5):
        await eventually(kube, PODS, f"monitor-healthy-{number}", exists)
    retries = {labels["name"]: value for labels, value in await operator.samples("workqueue_retries_total")}
    assert 20 <= retries["monitor"] < 200


@pytest.mark.control_planes("real")  # the stand-in does not enforce Pod Security
async def test_every_child_is_admitted_where_pod_security_is_restricted(kube: Kube, operator: OperatorProcess) -> None:
    enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
    await kube.patch(NAMESPACES, kube.namespace, {"metadata": {"labels": enforce}})
    await kube.create(monitor("main"))
    await kube.create(channel("news"))
    await kube.create(download_job("film"))
    for name in ("main", "news", "film"):
        await wait_until(lambda n=name: kube.names(PODS, labelSelector=f"castwarden.dev/name={n}"), PATIENCE)  # type: ignore[misc]


@pytest.mark.control_planes("real")  # the stand-in has no quotas
async def test_a_quota_is_told_and_retried(kube: Kube, operator: OperatorProcess) -> None:
    quota = make(Resource("v1", "ResourceQuota", "resourcequotas"), "none", spec={"hard": {"pods": "0"}})
    await kube.request("POST", f"/api/v1/namespaces/{kube.namespace}/resourcequotas", quota)
    await kube.create(monitor("main"))
    refused = await eventually(kube, MONITORS, "main", is_("Ready", "False", "QuotaExceeded"))
    assert "exceeded quota" in condition(refused)["message"]
    await kube.request("DELETE", f"/api/v1/namespaces/{kube.namespace}/resourcequotas/none")
    await eventually(kube, PODS, "monitor-main", exists)
