# SPDX-License-Identifier: Apache-2.0
"""Role monitors: one real process, many seats, a gateway of the documented API."""

import signal
from collections import Counter
from typing import Any

import aiohttp
import pytest
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import LiveOrigin
from castwarden_model.messages import MonitorAssignment, Report, ResourceRef
from castwarden_model.resources import MonitorSpec, StreamState
from prometheus_client.parser import text_string_to_metric_families

from .conftest import FakeGateway, Worker, Workers, until

SMALL = Recipe(width=160, height=90)
QUICK = {
    "black": {"raiseAfter": "1500ms", "clearAfter": "1s"},
    "freeze": {"enabled": False},
    "silence": {"enabled": False},
}
POD = ResourceRef(kind="Monitor", namespace="media", name="unused", uid="unused")
pytestmark = pytest.mark.timeout(150)


def seated(name: str, url: str, *, version: str = "1", epoch: int = 1, **more: Any) -> MonitorAssignment:
    known = {"stream": more.pop("stream", StreamState.UNKNOWN)}
    spec = {"source": {"url": url}, "lookInterval": "2s", "checks": QUICK, "placement": "Packed", **more}
    ref = ResourceRef(kind="Monitor", namespace="media", name=name, uid=f"uid-{name}")
    return MonitorAssignment(resource=ref, version=version, epoch=epoch, spec=MonitorSpec.model_validate(spec), **known)


def idle(name: str) -> MonitorAssignment:
    """A seat that asks for its assignment and then has nothing to do."""
    return seated(name, "http://127.0.0.1:1/", suspend=True)


async def packed(workers: Workers, **more: str) -> Worker:
    return await workers.start("monitors", POD, CASTWARDEN_POOL="default", **more)


def of(gateway: FakeGateway, name: str) -> list[Report]:
    return [report for report in gateway.reports if report.resource.name == name]


def facts(gateway: FakeGateway, name: str) -> list[str]:
    told: list[str] = []
    for report in of(gateway, name):
        told += [occurrence.type for occurrence in report.occurrences]
        told += [f"{transition.condition} {transition.state}" for transition in report.transitions]
    return told


def state(gateway: FakeGateway, name: str) -> StreamState | None:
    return next((report.monitor.stream for report in reversed(of(gateway, name)) if report.monitor), None)


def begun(gateway: FakeGateway) -> int:
    """How many assignments were asked for from the beginning."""
    return sum("version" not in asked for asked in gateway.asked)


async def metric(worker: Worker, name: str, **labels: str) -> float:
    try:
        _, text = await worker.health("/metrics")
    except aiohttp.ClientError:
        return -1.0
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


async def is_ready(worker: Worker) -> bool:
    try:
        return (await worker.health("/readyz"))[0] == 200
    except aiohttp.ClientError:
        return False


async def test_streams_are_told_each_with_its_own_story_and_outbox(gateway: FakeGateway, workers: Workers) -> None:
    async with (
        LiveOrigin([(3, "motion"), (4, "black"), (60, "motion")], recipe=SMALL) as dark,
        LiveOrigin([(60, "motion")], recipe=SMALL) as fine,
    ):
        gateway.seat(seated("dark", dark.url), seated("fine", fine.url), idle("held"))
        worker = await packed(workers)
        await until(lambda: "black cleared" in facts(gateway, "dark") and state(gateway, "fine") is StreamState.LIVE)
        assert await is_ready(worker)
        assert facts(gateway, "dark") == ["stream.started", "black raised", "black cleared"]
        assert facts(gateway, "fine") == ["stream.started"]
        assert {report.pod for report in gateway.reports} == {"pod-1"}
        folder = workers.folder / "state" / "seats"  # seats begin one after the other
        await until(lambda: {path.name for path in folder.iterdir()} == {"uid-dark", "uid-fine", "uid-held"})
        assert await metric(worker, "castwarden_worker_seats") == 3
        worker.terminate()
        assert await worker.wait() == 0


async def test_kill_9_resumes_every_seat_and_neither_loses_nor_doubles_anything(
    gateway: FakeGateway, workers: Workers
) -> None:
    async with (
        LiveOrigin([(4, "motion"), (12, "black"), (60, "motion")], recipe=SMALL) as dark,
        LiveOrigin([(90, "motion")], recipe=SMALL) as fine,
    ):
        gateway.answer = lambda report: (503, "database_unavailable") if report.transitions else None
        gateway.seat(seated("dark", dark.url), seated("fine", fine.url))
        first = await packed(workers)
        await until(lambda: state(gateway, "dark") == state(gateway, "fine") == StreamState.LIVE)
        await until(lambda: sum(event["event"] == "told" for event in first.events()) == 3)
        first.kill()
        assert await first.wait() == -signal.SIGKILL
        again = [
            seated(name, url, epoch=2, stream=StreamState.LIVE)
            for name, url in (("dark", dark.url), ("fine", fine.url))
        ]
        gateway.seat(*again)
        gateway.answer = lambda _: None
        await packed(workers)
        await until(lambda: "black cleared" in facts(gateway, "dark"))
        await until(lambda: any(report.epoch == 2 for report in of(gateway, "fine")))
    assert facts(gateway, "dark") == ["stream.started", "black raised", "black cleared"]
    assert facts(gateway, "fine") == ["stream.started"]


async def test_seats_come_and_go_while_the_others_are_watched_on(gateway: FakeGateway, workers: Workers) -> None:
    async with LiveOrigin([(90, "motion")], recipe=SMALL) as origin:
        gateway.seat(seated("stays", origin.url))
        worker = await packed(workers)
        await until(lambda: state(gateway, "stays") is StreamState.LIVE)
        gateway.seat(seated("comes", origin.url))
        await until(lambda: state(gateway, "comes") is StreamState.LIVE)
        gateway.seat(leave=["uid-comes"])
        folder = workers.folder / "state" / "seats"
        await until(lambda: [path.name for path in folder.iterdir()] == ["uid-stays"])
        assert await metric(worker, "castwarden_worker_seats") == 1
        analysed = [
            report.monitor.statistics.total_segments_analyzed for report in of(gateway, "stays") if report.monitor
        ]
        await until(
            lambda: of(gateway, "stays")[-1].monitor.statistics.total_segments_analyzed > analysed[-1]  # type: ignore[union-attr]
        )
    assert facts(gateway, "stays") == ["stream.started"]
    assert Counter(asked["uid"] for asked in gateway.asked if "version" not in asked)["uid-stays"] == 1


async def test_a_fenced_seat_is_dropped_and_the_others_watch_on(gateway: FakeGateway, workers: Workers) -> None:
    async with LiveOrigin([(90, "motion")], recipe=SMALL) as origin:
        gateway.seat(seated("lost", origin.url), seated("kept", origin.url))
        worker = await packed(workers)
        await until(lambda: state(gateway, "lost") == state(gateway, "kept") == StreamState.LIVE)
        gateway.answer = lambda report: (409, "fenced") if report.resource.name == "lost" else None
        gateway.seat(leave=["uid-lost"])
        await until(lambda: not (workers.folder / "state" / "seats" / "uid-lost").exists())
        told = len(of(gateway, "kept"))
        await until(lambda: len(of(gateway, "kept")) > told)
        assert await metric(worker, "castwarden_worker_seats") == 1
        assert worker.process.returncode is None


async def test_who_was_fenced_begins_anew_while_the_seat_is_still_listed(
    gateway: FakeGateway, workers: Workers
) -> None:
    async with LiveOrigin([(90, "motion")], recipe=SMALL) as origin:
        gateway.seat(seated("back", origin.url))
        await packed(workers)
        await until(lambda: state(gateway, "back") is StreamState.LIVE)
        gateway.answer = lambda report: (409, "fenced") if report.epoch < 3 else None
        gateway.seat(seated("back", origin.url, epoch=3, stream=StreamState.LIVE))
        await until(lambda: any(report.epoch == 3 for report in of(gateway, "back")))
    assert facts(gateway, "back") == ["stream.started"]


async def test_a_seat_whose_role_breaks_is_taken_again_and_touches_no_other(
    gateway: FakeGateway, workers: Workers
) -> None:
    async with LiveOrigin([(90, "motion")], recipe=SMALL) as origin:
        (workers.folder / "state" / "seats").mkdir(parents=True)
        (workers.folder / "state" / "seats" / "uid-broken").write_text("a file where the seat's folder should be")
        gateway.seat(seated("broken", origin.url), seated("fine", origin.url))
        worker = await packed(workers)
        await until(lambda: state(gateway, "fine") is StreamState.LIVE)

        async def tried_again() -> bool:
            return await metric(worker, "castwarden_worker_seat_ends_total", reason="failed") >= 2

        await until(tried_again)
        (workers.folder / "state" / "seats" / "uid-broken").unlink()
        await until(lambda: state(gateway, "broken") is StreamState.LIVE)


async def test_a_process_restarted_while_the_gateway_is_down_goes_on_with_the_seats_it_had(
    gateway: FakeGateway, workers: Workers
) -> None:
    async with LiveOrigin([(4, "motion"), (120, "black")], recipe=SMALL) as origin:
        gateway.seat(seated("dark", origin.url), idle("held"))
        first = await packed(workers)
        await until(lambda: state(gateway, "dark") is StreamState.LIVE)
        await until(lambda: (workers.folder / "state" / "seats" / "uid-held" / "assignment.json").exists())
        await gateway.down()
        first.kill()
        await first.wait()
        second = await packed(workers)
        await until(lambda: any(event["event"] == "kept_seats_used" for event in second.events()))
        await until(lambda: sum(event["event"] == "told" for event in second.events()) == 1)
        await gateway.up()
        await until(lambda: "black raised" in facts(gateway, "dark"))
    assert facts(gateway, "dark") == ["stream.started", "black raised"]


async def test_it_is_ready_once_it_has_its_list_even_if_nobody_sits(gateway: FakeGateway, workers: Workers) -> None:
    await gateway.down()
    worker = await packed(workers)
    await until(lambda: any(event["event"] == "seats_unavailable" for event in worker.events()))
    status, body = await worker.health("/readyz")
    assert (status, "no list of seats yet" in body) == (503, True)
    await gateway.up()

    async def ready() -> bool:
        return await is_ready(worker)

    await until(ready)


async def test_a_worn_process_is_not_ready_and_ends_once_its_seats_have_moved(
    gateway: FakeGateway, workers: Workers
) -> None:
    gateway.seat(idle("held"))
    worker = await packed(workers, CASTWARDEN_RECYCLE_RSS_MIB="1")
    await until(lambda: any(event["event"] == "worn_out" for event in worker.events()))
    status, body = await worker.health("/readyz")
    assert (status, "wants to be replaced" in body) == (503, True)
    assert worker.process.returncode is None
    gateway.seat(leave=["uid-held"])
    assert await worker.wait() == 0


async def test_fifty_seats_begin_one_after_the_other_and_end_together(gateway: FakeGateway, workers: Workers) -> None:
    gateway.seat(*(idle(f"m{number}") for number in range(50)))
    worker = await packed(workers)
    await until(lambda: begun(gateway) == 50)
    assert await metric(worker, "castwarden_worker_seats") == 50
    worker.terminate()
    assert await worker.wait() == 0
    assert begun(gateway) == 50


async def test_one_seat_that_is_gone_leaves_the_others(gateway: FakeGateway, workers: Workers) -> None:
    gateway.seat(idle("gone"), idle("there"))
    worker = await packed(workers)
    await until(lambda: begun(gateway) == 2)
    gateway.absent.add("uid-gone")
    gateway.seat()

    async def noticed() -> bool:
        return await metric(worker, "castwarden_worker_seat_ends_total", reason="gone") >= 2

    await until(noticed)
    assert await metric(worker, "castwarden_worker_seats") == 2
    assert Counter(asked["uid"] for asked in gateway.asked if "version" not in asked)["uid-there"] == 1
