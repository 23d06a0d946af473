# SPDX-License-Identifier: Apache-2.0
"""An endpoint gets what it never got of the past: all of it, once, and nothing that it did not want."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks import replays

from tests.integration.webhooks.conftest import Api, Bench, Engines, Receivers

HOUR_AGO = (datetime.now(UTC) - timedelta(hours=1)).isoformat()


async def begin(api: Api, url: str, **options: Any) -> tuple[str, str]:
    """A new endpoint and a replay for it."""
    _, made = await api("POST", "/endpoints", {"url": url, **options})
    id_ = made["data"]["id"]
    status, begun = await api("POST", f"/endpoints/{id_}/replay", {"since": HOUR_AGO})
    assert (status, begun["data"]["status"]) == (201, "running")
    return id_, begun["data"]["id"]


async def ended(api: Api, replay: str) -> Any:
    """The replay, once it has ended."""

    async def seen() -> Any:
        _, shown = await api("GET", f"/replays/{replay}")
        return None if shown["data"]["status"] == "running" else shown["data"]

    return await wait_until(seen, 30)


async def steps(bench: Bench, **sizes: int) -> int:
    """Runs what there is to run; in how many steps."""
    count = 0
    while await bench.database.run(lambda connection: replays.step(connection, **sizes)):
        count += 1
    return count


async def queued(bench: Bench) -> set[Any]:
    return {row["event_id"] for row in await bench.database.fetch("select event_id from webhook_deliveries")}


async def test_what_came_before_the_endpoint_arrives_and_its_progress_is_told(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    wanted = await bench.emit("stream.started", "alert.black", "alert.black_recovered")
    await bench.emit("video.created")
    hook = await receiver()
    await engine()
    endpoint, replay = await begin(api, hook.url, events=["stream.*", "alert.*"])
    told = await ended(api, replay)
    assert (told["status"], told["progress"], told["events"], told["queued"]) == ("completed", 1.0, 4, 3)
    await wait_until(lambda: len(hook.received) == 3, 30)
    assert set(hook.ids) == {str(id_) for id_ in wanted}
    _, listed = await api("GET", f"/replays?endpoint_id={endpoint}")
    assert [one["id"] for one in listed["data"]] == [replay]


async def test_what_has_arrived_waits_or_can_be_recovered_is_not_sent_again(api: Api, bench: Bench) -> None:
    endpoint, _ = await bench.endpoint("http://127.0.0.1:9/")
    arrived, waiting, dead = await bench.emit(*["stream.started"] * 3)
    await bench.database.execute(
        "insert into webhook_attempts (tenant_id, delivery_id, at, event_id, endpoint_id, attempt, outcome, ms,"
        " delivery_created_at)"
        " select tenant_id, id, now(), event_id, endpoint_id, 1, 'sent', 1, now() from webhook_deliveries"
        " where event_id = $1",
        arrived,
    )
    await bench.database.execute(
        "insert into webhook_dead (tenant_id, id, event_id, endpoint_id, attempt, created_at)"
        " select tenant_id, id, event_id, endpoint_id, 9, now() from webhook_deliveries where event_id = $1",
        dead,
    )
    await bench.database.execute("delete from webhook_deliveries where event_id = any ($1)", [arrived, dead])
    await bench.database.execute("update webhook_endpoints set events = '{video.created}'")
    (missed,) = await bench.emit("stream.started")
    await bench.database.execute("update webhook_endpoints set events = '{*}'")
    await api("POST", f"/endpoints/{endpoint}/replay", {"since": HOUR_AGO})
    await steps(bench)
    assert await queued(bench) == {waiting, missed}


async def test_a_long_replay_goes_page_by_page_and_rests_while_much_is_waiting(api: Api, bench: Bench) -> None:
    emitted = await bench.emit(*["stream.started"] * 25)
    _, replay = await begin(api, "http://127.0.0.1:9/")
    assert await steps(bench, size=10, much=15) == 2
    _, shown = await api("GET", f"/replays/{replay}")
    assert (shown["data"]["status"], shown["data"]["events"], shown["data"]["queued"]) == ("running", 20, 20)
    assert 0 < shown["data"]["progress"] <= 1
    await bench.database.execute("delete from webhook_deliveries where event_id = any ($1)", emitted[:10])
    assert await steps(bench, size=10, much=15) == 1
    assert (await ended(api, replay))["queued"] == 25
    assert await queued(bench) == set(emitted[10:])


async def test_a_step_that_is_interrupted_neither_skips_nor_repeats(api: Api, bench: Bench) -> None:
    emitted = await bench.emit(*["stream.started"] * 12)
    await begin(api, "http://127.0.0.1:9/")

    async def dies(connection: Any) -> None:
        assert await replays.step(connection, size=5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await bench.database.run(dies)
    assert await queued(bench) == set()
    await steps(bench, size=5)
    assert await bench.unfinished() == 12
    assert await queued(bench) == set(emitted)


async def test_two_gateways_never_work_on_one_replay_at_once(api: Api, bench: Bench) -> None:
    await bench.emit("stream.started")
    await begin(api, "http://127.0.0.1:9/")

    async def meanwhile(connection: Any) -> tuple[bool, bool]:
        mine = await replays.step(connection)
        return mine, await bench.database.run(replays.step)

    assert await bench.database.run(meanwhile) == (True, False)


async def test_one_that_is_cancelled_queues_no_more_and_another_may_begin(api: Api, bench: Bench) -> None:
    await bench.emit(*["stream.started"] * 3)
    endpoint, replay = await begin(api, "http://127.0.0.1:9/")
    status, problem = await api("POST", f"/endpoints/{endpoint}/replay", {"since": HOUR_AGO})
    assert (status, problem["code"]) == (409, "webhook-replay-running")
    assert replay in problem["detail"]
    _, shown = await api("POST", f"/replays/{replay}/cancel")
    assert (shown["data"]["status"], shown["data"]["reason"]) == ("cancelled", "by request")
    assert await steps(bench) == 0
    _, again = await api("POST", f"/replays/{replay}/cancel")
    assert again == shown
    assert (await api("POST", f"/endpoints/{endpoint}/replay", {"since": HOUR_AGO}))[0] == 201


async def test_a_replay_ends_when_its_endpoint_is_disabled_and_goes_with_it(api: Api, bench: Bench) -> None:
    await bench.emit("stream.started")
    endpoint, replay = await begin(api, "http://127.0.0.1:9/")
    await api("PATCH", f"/endpoints/{endpoint}", {"enabled": False})
    await steps(bench)
    told = await ended(api, replay)
    assert (told["status"], told["reason"]) == ("cancelled", "the endpoint was disabled")
    assert await bench.unfinished() == 0
    status, problem = await api("POST", f"/endpoints/{endpoint}/replay", {"since": HOUR_AGO})
    assert (status, problem["code"]) == (409, "webhook-endpoint-disabled")
    await api("DELETE", f"/endpoints/{endpoint}")
    assert (await api("GET", f"/replays/{replay}"))[0] == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"since": "2020-01-01T00:00:00Z"}, "/since"),
        ({"since": HOUR_AGO, "until": "2999-01-01T00:00:00Z"}, "/until"),
        ({"since": HOUR_AGO, "until": HOUR_AGO}, "/since"),
    ],
)
async def test_times_that_make_no_sense_are_refused(api: Api, bench: Bench, body: Any, pointer: str) -> None:
    endpoint, _ = await bench.endpoint("http://127.0.0.1:9/")
    status, problem = await api("POST", f"/endpoints/{endpoint}/replay", body)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)


async def test_an_ordered_endpoint_gets_the_past_in_its_order(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    emitted = [(await bench.emit("stream.started"))[0] for _ in range(20)]
    hook = await receiver()
    await engine()
    await begin(api, hook.url, ordered=True)
    await wait_until(lambda: len(hook.received) == 20, 30)
    assert [got.id for got in hook.received] == [str(id_) for id_ in emitted]
