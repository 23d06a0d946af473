# SPDX-License-Identifier: Apache-2.0
"""What the Job controller does when Pods end. No node runs here: the tests write the Pods' statuses themselves."""

from datetime import UTC, datetime
from typing import Any

from castwarden_base.waiting import wait_until

from tests.plugins.kube import Kube
from tests.plugins.objects import JOBS, PODS, Object, job
from tests.plugins.refusals import about, failure, refusal


def conditions(obj: Object) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    listed = obj.get("status", {}).get("conditions", [])
    return {each["type"]: (each["status"], each.get("reason", "")) for each in listed}


async def pods_of(kube: Kube, name: str) -> list[Object]:
    items: list[Object] = (await kube.list(PODS, labelSelector=f"batch.kubernetes.io/job-name={name}"))["items"]
    return [item for item in items if "deletionTimestamp" not in item["metadata"]]


async def its_pod(kube: Kube, name: str) -> Object:
    return (await wait_until(lambda: pods_of(kube, name), timeout=30))[0]


async def end(kube: Kube, pod: Object, phase: str, exit_code: int = 0) -> None:
    """Reports the Pod's only container as ended, as a kubelet does."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ended = {"exitCode": exit_code, "startedAt": moment, "finishedAt": moment}
    container = {"name": "worker", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    status = {"phase": phase, "containerStatuses": [container | {"state": {"terminated": ended}}]}
    await kube.patch(PODS, pod["metadata"]["name"], {"status": status}, subresource="status")


async def until(kube: Kube, name: str, condition: str, status: str = "True") -> Object:
    """The Job once the condition has that status."""

    async def reached() -> Object | None:
        found = await kube.get(JOBS, name)
        return found if conditions(found).get(condition, ("", ""))[0] == status else None

    done = await wait_until(reached, timeout=30)
    assert done is not None
    return done


async def test_a_job_makes_one_pod_that_belongs_to_it(kube: Kube) -> None:
    made = await kube.create(job("fetch"))
    pod = await its_pod(kube, "fetch")
    metadata, uid = pod["metadata"], made["metadata"]["uid"]
    assert metadata["name"].startswith("fetch-")
    assert metadata["generateName"] == "fetch-"
    assert metadata["labels"] == {
        "app": "fetch",
        "job-name": "fetch",
        "controller-uid": uid,
        "batch.kubernetes.io/job-name": "fetch",
        "batch.kubernetes.io/controller-uid": uid,
    }
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "fetch", "uid": uid}
    assert metadata["ownerReferences"] == [reference | {"controller": True, "blockOwnerDeletion": True}]
    assert pod["spec"]["containers"][0]["command"] == ["true"]
    assert len(await pods_of(kube, "fetch")) == 1


async def test_a_new_job_selects_its_pods_and_has_the_servers_defaults(kube: Kube) -> None:
    spec = (await kube.create(job("fetch")))["spec"]
    assert (spec["backoffLimit"], spec["completions"], spec["parallelism"], spec["suspend"]) == (6, 1, 1, False)
    assert list(spec["selector"]["matchLabels"]) == ["batch.kubernetes.io/controller-uid"]
    assert spec["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "fetch"


async def test_a_job_is_active_while_its_pod_is(kube: Kube) -> None:
    await kube.create(job("fetch"))
    await its_pod(kube, "fetch")

    async def active() -> Any:
        return (await kube.get(JOBS, "fetch")).get("status", {}).get("active")

    assert await wait_until(active, timeout=30) == 1
    status = (await kube.get(JOBS, "fetch"))["status"]
    assert status["startTime"]
    assert conditions({"status": status}) == {}


async def test_a_pod_that_succeeds_completes_its_job(kube: Kube) -> None:
    await kube.create(job("fetch"))
    pod = await its_pod(kube, "fetch")
    await end(kube, pod, "Succeeded")
    done = await until(kube, "fetch", "Complete")
    assert conditions(done) == {
        "SuccessCriteriaMet": ("True", "CompletionsReached"),
        "Complete": ("True", "CompletionsReached"),
    }
    status = done["status"]
    assert (status["succeeded"], status.get("active", 0), status.get("failed", 0)) == (1, 0, 0)
    assert status["completionTime"] >= status["startTime"]
    assert [each["metadata"]["name"] for each in await pods_of(kube, "fetch")] == [pod["metadata"]["name"]]


async def test_a_pod_that_fails_without_retries_left_fails_its_job(kube: Kube) -> None:
    await kube.create(job("fetch", backoffLimit=0))
    await end(kube, await its_pod(kube, "fetch"), "Failed", exit_code=1)
    done = await until(kube, "fetch", "Failed")
    assert conditions(done) == {
        "FailureTarget": ("True", "BackoffLimitExceeded"),
        "Failed": ("True", "BackoffLimitExceeded"),
    }
    assert (done["status"]["failed"], done["status"].get("active", 0)) == (1, 0)
    assert "completionTime" not in done["status"]


async def test_a_pod_that_fails_or_is_deleted_is_followed_by_another_while_retries_are_left(kube: Kube) -> None:
    for name in ("failed", "deleted"):
        await kube.create(job(name, backoffLimit=1))
    failed, deleted = await its_pod(kube, "failed"), await its_pod(kube, "deleted")
    await end(kube, failed, "Failed", exit_code=1)
    await kube.delete(PODS, deleted["metadata"]["name"])
    await end(kube, await _successor(kube, "failed", failed), "Succeeded")
    await end(kube, await _successor(kube, "deleted", deleted), "Succeeded")
    for name in ("failed", "deleted"):
        status = (await until(kube, name, "Complete"))["status"]
        assert (status["failed"], status["succeeded"]) == (1, 1)


async def _successor(kube: Kube, name: str, old: Object) -> Object:
    async def other() -> list[Object]:
        return [pod for pod in await pods_of(kube, name) if pod["metadata"]["uid"] != old["metadata"]["uid"]]

    return (await wait_until(other, timeout=60))[0]  # the controller waits ten seconds before the first retry


async def test_a_job_that_outlives_its_deadline_fails_and_loses_its_pod(kube: Kube) -> None:
    await kube.create(job("fetch", activeDeadlineSeconds=1))
    done = await until(kube, "fetch", "Failed")
    assert conditions(done)["Failed"] == ("True", "DeadlineExceeded")
    assert await pods_of(kube, "fetch") == []


async def test_a_suspended_job_has_no_pod_until_it_is_resumed(kube: Kube) -> None:
    await kube.create(job("fetch", suspend=True))
    suspended = await until(kube, "fetch", "Suspended")
    assert conditions(suspended) == {"Suspended": ("True", "JobSuspended")}
    assert "startTime" not in suspended["status"]
    assert await pods_of(kube, "fetch") == []
    await kube.patch(JOBS, "fetch", {"spec": {"suspend": False}})
    await its_pod(kube, "fetch")
    resumed = await until(kube, "fetch", "Suspended", "False")
    assert conditions(resumed) == {"Suspended": ("False", "JobResumed")}


async def test_suspending_a_job_takes_its_pod_away(kube: Kube) -> None:
    await kube.create(job("fetch"))
    await its_pod(kube, "fetch")
    await kube.patch(JOBS, "fetch", {"spec": {"suspend": True}})
    await until(kube, "fetch", "Suspended")
    assert await pods_of(kube, "fetch") == []


async def test_a_finished_job_goes_when_its_time_is_over(kube: Kube) -> None:
    await kube.create(job("fetch", ttlSecondsAfterFinished=1))
    pod = await its_pod(kube, "fetch")
    await end(kube, pod, "Succeeded")
    await wait_until(lambda: kube.gone(JOBS, "fetch"), timeout=30)
    await wait_until(lambda: kube.gone(PODS, pod["metadata"]["name"]), timeout=30)


async def test_deleting_a_job_in_the_background_takes_its_pod_along(kube: Kube) -> None:
    await kube.create(job("fetch"))
    pod = await its_pod(kube, "fetch")
    await kube.delete(JOBS, "fetch", propagationPolicy="Background")
    await wait_until(lambda: kube.gone(PODS, pod["metadata"]["name"]), timeout=30)
    assert not await kube.exists(JOBS, "fetch")


async def test_a_jobs_template_cannot_change(kube: Kube) -> None:
    await kube.create(job("fetch"))
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["false"]}]
    status = await refusal(kube.patch(JOBS, "fetch", patch, kind="json"))
    assert about(status) == failure(422, "Invalid", group="batch", kind="Job", name="fetch")
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.template"]


async def test_a_jobs_pods_must_not_restart_for_ever(kube: Kube) -> None:
    body = job("fetch")
    body["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    status = await refusal(kube.create(body))
    assert [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]] == [
        ("spec.template.spec.restartPolicy", "FieldValueRequired")
    ]
