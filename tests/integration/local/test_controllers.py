# SPDX-License-Identifier: Apache-2.0
"""Jobs and CronJobs that run real processes, with a clock that tests set forward."""

from datetime import timedelta
from typing import Any

from castwarden_base.waiting import wait_until
from castwarden_local.controllers.objects import Object, condition
from castwarden_local.standin.interface import CRON_JOBS, JOBS, PODS

from tests.integration.local.conftest import NAMESPACE, TIMEOUT, Machine, pod_spec


def job_spec(script: str, policy: str = "Never", **spec: Any) -> Object:
    return {"template": {"spec": pod_spec(script, policy)}, **spec}


def reason(job: Object, kind: str) -> str | None:
    found = condition(job["status"].get("conditions", []), kind)
    return found["reason"] if found else None


async def pods_of(machine: Machine, job: str) -> list[Object]:
    selector = f"job-name={job}"
    return (await machine.standin.api.list(PODS, NAMESPACE, label_selector=selector)).items


async def test_a_job_runs_a_process_and_completes(machine: Machine) -> None:
    await machine.create(JOBS, "fetch", spec=job_spec("echo fetched"))
    job = await machine.until(JOBS, "fetch", lambda job: reason(job, "Complete"))
    assert (job["status"]["succeeded"], reason(job, "Complete")) == (1, "CompletionsReached")
    (pod,) = await pods_of(machine, "fetch")
    assert await machine.logs(pod["metadata"]["name"]) == ["fetched"]
    assert pod["metadata"].get("finalizers", []) == []


async def test_a_job_whose_process_fails_tries_again_after_ten_seconds_and_then_gives_up(machine: Machine) -> None:
    await machine.create(JOBS, "bad", spec=job_spec("exit 1", backoffLimit=1))
    await machine.until(JOBS, "bad", lambda job: job["status"].get("failed") == 1)
    assert len(await pods_of(machine, "bad")) == 1
    machine.ahead += timedelta(seconds=11)
    await machine.controllers.wake()
    job = await machine.until(JOBS, "bad", lambda job: reason(job, "Failed"))
    assert (job["status"]["failed"], reason(job, "Failed")) == (2, "BackoffLimitExceeded")


async def test_a_deleted_job_takes_its_pods_along(machine: Machine) -> None:
    await machine.create(JOBS, "long", spec=job_spec("exec sleep 1000"))
    await machine.until(JOBS, "long", lambda job: job["status"].get("ready") == 1)
    await machine.standin.api.delete(JOBS, "long", NAMESPACE, propagation="Background")

    async def none_left() -> bool:
        return not await pods_of(machine, "long")

    await machine.gone(JOBS, "long")
    await wait_until(none_left, TIMEOUT)


async def test_a_suspended_job_ends_its_pod_and_a_resumed_one_starts_another(machine: Machine) -> None:
    await machine.create(JOBS, "pausing", spec=job_spec("exec sleep 1000"))
    await machine.until(JOBS, "pausing", lambda job: job["status"].get("ready") == 1)
    await machine.standin.api.patch(JOBS, "pausing", {"spec": {"suspend": True}}, NAMESPACE)
    job = await machine.until(JOBS, "pausing", lambda job: not job["status"].get("active"))
    assert reason(job, "Suspended") == "JobSuspended"
    await machine.standin.api.patch(JOBS, "pausing", {"spec": {"suspend": False}}, NAMESPACE)
    job = await machine.until(JOBS, "pausing", lambda job: job["status"].get("ready") == 1)
    assert "failed" not in job["status"]


async def test_a_job_whose_pod_somebody_deletes_makes_another(machine: Machine) -> None:
    await machine.create(JOBS, "stolen", spec=job_spec("exec sleep 1000"))
    await machine.until(JOBS, "stolen", lambda job: job["status"].get("ready") == 1)
    (pod,) = await pods_of(machine, "stolen")
    machine.ahead += timedelta(seconds=11)
    await machine.standin.api.delete(PODS, pod["metadata"]["name"], NAMESPACE)

    async def another() -> bool:
        names = [one["metadata"]["name"] for one in await pods_of(machine, "stolen")]
        return bool(names) and pod["metadata"]["name"] not in names

    async def waked() -> bool:
        machine.ahead += timedelta(seconds=11)
        await machine.controllers.wake()
        return await another()

    await wait_until(waked, TIMEOUT, interval=0.3)


async def test_a_finished_job_goes_after_its_time_to_live(machine: Machine) -> None:
    await machine.create(JOBS, "brief", spec=job_spec("true", ttlSecondsAfterFinished=60))
    await machine.until(JOBS, "brief", lambda job: reason(job, "Complete"))
    machine.ahead += timedelta(seconds=61)
    await machine.controllers.wake()
    await machine.gone(JOBS, "brief")
    assert await pods_of(machine, "brief") == []


async def test_a_cronjob_makes_a_job_at_its_time_and_remembers_it(machine: Machine) -> None:
    spec = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": job_spec("echo polled")}}
    await machine.create(CRON_JOBS, "poll", spec=spec)
    machine.ahead += timedelta(minutes=5)
    await machine.controllers.wake()
    cronjob = await machine.until(
        CRON_JOBS, "poll", lambda cronjob: cronjob.get("status", {}).get("lastSuccessfulTime")
    )
    (job,) = (await machine.standin.api.list(JOBS, NAMESPACE)).items
    assert job["metadata"]["name"].startswith("poll-")
    assert cronjob["status"]["lastScheduleTime"].endswith(":00Z")
    machine.ahead += timedelta(minutes=5)
    await machine.controllers.wake()

    async def two() -> bool:
        return len((await machine.standin.api.list(JOBS, NAMESPACE)).items) == 2

    await wait_until(two, TIMEOUT)


async def test_a_time_missed_while_nobody_looked_is_made_up_for_after_a_restart(machine: Machine) -> None:
    spec = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": job_spec("true")}}
    await machine.create(CRON_JOBS, "poll", spec=spec)
    await machine.stop()
    machine.ahead += timedelta(minutes=17)
    machine.start()
    await machine.until(CRON_JOBS, "poll", lambda cronjob: cronjob.get("status", {}).get("lastSuccessfulTime"))
    assert len((await machine.standin.api.list(JOBS, NAMESPACE)).items) == 1


async def test_a_deleted_cronjob_takes_its_jobs_and_their_pods_along(machine: Machine) -> None:
    spec = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": job_spec("exec sleep 1000")}}
    await machine.create(CRON_JOBS, "poll", spec=spec)
    machine.ahead += timedelta(minutes=5)
    await machine.controllers.wake()

    async def running() -> bool:
        pods = (await machine.standin.api.list(PODS, NAMESPACE)).items
        return any(pod["status"]["phase"] == "Running" for pod in pods)

    async def empty() -> bool:
        left = [(await machine.standin.api.list(gvr, NAMESPACE)).items for gvr in (PODS, JOBS, CRON_JOBS)]
        return not any(left)

    await wait_until(running, TIMEOUT)
    await machine.standin.api.delete(CRON_JOBS, "poll", NAMESPACE, propagation="Background")
    await wait_until(empty, TIMEOUT)
