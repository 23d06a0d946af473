# SPDX-License-Identifier: Apache-2.0
"""One reconcile from key to writes, against an API server that only remembers and refuses."""

import copy
from functools import partial
from typing import Any

import pytest
from castwarden_model.resources import Channel, Monitor
from castwarden_operator.apply import Applier
from castwarden_operator.cache import Cache
from castwarden_operator.controller import Controller
from castwarden_operator.errors import ApiError, RetryError
from castwarden_operator.kinds import BY_NAME, EVENT, Kind, Object, Ref, ref_of
from castwarden_operator.reconcile import channel, monitor
from castwarden_operator.reconcile.monitor import pod_for

from .objects import NOW, SETTINGS, Turn, pod_status, resource, stored
from .objects import monitor as a_monitor

MONITOR, CHANNEL = BY_NAME["Monitor"], BY_NAME["Channel"]
MAIN = Ref("Monitor", "media-team", "main")


class FakeApi:
    """Stores what is applied under growing versions; `refuse` holds errors by path of kind and name."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.objects: dict[Ref, Object] = {}
        self.writes: list[tuple[str, str]] = []
        self.refuse: dict[str, ApiError] = {}
        self.events: list[Object] = []
        self.mutate: Any = None
        self.version = 100

    def has(self, kind: Kind, obj: Object) -> None:
        """An object that was there before, and that the cache knows."""
        self.objects[ref_of(kind, obj)] = copy.deepcopy(obj)
        self.cache.put(kind, obj)

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return copy.deepcopy(self.objects.get(Ref(kind.name, namespace, name)))

    async def apply(self, kind: Kind, obj: Object, subresource: str | None = None) -> Object:
        self._count("apply status" if subresource else "apply", kind)
        return await self._store(kind, obj, subresource)

    async def _store(self, kind: Kind, obj: Object, subresource: str | None = None) -> Object:
        ref, self.version = ref_of(kind, obj), self.version + 1
        before = self.objects.get(ref, {"metadata": {"uid": f"uid-{self.version}"}})
        after = {**before, "status": obj["status"]} if subresource else stored(obj, before.get("status"))
        after["metadata"] = {
            **(before if subresource else after)["metadata"],
            "uid": before["metadata"]["uid"],
            "resourceVersion": str(self.version),
        }
        if self.mutate is not None:
            self.mutate(after)
        self.objects[ref] = after
        return copy.deepcopy(after)

    async def create(self, kind: Kind, obj: Object) -> Object:
        self._count("create", kind)
        if kind == EVENT:
            self.events.append(obj)
            return obj
        if ref_of(kind, obj) in self.objects:
            self.writes.pop()
            raise ApiError(409, "AlreadyExists", "it exists")
        return await self._store(kind, obj)

    async def delete(self, kind: Kind, obj: Object, grace_seconds: int | None = None) -> Object | None:
        self._count("delete", kind)
        self.objects.pop(ref_of(kind, obj), None)
        return {"kind": "Status", "status": "Success"}

    def _count(self, verb: str, kind: Kind) -> None:
        if (error := self.refuse.get(f"{verb} {kind.name}")) is not None:
            raise error
        self.writes.append((verb, kind.name))


class World:
    """A cache, a fake API server and a controller of each of two kinds."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.api = FakeApi(self.cache)
        applier = Applier(self.api, self.cache, "test")  # type: ignore[arg-type] # the part of Api that it uses
        common = (self.cache, applier, SETTINGS, lambda: NOW)
        self.monitors = Controller(MONITOR, Monitor, partial(monitor.reconcile, turn=Turn()), *common)
        self.channels = Controller(CHANNEL, Channel, channel.reconcile, *common)

    def ready(self, ref: Ref = MAIN) -> tuple[str, str, str]:
        found = next(c for c in self.api.objects[ref]["status"]["conditions"] if c["type"] == "Ready")
        return found["status"], found["reason"], found["message"]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_new_monitor_costs_one_pod_one_status_and_one_event(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    await world.monitors.handle(MAIN)
    assert world.api.writes == [("create", "Pod"), ("apply status", "Monitor"), ("create", "Event")]
    assert world.ready()[:2] == ("False", "Pending")


async def test_a_settled_resource_costs_nothing(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    await world.monitors.handle(MAIN)
    world.api.writes.clear()
    await world.monitors.handle(MAIN)
    assert world.api.writes == []


async def test_a_new_channel_gets_cron_job_and_first_job_in_one_go(world: World) -> None:
    world.api.has(CHANNEL, resource("Channel", "news"))
    await world.channels.handle(Ref("Channel", "media-team", "news"))
    assert world.api.writes == [
        ("apply", "CronJob"),
        ("apply", "Job"),
        ("apply status", "Channel"),
        ("create", "Event"),
    ]
    status = world.api.objects[Ref("Channel", "media-team", "news")]["status"]
    assert status["firstPollAt"] == "2026-11-20T11:00:00Z"


async def test_why_a_pod_was_replaced_is_told_before_its_successor_is(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    pod = stored(pod_for(a_monitor(), SETTINGS), {"phase": "Failed", "reason": "Evicted"})
    world.api.has(BY_NAME["Pod"], pod)
    await world.monitors.handle(MAIN)
    assert [event["reason"] for event in world.api.events] == ["PodFailed", "Pending"]


async def test_a_deleted_resource_is_left_to_the_garbage_collector(world: World) -> None:
    obj = resource("Monitor")
    obj["metadata"]["deletionTimestamp"] = "2026-11-20T12:00:00Z"
    world.api.has(MONITOR, obj)
    await world.monitors.handle(MAIN)
    await world.monitors.handle(Ref("Monitor", "media-team", "unknown"))
    assert world.api.writes == []


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (403, 'pods "monitor-main" is forbidden: exceeded quota: pods, requested: pods=1', "QuotaExceeded"),
        (403, 'pods "monitor-main" is forbidden: violates PodSecurity "restricted:latest"', "Forbidden"),
        (422, 'Pod "monitor-main" is invalid: spec.nodeSelector: Invalid value', "Invalid"),
        (400, "admission webhook said no", "Refused"),
    ],
)
async def test_a_refusal_is_told_in_the_servers_words_and_backs_off(
    world: World, status: int, message: str, reason: str
) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    world.api.refuse["create Pod"] = ApiError(status, "", message)
    with pytest.raises(RetryError):
        await world.monitors.handle(MAIN)
    assert world.ready() == ("False", reason, f"the API server refused: {message}")


async def test_a_repeated_refusal_writes_nothing_more(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    world.api.refuse["create Pod"] = ApiError(403, "Forbidden", "exceeded quota")
    for _ in range(3):
        with pytest.raises(RetryError):
            await world.monitors.handle(MAIN)
    assert world.api.writes == [("apply status", "Monitor"), ("create", "Event")]


@pytest.mark.parametrize("status", [0, 429, 500, 503])
async def test_the_servers_own_trouble_is_not_blamed_on_the_resource(world: World, status: int) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    world.api.refuse["create Pod"] = ApiError(status, "", "later", retry_after=7)
    with pytest.raises(RetryError) as raised:
        await world.monitors.handle(MAIN)
    assert raised.value.after == 7
    assert world.api.writes == []


async def test_a_refusal_does_not_forget_when_the_first_poll_was(world: World) -> None:
    world.api.has(CHANNEL, resource("Channel", "news", {"firstPollAt": "2026-11-20T10:00:00Z"}))
    world.api.refuse["apply CronJob"] = ApiError(422, "Invalid", "schedule: Invalid value")
    ref = Ref("Channel", "media-team", "news")
    with pytest.raises(RetryError):
        await world.channels.handle(ref)
    assert world.api.objects[ref]["status"]["firstPollAt"] == "2026-11-20T10:00:00Z"


async def test_a_foreign_pod_of_that_name_is_not_taken_over(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    foreign = stored({"kind": "Pod", "metadata": {"name": "monitor-main", "namespace": "media-team"}})
    world.api.objects[Ref("Pod", "media-team", "monitor-main")] = foreign  # without our labels: never in the cache
    with pytest.raises(RetryError):
        await world.monitors.handle(MAIN)
    assert world.ready()[:2] == ("False", "NameTaken")
    assert ("apply", "Pod") not in world.api.writes


async def test_our_pod_that_lost_its_labels_is_brought_back(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    ours = stored(pod_for(a_monitor(), SETTINGS))
    ours["metadata"]["labels"] = {}
    world.api.objects[Ref("Pod", "media-team", "monitor-main")] = ours
    await world.monitors.handle(MAIN)
    assert world.api.writes.count(("apply", "Pod")) == 1


async def test_a_repair_that_something_else_undoes_is_not_repeated_for_ever(world: World) -> None:
    def rewrite_image(obj: Object) -> None:
        if obj["kind"] == "Pod":
            obj["spec"]["containers"][0]["image"] = "mirror.example/worker:1"

    world.api.has(MONITOR, resource("Monitor"))
    world.api.mutate = rewrite_image
    for _ in range(5):
        await world.monitors.handle(MAIN)
    assert world.api.writes.count(("apply", "Pod")) == 1


async def test_a_pod_that_starts_to_run_is_one_status_and_one_event(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    await world.monitors.handle(MAIN)
    world.api.writes.clear()
    pod = world.api.objects[Ref("Pod", "media-team", "monitor-main")]
    pod["status"] = pod_status("Running", ready=True)
    world.cache.put(BY_NAME["Pod"], pod)
    await world.monitors.handle(MAIN)
    assert world.api.writes == [("apply status", "Monitor"), ("create", "Event")]
    assert world.ready()[:2] == ("True", "Running")


async def test_an_event_that_is_refused_fails_nothing(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    world.api.refuse["create Event"] = ApiError(403, "Forbidden", "no")
    await world.monitors.handle(MAIN)
    assert world.ready()[:2] == ("False", "Pending")


async def test_a_resource_that_the_model_refuses_says_which_field_and_stays_quiet(world: World) -> None:
    obj = resource("Monitor")
    obj["spec"]["resolver"] = "Guess"
    world.api.has(MONITOR, obj)
    await world.monitors.handle(MAIN)
    status, reason, message = world.ready()
    assert (status, reason) == ("False", "Invalid")
    assert "spec.resolver" in message
    assert ("apply", "Pod") not in world.api.writes


async def test_a_status_that_cannot_be_written_because_the_resource_went_is_no_error(world: World) -> None:
    world.api.has(MONITOR, resource("Monitor"))
    world.api.refuse["apply status Monitor"] = ApiError(404, "NotFound", "gone")
    assert await world.monitors.handle(MAIN) is None


async def test_each_alert_that_opens_or_ends_is_one_kubernetes_event() -> None:
    world = World()
    message = "open: black (dark_area 0.998, raised after 30 s)"

    async def sees(open_: list[str], said: str) -> list[tuple[str, str, str]]:
        world.api.version += 1
        status = {"openConditions": open_, "conditions": [{"type": "Degraded", "status": "True", "message": said}]}
        found = resource("Monitor", status=status)
        found["metadata"]["resourceVersion"] = str(world.api.version)
        world.api.has(MONITOR, found)
        world.api.events.clear()
        await world.monitors.handle(MAIN)
        told = [event for event in world.api.events if event["reason"].startswith("Alert")]
        assert all(event["involvedObject"]["name"] == "main" for event in told)
        return [(event["type"], event["reason"], event["message"]) for event in told]

    assert await sees(["stall"], "open: stall") == []  # an operator that has just begun
    assert await sees(["black", "stall"], message) == [("Warning", "AlertRaised", f"black; {message}")]
    assert await sees(["black", "stall"], message) == []
    settled = "stall ended at 2026-11-20T12:00:00Z without a recovery: the stream ended"
    assert await sees([], f"the stream has ended: endlist_detected; {settled}") == [
        ("Normal", "AlertEnded", "black has recovered"),
        ("Normal", "AlertEnded", settled),
    ]
