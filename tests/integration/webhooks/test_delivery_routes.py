# SPDX-License-Identifier: Apache-2.0
"""Deliveries over HTTP: listed, looked into, sent again."""

from typing import Any

from castwarden_base.waiting import wait_until

from tests.integration.webhooks.conftest import PATH, Api, Bench, Engines, Receivers


async def test_deliveries_are_listed_by_state_newest_first_with_their_history(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    good, bad = await receiver(), await receiver(404)
    await bench.endpoint(good.url)
    bad_id, _ = await bench.endpoint(bad.url)
    running = await engine()
    first, second = await bench.emit("stream.started", "stream.ended")
    await wait_until(lambda: listed(api, "?status=sent", 2), 30)
    await wait_until(lambda: listed(api, "?status=failed", 2), 30)
    await running.stop()
    await bench.emit("alert.freeze")

    assert len(await listed(api, "?status=pending", 2)) == 2
    everything = (await api("GET", "/deliveries"))[1]["data"]
    assert [row["id"] for row in everything] == sorted((row["id"] for row in everything), reverse=True)
    assert len(everything) == 6
    failed = (await api("GET", f"/deliveries?status=failed&endpoint_id={bad_id}"))[1]["data"]
    assert [row["event_id"] for row in failed] == [str(second), str(first)]
    assert {row["event_type"] for row in failed} == {"stream.started", "stream.ended"}
    assert failed[0]["next_attempt_at"] is not None

    _, body = await api("GET", f"/deliveries/{failed[0]['id']}")
    assert (body["data"]["attempts"], body["data"]["last_status_code"]) == (1, 404)
    (attempt,) = body["data"]["history"]
    assert (attempt["outcome"], attempt["error"], attempt["status_code"]) == ("failed", "status_404", 404)


async def test_the_next_attempt_is_told_for_when_the_endpoint_takes_any(api: Api, bench: Bench) -> None:
    endpoint, _ = await bench.endpoint("https://hooks.example/")
    await bench.emit("stream.started")

    async def told() -> Any:
        (row,) = await listed(api, "", 1)
        _, one = await api("GET", f"/deliveries/{row['id']}")
        assert one["data"]["next_attempt_at"] == row["next_attempt_at"]
        return row["next_attempt_at"]

    assert await told() is not None
    later = "2999-01-01T00:00:00Z"
    await bench.database.execute("update webhook_endpoints set resting_until = '2999-01-01T00:00:00Z'")
    assert await told() == later
    await bench.database.execute("update webhook_endpoints set resting_until = null")
    await api("POST", f"/endpoints/{endpoint}/pause", {"until": later})
    assert await told() == later
    await api("POST", f"/endpoints/{endpoint}/pause", {})
    assert await told() is None


async def test_a_cursor_walks_through_all_deliveries_once(api: Api, bench: Bench) -> None:
    await bench.endpoint("https://hooks.example/")
    await bench.emit(*["stream.started"] * 7)
    seen: list[str] = []
    path: str | None = "/deliveries?limit=3"
    while path:
        _, body = await api("GET", path.removeprefix(PATH))
        seen += [row["id"] for row in body["data"]]
        path = body["links"]["next"]
    assert len(seen) == len(set(seen)) == 7
    assert (await api("GET", "/deliveries?cursor=bogus"))[0] == 422
    assert (await api("GET", "/deliveries?status=lost"))[0] == 422


async def test_a_sent_delivery_is_resent_under_the_same_webhook_id(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    await bench.endpoint(hook.url)
    await engine()
    (event_id,) = await bench.emit("stream.started")
    (sent,) = await wait_until(lambda: listed(api, "?status=sent", 1), 30)
    status, body = await api("POST", f"/deliveries/{sent['id']}/resend")
    assert (status, body["data"]["event_id"]) == (202, str(event_id))
    await wait_until(lambda: listed(api, "?status=sent", 2), 30)
    assert hook.ids == {str(event_id): 2}


async def test_a_failed_delivery_is_resent_without_waiting_and_a_dead_one_is_revived(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver(404)
    endpoint_id, _ = await bench.endpoint(hook.url)
    await engine()
    await bench.emit("stream.started")
    (failed,) = await wait_until(lambda: listed(api, "?status=failed", 1), 30)
    await api("POST", f"/deliveries/{failed['id']}/resend")
    await wait_until(
        lambda: bench.row("select 1 from webhook_deliveries where attempt = 2 and lease_owner is null"), 30
    )

    await bench.database.execute("update webhook_deliveries set attempt = 9, due_at = now()")
    (dead,) = await wait_until(lambda: listed(api, "?status=dead", 1), 30)
    assert dead["id"] == failed["id"]
    hook.behaviour = None
    status, body = await api("POST", f"/endpoints/{endpoint_id}/recover", {"since": dead["created_at"]})
    assert (status, body["data"]) == (202, {"recovered": 1})
    (sent,) = await wait_until(lambda: listed(api, "?status=sent", 1), 30)
    assert sent["id"] == failed["id"]
    _, body = await api("POST", f"/endpoints/{endpoint_id}/recover", {"since": "2999-01-01T00:00:00Z"})
    assert body["data"] == {"recovered": 0}


async def listed(api: Api, query: str, count: int) -> Any:
    """The deliveries that a query lists once they are `count`."""
    rows = (await api("GET", f"/deliveries{query}"))[1]["data"]
    return rows if len(rows) == count else None
