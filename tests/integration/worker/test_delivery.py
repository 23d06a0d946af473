# SPDX-License-Identifier: Apache-2.0
"""Nothing that a worker saw is lost: outbox and reporter against a gateway that misbehaves."""

import signal
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from castwarden_local.origin.feeds import Channel, Video, feed_app
from castwarden_model.messages import ChannelAssignment, ResourceRef
from castwarden_model.resources import ChannelSpec
from castwarden_worker.download.role import download_media
from castwarden_worker.poll.role import poll_feed
from castwarden_worker.reporter import REPORTS

from .conftest import FakeGateway, Worker, Workers, until

REF = ResourceRef(kind="Channel", namespace="media", name="news", uid="uid-1")
CHANNEL = "UC" + "a" * 22


@pytest.fixture
async def feed(gateway: FakeGateway, serve: Callable[..., Any]) -> str:
    """A channel with one video, assigned. Two reports come of it: the video, then the feed."""
    url = await serve(
        feed_app([Channel(CHANNEL, "News", [Video("video000000", "T", datetime(2026, 1, 1, tzinfo=UTC))])])
    )
    spec = ChannelSpec.model_validate({"source": {"feedUrl": f"{url}/feeds/videos.xml?channel_id={CHANNEL}"}})
    gateway.assign(ChannelAssignment(resource=REF, version="1", epoch=1, spec=spec))
    return str(url)


def waiting(workers: Workers) -> int:
    return len(list((workers.folder / "state" / "outbox").glob("*.json")))


async def answers(worker: Worker, path: str, wanted: int, text: str = "") -> bool:
    """Whether the worker's health server answers so by now."""
    try:
        status, body = await worker.health(path)
    except aiohttp.ClientError:
        return False  # it does not listen yet
    return status == wanted and text in body


@pytest.mark.usefixtures("feed")
async def test_reports_survive_kill_9_and_are_sent_by_the_next_process(gateway: FakeGateway, workers: Workers) -> None:
    gateway.answer = lambda _: (503, "database_unavailable")
    first = await workers.start("poll", REF)
    await until(lambda: waiting(workers) == 2)
    refused = await until(lambda: list(gateway.posted))
    first.kill()
    assert await first.wait() == -signal.SIGKILL
    gateway.answer = lambda _: None
    second = await workers.start("poll", REF)
    assert await second.wait() == 0
    assert gateway.reports[0].id == refused[0].id
    assert [len(report.videos) for report in gateway.reports] == [1, 0, 1, 0]
    assert [report.seq for report in gateway.reports] == sorted({report.seq for report in gateway.reports})
    assert waiting(workers) == 0


@pytest.mark.usefixtures("feed")
async def test_a_gateway_that_goes_and_comes_back_gets_everything_once(gateway: FakeGateway, workers: Workers) -> None:
    gateway.answer = lambda _: (503, "database_unavailable")
    worker = await workers.start("poll", REF)
    await until(lambda: waiting(workers) == 2)
    await gateway.down()
    gateway.answer = lambda _: None
    await until(lambda: any("ClientConnectorError" in (event.get("error") or "") for event in worker.events()))
    await gateway.up()
    assert await worker.wait() == 0
    assert [len(report.videos) for report in gateway.reports] == [1, 0]


@pytest.mark.usefixtures("feed")
async def test_an_answer_that_is_lost_makes_the_same_report_come_again(gateway: FakeGateway, workers: Workers) -> None:
    gateway.lose_answers = 2
    assert await workers.run(poll_feed, REF) == 0
    assert len(gateway.reports) == 2
    assert sorted(Counter(report.id for report in gateway.posted).values()) == [1, 3]
    assert gateway.posted[0] == gateway.posted[1]


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_report_that_never_heals_is_dropped_aloud_and_the_next_one_goes(
    gateway: FakeGateway, workers: Workers, status: int
) -> None:
    gateway.answer = lambda report: (status, "invalid") if report.videos else None
    refused = REPORTS.labels("refused")._value.get()
    assert await workers.run(poll_feed, REF) == 0
    assert [bool(report.feed) for report in gateway.reports] == [True]
    assert REPORTS.labels("refused")._value.get() == refused + 1


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize(("status", "code"), [(404, "gone"), (409, "fenced")])
async def test_a_worker_that_is_no_longer_wanted_ends_with_success(
    gateway: FakeGateway, workers: Workers, status: int, code: str
) -> None:
    gateway.answer = lambda _: (status, code)
    assert await workers.run(poll_feed, REF) == 0
    assert gateway.reports == []


async def test_a_worker_whose_resource_is_gone_ends_with_success(gateway: FakeGateway, workers: Workers) -> None:
    assert await workers.run(poll_feed, REF) == 0
    assert len(gateway.asked) == 1


@pytest.mark.usefixtures("feed")
async def test_a_404_of_something_in_between_does_not_end_the_worker(gateway: FakeGateway, workers: Workers) -> None:
    gateway.answer = lambda _: (404, "not_found") if len(gateway.posted) < 3 else None
    assert await workers.run(poll_feed, REF) == 0
    assert len(gateway.reports) == 2


@pytest.mark.usefixtures("feed")
async def test_sigterm_ends_the_worker_although_nobody_takes_its_reports_and_keeps_them(
    gateway: FakeGateway, workers: Workers
) -> None:
    gateway.answer = lambda _: (503, "database_unavailable")
    worker = await workers.start("poll", REF)
    await until(lambda: answers(worker, "/metrics", 200, "castwarden_worker_outbox_reports 2.0"))
    worker.terminate()
    assert await worker.wait() == 143  # long before a poll gives up on its gateway
    assert waiting(workers) == 2
    assert worker.events()[-1]["unsent"] == 2


@pytest.mark.usefixtures("feed")
async def test_the_token_is_read_anew_for_each_call(gateway: FakeGateway, workers: Workers) -> None:
    assert gateway.assignment
    newer = gateway.assignment.model_copy(update={"version": "2"})
    gateway.answer = lambda _: (503, "database_unavailable")
    await workers.start("poll", REF)
    await until(lambda: versions(gateway)[-1:] == ["1"])  # it waits for news, with the first token
    (workers.folder / "token").write_text("second-token")
    gateway.assign(newer)
    await until(lambda: versions(gateway)[-1] == "2")
    assert (gateway.tokens[0], gateway.tokens[-1]) == ("Bearer first-token", "Bearer second-token")


def versions(gateway: FakeGateway) -> list[str | None]:
    """What workers said they had, each time they asked for an assignment."""
    return [query.get("version") for query in gateway.asked]


@pytest.mark.usefixtures("feed")
async def test_readiness_tells_of_a_missing_assignment_and_then_of_none(gateway: FakeGateway, workers: Workers) -> None:
    await gateway.down()
    worker = await workers.start("poll", REF)
    await until(lambda: any(event["event"] == "assignment_unavailable" for event in worker.events()))
    status, text = await worker.health("/readyz")
    assert (status, "no assignment yet" in text) == (503, True)
    assert (await worker.health("/healthz"))[0] == 200
    gateway.answer = lambda _: (503, "database_unavailable")
    await gateway.up()
    await until(lambda: answers(worker, "/readyz", 200))
    await until(lambda: answers(worker, "/metrics", 200, "castwarden_worker_outbox_reports 2.0"))


async def test_a_wrong_setting_ends_the_start_with_one_line(workers: Workers) -> None:
    worker = await workers.start("poll", REF, CASTWARDEN_GATEWAY_URL="gateway:8081")
    assert await worker.wait() == 2
    (line,) = worker.log.read_text().splitlines()
    assert "CASTWARDEN_GATEWAY_URL" in line


@pytest.mark.usefixtures("feed")
async def test_a_role_that_does_not_fit_the_resource_fails(workers: Workers) -> None:
    assert await workers.run(download_media, REF) == 1
