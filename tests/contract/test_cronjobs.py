# SPDX-License-Identifier: Apache-2.0
"""What the CronJob controller does with a schedule, and that its template can be run by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from castwarden_base.waiting import wait_until

from tests.plugins.kube import Kube
from tests.plugins.objects import CRON_JOBS, JOBS, PODS, Object, cron_job, make, owned_by
from tests.plugins.refusals import about, causes, failure, refusal

YEARLY = "0 0 1 1 *"


async def overdue(kube: Kube, name: str) -> None:
    """Makes the controller believe that it last ran the CronJob some minutes ago, so that a run is due now."""
    past = (datetime.now(UTC) - timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await kube.patch(CRON_JOBS, name, {"status": {"lastScheduleTime": past}}, subresource="status")


async def jobs_of(kube: Kube, owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    listed: list[Object] = (await kube.list(JOBS))["items"]
    return [each for each in listed if uid in [one["uid"] for one in each["metadata"].get("ownerReferences", [])]]


async def test_a_new_cron_job_has_the_servers_defaults(kube: Kube) -> None:
    spec = (await kube.create(cron_job("poll", YEARLY)))["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    assert await kube.names(JOBS) == []


async def test_a_cron_job_that_is_due_makes_a_job_from_its_template(kube: Kube) -> None:
    made = await kube.create(cron_job("poll", concurrencyPolicy="Forbid"))
    await overdue(kube, "poll")
    (job,) = await wait_until(lambda: jobs_of(kube, made), timeout=30)
    metadata = job["metadata"]
    assert metadata["name"].startswith("poll-")
    due = datetime.fromtimestamp(int(metadata["name"].removeprefix("poll-")) * 60, UTC)
    assert metadata["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] == (
        due.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    assert metadata["labels"]["app"] == "fetch"
    reference = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "poll", "uid": made["metadata"]["uid"]}
    assert metadata["ownerReferences"] == [reference | {"controller": True, "blockOwnerDeletion": True}]

    async def noted() -> Object | None:
        status: Object = (await kube.get(CRON_JOBS, "poll")).get("status", {})
        return status if status.get("active") else None

    status = await wait_until(noted, timeout=30)
    assert status is not None
    assert status["lastScheduleTime"] == due.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [active["name"] for active in status["active"]] == [metadata["name"]]


async def test_a_suspended_cron_job_makes_nothing(kube: Kube) -> None:
    watched = await kube.create(cron_job("poll", suspend=True))
    await overdue(kube, "poll")
    running = await kube.create(cron_job("witness"))
    await overdue(kube, "witness")
    await wait_until(lambda: jobs_of(kube, running), timeout=30)
    assert await jobs_of(kube, watched) == []


async def test_a_cron_jobs_template_can_be_run_by_hand(kube: Kube) -> None:
    made = await kube.create(cron_job("poll", YEARLY))
    template = made["spec"]["jobTemplate"]
    body = make(JOBS, "poll-first", labels=template["metadata"]["labels"], spec=template["spec"])
    body["metadata"]["annotations"] = {"cronjob.kubernetes.io/instantiate": "manual"}
    first = await kube.create(owned_by(made, body, controller=True, blockOwnerDeletion=True))
    selector = f"batch.kubernetes.io/controller-uid={first['metadata']['uid']}"
    await wait_until(lambda: kube.names(PODS, labelSelector=selector), timeout=30)
    await kube.delete(CRON_JOBS, "poll", propagationPolicy="Background")
    await wait_until(lambda: kube.gone(JOBS, "poll-first"), timeout=30)
    await wait_until(lambda: _none(kube, selector), timeout=30)


async def _none(kube: Kube, selector: str) -> bool:
    return await kube.names(PODS, labelSelector=selector) == []


@pytest.mark.parametrize("schedule", ["* * * *", "61 * * * *", "nonsense", ""])
async def test_a_schedule_that_is_none_is_refused(kube: Kube, schedule: str) -> None:
    status = await refusal(kube.create(cron_job("poll", schedule)))
    assert about(status) == failure(422, "Invalid", group="batch", kind="CronJob", name="poll")
    assert {field for field, _ in causes(status)} == {"spec.schedule"}


async def test_a_time_zone_that_is_none_is_refused(kube: Kube) -> None:
    status = await refusal(kube.create(cron_job("poll", YEARLY, timeZone="Moon/Crater")))
    assert causes(status) == [("spec.timeZone", "FieldValueInvalid")]


async def test_a_name_too_long_for_its_jobs_is_refused(kube: Kube) -> None:
    status = await refusal(kube.create(cron_job("p" * 53, YEARLY)))
    assert causes(status) == [("metadata.name", "FieldValueInvalid")]
    await kube.create(cron_job("p" * 52, YEARLY))
