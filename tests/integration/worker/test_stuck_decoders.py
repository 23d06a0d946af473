# SPDX-License-Identifier: Apache-2.0
"""A decoder that does not return: the worker says so, ends, and does not run into it again."""

from typing import Any

import pytest
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import LiveOrigin
from castwarden_model.messages import MonitorAssignment, OpenCondition, Report, ResourceRef
from castwarden_model.resources import MonitorSpec

from .conftest import FakeGateway, Workers, until

SMALL = Recipe(width=160, height=90)
STUCK = "tests.integration.worker.stuck_worker"
pytestmark = pytest.mark.timeout(150)


def assigned(name: str, url: str, *, epoch: int = 1, **known: Any) -> MonitorAssignment:
    spec = {"source": {"url": url}, "lookInterval": "2s", "checks": {"freeze": {"enabled": False}}}
    ref = ResourceRef(kind="Monitor", namespace="media", name=name, uid=f"uid-{name}")
    return MonitorAssignment(resource=ref, version="1", epoch=epoch, spec=MonitorSpec.model_validate(spec), **known)


def degraded(reports: list[Report]) -> list[Any]:
    """Transitions of `analysis_degraded`."""
    found = [transition for report in reports for transition in report.transitions]
    return [transition for transition in found if transition.condition == "analysis_degraded"]


def analysed(reports: list[Report], name: str, epoch: int) -> int:
    """Segments that the worker of that epoch has told of."""
    told = [report.monitor for report in reports if report.resource.name == name and report.epoch == epoch]
    return max((seen.statistics.total_segments_analyzed for seen in told if seen), default=0)


async def test_it_is_told_the_process_ends_and_the_next_one_does_not_decode_that_stream(
    gateway: FakeGateway, workers: Workers
) -> None:
    async with LiveOrigin([(120, "motion")], recipe=SMALL) as origin:
        first = assigned("main", origin.url)
        gateway.assign(first)
        worker = await workers.start("monitor", first.resource, module=STUCK)
        assert await worker.wait() == 1
        (raised,) = degraded(gateway.reports)
        assert (raised.state, raised.measured["reason"]) == ("raised", "a call that decodes does not return")
        assert {"decode_stuck", "decode_given_up"} <= {event["event"] for event in worker.events()}

        known = OpenCondition(condition="analysis_degraded", episode=raised.episode, started_at=raised.started_at)
        gateway.assign(assigned("main", origin.url, epoch=2, open=[known]))
        again = await workers.start("monitor", first.resource, module=STUCK)
        await until(lambda: analysed(gateway.reports, "main", 2) >= 4)
        again.terminate()
        assert await again.wait() == 0
        assert degraded(gateway.reports) == [raised]


async def test_what_could_not_be_told_waits_for_the_next_process(gateway: FakeGateway, workers: Workers) -> None:
    async with LiveOrigin([(120, "motion")], recipe=SMALL) as origin:
        first = assigned("main", origin.url)
        gateway.assign(first)
        gateway.answer = lambda _: (503, "database_unavailable")
        worker = await workers.start("monitor", first.resource, module=STUCK)
        assert await worker.wait() == 1
        gateway.answer = lambda _: None
        await workers.start("monitor", first.resource)
        await until(lambda: [transition.state for transition in degraded(gateway.reports)][:1] == ["raised"])


async def test_a_process_of_many_ends_with_it_and_then_watches_them_all(gateway: FakeGateway, workers: Workers) -> None:
    async with LiveOrigin([(120, "motion")], recipe=SMALL) as one, LiveOrigin([(120, "motion")], recipe=SMALL) as other:
        seats = [assigned(name, origin.url) for name, origin in (("one", one), ("other", other))]
        gateway.seat(*seats)
        worker = await workers.start("monitors", seats[0].resource, module=STUCK, CASTWARDEN_POOL="default")
        assert await worker.wait() == 1
        (raised,) = degraded(gateway.reports)
        stuck = next(report.resource.name for report in gateway.reports if raised in report.transitions)
        rests = list((workers.folder / "state" / "seats").glob("*/rest"))
        assert [path.parent.name for path in rests] == [f"uid-{stuck}"]

        gateway.seat(*(assigned(one.resource.name, one.spec.source.page_url, epoch=2) for one in seats))
        again = await workers.start("monitors", seats[0].resource, CASTWARDEN_POOL="default")
        await until(lambda: all(analysed(gateway.reports, name, 2) >= 4 for name in ("one", "other")))
        again.terminate()
        assert await again.wait() == 0


async def test_the_others_are_watched_while_one_does_not_return(gateway: FakeGateway, workers: Workers) -> None:
    async with LiveOrigin([(120, "motion")], recipe=SMALL) as one, LiveOrigin([(120, "motion")], recipe=SMALL) as other:
        gateway.seat(*(assigned(name, origin.url) for name, origin in (("one", one), ("other", other))))
        ref = ResourceRef(kind="Monitor", namespace="media", name="unused", uid="unused")
        await workers.start("monitors", ref, module=STUCK, CASTWARDEN_POOL="default", STUCK_SECONDS="3600")
        await until(lambda: max(analysed(gateway.reports, name, 1) for name in ("one", "other")) >= 4)
        assert min(analysed(gateway.reports, name, 1) for name in ("one", "other")) == 0
