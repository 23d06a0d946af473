# SPDX-License-Identifier: Apache-2.0
"""An endpoint that is given up: what waits for it can be recovered, the tenant hears of it by its other endpoints."""

from dataclasses import replace

from castwarden_base.waiting import wait_until

from tests.integration.webhooks.conftest import QUICK, Bench, Engines, Receivers

OFTEN = replace(QUICK, tidy_seconds=0.2)
AGE = "update webhook_endpoints set failing_since = last_error_at - interval '{}' where id = $1"


async def test_after_five_days_of_nothing_but_failures_an_endpoint_is_disabled_and_others_are_told(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    failing, other = await receiver(500), await receiver()
    endpoint, _ = await bench.endpoint(failing.url, events=["stream.*"])
    await bench.endpoint(other.url, events=["webhook.*"])
    await engine(OFTEN)
    await bench.emit("stream.started")
    await wait_until(lambda: bench.row("select * from webhook_endpoints where failing_since is not null"), 30)
    await bench.database.execute(AGE.format("5 days 1 minute"), endpoint)
    await wait_until(lambda: len(other.received) == 1, 30)

    told = other.received[0].json
    assert (told["type"], told["subject"]["kind"]) == ("webhook.disabled", "WebhookEndpoint")
    assert told["data"]["endpoint_id"] == str(endpoint)
    assert told["data"]["reason"] == "nothing but failures for 5 days"
    assert told["data"]["last_error"] == "status_500"
    row = await bench.row("select enabled, disabled_reason from webhook_endpoints where not enabled")
    assert row["disabled_reason"] == told["data"]["reason"]
    assert await bench.database.fetchval("select count(*) from webhook_dead where endpoint_id = $1", endpoint) == 1


async def test_an_endpoint_that_has_failed_for_less_goes_on(bench: Bench, receiver: Receivers, engine: Engines) -> None:
    hook = await receiver(500)
    (longer, _), (shorter, _) = [await bench.endpoint(hook.url, events=["stream.*"]) for _ in range(2)]
    await engine(OFTEN)
    await bench.emit("stream.started")
    both = "select 1 from webhook_endpoints having count(failing_since) = 2"
    await wait_until(lambda: bench.row(both), 30)
    await bench.database.execute(AGE.format("4 days 23 hours"), shorter)
    await bench.database.execute(AGE.format("5 days 1 minute"), longer)
    gone = await wait_until(lambda: bench.row("select id from webhook_endpoints where not enabled"), 30)
    assert gone["id"] == longer
    assert await bench.database.fetchval("select enabled from webhook_endpoints where id = $1", shorter)


async def test_a_receiver_that_is_gone_is_told_of_once(bench: Bench, receiver: Receivers, engine: Engines) -> None:
    gone, other = await receiver(410), await receiver()
    await bench.endpoint(gone.url, events=["stream.*"])
    await bench.endpoint(other.url, events=["webhook.*", "alert.*"])
    await engine(OFTEN)
    await bench.emit("stream.started", "stream.ended", "stream.delayed")
    await wait_until(lambda: len(other.received) == 1, 30)
    await bench.emit("alert.freeze")
    await wait_until(bench.drained, 30)
    assert [received.json["type"] for received in other.received] == ["webhook.disabled", "alert.freeze"]
    assert other.received[0].json["data"]["reason"] == "the receiver answered 410 Gone"
