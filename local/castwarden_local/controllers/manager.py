# SPDX-License-Identifier: Apache-2.0
"""Runs the Job and CronJob rules against the stand-in: watches, queues, reads, plans, writes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

from castwarden_base.logs import get_logger

from castwarden_local.controllers import cronjobs, jobs
from castwarden_local.controllers.objects import Note, Object, controller_of, is_owned_by, key_of
from castwarden_local.controllers.queue import WorkQueue
from castwarden_local.recorder import Recorder
from castwarden_local.standin.errors import AlreadyExists, Expired, NotFound
from castwarden_local.standin.interface import CRON_JOBS, GVR, JOBS, PODS, Api, Propagation, WatchEvent

log = get_logger(__name__)
Key = tuple[str, str]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Controllers:
    """`await run()` until cancelled. `wake()` looks at everything again, for clocks that tests set."""

    def __init__(self, api: Api, clock: Callable[[], datetime] = utc_now) -> None:
        self._api = api
        self._clock = clock
        self._jobs: WorkQueue[Key] = WorkQueue(self._sync_job)
        self._cronjobs: WorkQueue[Key] = WorkQueue(self._sync_cronjob)
        self._last_failures: dict[Key, datetime] = {}
        self._job_events = Recorder(api, "job-controller", clock)
        self._cronjob_events = Recorder(api, "cronjob-controller", clock)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for work in (self._jobs.run(), self._cronjobs.run(), self._job_events.run(), self._cronjob_events.run()):
                tasks.create_task(work)
            for gvr, note in ((PODS, self._saw_pod), (JOBS, self._saw_job), (CRON_JOBS, self._saw_cronjob)):
                tasks.create_task(self._follow(gvr, note))

    async def wake(self) -> None:
        for gvr, queue in ((JOBS, self._jobs), (CRON_JOBS, self._cronjobs)):
            for obj in (await self._api.list(gvr)).items:
                queue.add(key_of(obj))

    async def _follow(self, gvr: GVR, note: Callable[[Object], None]) -> None:
        async for event in changes(self._api, gvr):
            note(event.object)

    def _saw_pod(self, pod: Object) -> None:
        owner = controller_of(pod)
        if owner and owner["kind"] == "Job":
            self._jobs.add((pod["metadata"]["namespace"], owner["name"]))

    def _saw_job(self, job: Object) -> None:
        self._jobs.add(key_of(job))
        owner = controller_of(job)
        if owner and owner["kind"] == "CronJob":
            self._cronjobs.add((job["metadata"]["namespace"], owner["name"]))

    def _saw_cronjob(self, cronjob: Object) -> None:
        self._cronjobs.add(key_of(cronjob))

    async def _sync_job(self, key: Key) -> timedelta | None:
        namespace, name = key
        pods = await self._pods_of_jobs_named(name, namespace)
        try:
            job = await self._api.get(JOBS, name, namespace)
        except NotFound:
            for pod in pods:
                await self._release(pod)
            self._last_failures.pop(key, None)
            return None
        if (job["spec"].get("managedBy") or "kubernetes.io/job-controller") != "kubernetes.io/job-controller":
            return None
        for pod in pods:
            if not is_owned_by(pod, job):
                await self._release(pod)
        owned = [pod for pod in pods if is_owned_by(pod, job)]
        plan = jobs.reconcile(job, owned, self._clock(), self._last_failures.get(key))
        if plan.last_failure is not None:
            self._last_failures[key] = plan.last_failure
        await self._carry_out(job, plan)
        return plan.again_in

    async def _pods_of_jobs_named(self, name: str, namespace: str) -> list[Object]:
        selector = f"batch.kubernetes.io/job-name={name}"
        return (await self._api.list(PODS, namespace, label_selector=selector)).items

    async def _carry_out(self, job: Object, plan: jobs.JobPlan) -> None:
        if plan.delete_job:
            await self._delete(JOBS, job, "Foreground")
            return
        for pod in plan.abandon:
            await self._release(pod)
        for pod in [*plan.abandon, *plan.delete]:
            await self._delete(PODS, pod)
            plan.notes.append(Note("SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}"))
        for _ in range(plan.create):
            made = await self._api.create(PODS, jobs.pod_for(job), manager="job-controller")
            plan.notes.append(Note("SuccessfulCreate", f"Created pod: {made['metadata']['name']}"))
        for note in plan.notes:
            self._job_events.record("batch/v1", "Job", job, note)
        if plan.status != job.get("status"):
            await self._api.update_status(JOBS, job | {"status": plan.status}, manager="job-controller")
        for pod in plan.release:
            await self._release(pod)

    async def _release(self, pod: Object) -> None:
        finalizers = pod["metadata"].get("finalizers", [])
        if jobs.TRACKED not in finalizers:
            return
        namespace, name = key_of(pod)
        others = [finalizer for finalizer in finalizers if finalizer != jobs.TRACKED]
        metadata = {"finalizers": others or None, "uid": pod["metadata"]["uid"]}
        try:
            await self._api.patch(PODS, name, {"metadata": metadata}, namespace, manager="job-controller")
        except NotFound:
            return

    async def _delete(self, gvr: GVR, obj: Object, propagation: Propagation = "Background") -> None:
        namespace, name = key_of(obj)
        try:
            await self._api.delete(gvr, name, namespace, uid=obj["metadata"]["uid"], propagation=propagation)
        except NotFound:
            return

    async def _sync_cronjob(self, key: Key) -> timedelta | None:
        namespace, name = key
        try:
            cronjob = await self._api.get(CRON_JOBS, name, namespace)
        except NotFound:
            return None
        owned = [job for job in (await self._api.list(JOBS, namespace)).items if is_owned_by(job, cronjob)]
        plan = cronjobs.reconcile(cronjob, owned, self._clock())
        for note in plan.notes:
            self._cronjob_events.record("batch/v1", "CronJob", cronjob, note)
        for job in plan.delete:
            await self._delete(JOBS, job)
        if plan.create is not None:
            await self._start(cronjob, plan)
        if plan.status != (cronjob.get("status") or {}):
            await self._api.update_status(CRON_JOBS, cronjob | {"status": plan.status}, manager="cronjob-controller")
        return plan.again_in

    async def _start(self, cronjob: Object, plan: cronjobs.CronPlan) -> None:
        """A Job of that name that is there already was made before a crash; one of another owner is left alone."""
        assert plan.create is not None  # noqa: S101 - asked by the caller
        try:
            job = await self._api.create(JOBS, plan.create, manager="cronjob-controller")
        except AlreadyExists:
            job = await self._api.get(JOBS, plan.create["metadata"]["name"], plan.create["metadata"]["namespace"])
            if not is_owned_by(job, cronjob):
                return
        cronjobs.add_active(plan.status, job)
        note = Note("SuccessfulCreate", f"Created job {job['metadata']['name']}")
        self._cronjob_events.record("batch/v1", "CronJob", cronjob, note)


async def changes(api: Api, gvr: GVR) -> AsyncIterator[WatchEvent]:
    """A watch that is begun again (everything as ADDED) whenever its reader fell behind."""
    while True:
        try:
            async for event in api.watch(gvr):
                yield event
        except Expired:
            log.warning("watch_restarted", resource=gvr.plural)
        else:
            return
