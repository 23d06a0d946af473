# SPDX-License-Identifier: Apache-2.0
"""What a receiver sees of the engine."""

import asyncio
import hashlib
import hmac
from functools import partial

import pytest
from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks import store
from prometheus_client import REGISTRY
from standardwebhooks import Webhook

from tests.integration.webhooks.conftest import Bench, Engines, Receivers


async def test_an_event_reaches_every_endpoint_that_wants_it_signed_and_leaves_the_queue(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    alerts, everything = await receiver(), await receiver()
    _, secret = await bench.endpoint(alerts.url, events=["alert.*"])
    await bench.endpoint(everything.url)
    await engine()
    alert, started = await bench.emit("alert.blackout", "stream.started")
    await wait_until(bench.drained, 30)

    assert alerts.ids == {str(alert): 1}
    assert everything.ids == {str(alert): 1, str(started): 1}
    got = alerts.received[0]
    assert Webhook(secret).verify(got.body, got.headers)["type"] == "alert.blackout"
    assert got.json["subject"] == {"kind": "Monitor", "namespace": "acme", "name": "studio", "uid": "uid-1"}


async def test_a_monitors_webhook_url_gets_the_stream_trackers_headers_and_envelope_for_this_monitor_alone(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    await bench.bound(hook.url, "uid-1")
    await engine()
    await bench.emit("stream.started", uid="uid-2")
    await bench.emit("stream.started", uid="uid-1", data={"title": "Main"})
    await wait_until(bench.drained, 30)

    (got,) = hook.received
    assert got.json["event_type"] == "stream.started"
    assert got.json["monitor_id"] == "studio"
    assert got.json["stream_url"] == "https://live.example/a"
    assert got.json["data"] == {"title": "Main"}
    sealed = await bench.database.fetchval("select secret from webhook_signing_keys")
    secret = bench.signer.keyring.open(sealed, bench.tenant_id.bytes)
    signed = got.headers["X-Timestamp"].encode() + b"." + got.body
    expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert got.headers["X-Signature-256"] == expected
    Webhook(secret).verify(got.body, got.headers)


async def test_yt_trackers_receiver_gets_its_headers_and_its_flat_body(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, secret = await bench.endpoint(hook.url, profile="body-sha256", payload="yt-tracker")
    await engine()
    await bench.emit("video.created", data={"video_id": "1", "youtube_id": "abc", "title": "T", "published_at": None})
    await wait_until(bench.drained, 30)

    (got,) = hook.received
    assert got.json == {"video_id": "1", "youtube_id": "abc", "title": "T", "published_at": None}
    expected = hmac.new(secret.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["X-Webhook-Signature"] == f"sha256={expected}"
    assert got.headers["X-Webhook-Event"] == "video.created"
    Webhook(secret).verify(got.body, got.headers)


async def test_a_failing_delivery_follows_the_seeds_schedule_is_parked_and_can_be_recovered(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver(404)
    endpoint_id, _ = await bench.endpoint(hook.url, retry="seed")
    await engine()
    (event_id,) = await bench.emit("stream.started")

    waits = []
    for attempt in range(1, 6):
        await wait_until(partial(has_failed, bench, attempt), 30)
        waits.append(
            await bench.database.fetchval(
                "select extract(epoch from d.due_at - a.at)::float8 from webhook_deliveries d, webhook_attempts a "
                "where a.attempt = d.attempt"
            )
        )
        await bench.make_due()
    await wait_until(bench.drained, 30)

    for waited, promised in zip(waits, [60, 300, 900, 3600, 86400], strict=True):
        assert 0.79 * promised <= waited <= 1.21 * promised + 30
    dead = await bench.row("select * from webhook_dead")
    assert (dead["attempt"], dead["last_status"], dead["last_error"]) == (6, 404, "status_404")
    assert hook.ids == {str(event_id): 6}

    hook.behaviour = None
    async with bench.database.connection() as connection:
        assert await store.revive(connection, bench.tenant_id, endpoint_id, dead["created_at"]) == 1
    await wait_until(bench.drained, 30)
    assert hook.ids == {str(event_id): 7}
    assert await bench.database.fetchval("select count(*) from webhook_dead") == 0
    outcomes = await bench.database.fetch("select outcome from webhook_attempts order by at")
    assert [row["outcome"] for row in outcomes] == ["failed"] * 5 + ["dead", "sent"]


async def test_gone_disables_the_endpoint_and_parks_what_waits_for_it(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver(410)
    await bench.endpoint(hook.url, max_in_flight=1)
    await bench.emit("stream.started", "stream.ended", "stream.delayed")
    await engine()
    await wait_until(bench.drained, 30)

    row = await bench.row("select enabled, disabled_reason from webhook_endpoints")
    assert (row["enabled"], row["disabled_reason"]) == (False, "the receiver answered 410 Gone")
    assert await bench.database.fetchval("select count(*) from webhook_dead") == 3
    assert len(hook.received) == 1
    await bench.emit("stream.started")
    assert await bench.unfinished() == 0


async def test_a_redirect_is_a_failure_and_is_not_followed(bench: Bench, receiver: Receivers, engine: Engines) -> None:
    target = await receiver()

    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": target.url})

    hook = await receiver(redirect)
    await bench.endpoint(hook.url)
    await engine()
    await bench.emit("stream.started")
    await wait_until(lambda: has_failed(bench, 1), 30)
    assert target.received == []
    attempt = await bench.row("select error, response_headers from webhook_attempts")
    assert attempt["error"] == "status_307"
    assert attempt["response_headers"]["Location"] == target.url


async def test_a_receiver_that_asks_for_a_rest_gets_nothing_until_it_is_over(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "900"})

    hook = await receiver(busy)
    await bench.endpoint(hook.url)
    await engine()
    await bench.emit("stream.started")
    await wait_until(lambda: has_failed(bench, 1), 30)
    paused = await bench.database.fetchval("select extract(epoch from paused_until - now()) from webhook_endpoints")
    assert 600 < paused <= 900
    await bench.emit("stream.ended")
    await bench.make_due()
    hook.behaviour = None
    other = await receiver()
    await bench.endpoint(other.url, events=["alert.*"])
    await bench.emit("alert.freeze", "alert.silence")
    await wait_until(lambda: len(other.received) == 2, 30)
    assert len(hook.received) == 1

    await bench.database.execute("update webhook_endpoints set paused_until = now()")
    await wait_until(bench.drained, 30)
    assert len(hook.received) == 5


async def test_what_the_receiver_said_is_kept_up_to_a_bound(bench: Bench, receiver: Receivers, engine: Engines) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500, headers={"X-Request-Id": "abc", "Set-Cookie": "a=b"})
        await response.prepare(request)
        while True:
            await response.write(b"\xff" * 4096)

    hook = await receiver(endless)
    await bench.endpoint(hook.url)
    await engine()
    await bench.emit("stream.started")
    await wait_until(lambda: has_failed(bench, 1), 30)
    attempt = await bench.row("select * from webhook_attempts")
    assert attempt["response_body"] == b"\xff" * 16384
    assert attempt["response_headers"]["X-Request-Id"] == "abc"
    assert "Set-Cookie" not in attempt["response_headers"]
    await wait_until(lambda: hook.now == 0, 30)


async def test_a_receiver_that_drips_its_answer_is_cut_off_in_time(
    bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.05)

    hook = await receiver(drip)
    await bench.endpoint(hook.url, timeout_seconds=1)
    await engine()
    await bench.emit("stream.started")
    await wait_until(bench.drained, 30)
    attempt = await bench.row("select * from webhook_attempts")
    assert (attempt["outcome"], attempt["status"]) == ("sent", 200)
    assert 0 < len(attempt["response_body"]) < 200


async def test_a_server_that_never_answers_is_a_timeout(bench: Bench, silent_server: str, engine: Engines) -> None:
    await bench.endpoint(silent_server, timeout_seconds=1)
    await engine()
    await bench.emit("stream.started")
    await wait_until(lambda: has_failed(bench, 1), 30)
    attempt = await bench.row("select * from webhook_attempts")
    assert (attempt["status"], attempt["error"]) == (None, "timeout")
    assert attempt["ms"] >= 1000


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"not http at all\r\n\r\n", "protocol"),
        (b"", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nX-Request-Id: \xff\xfe\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", None),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", None),
        (b"HTTP/1.1 500 \r\nRetry-After: never\r\nContent-Length: 3\r\n\r\n\0\0\0", "status_500"),
    ],
)
async def test_whatever_bytes_come_back_the_attempt_is_recorded(
    bench: Bench, engine: Engines, answer: bytes, error: str | None
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await bench.endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await engine()
        await bench.emit("stream.started")
        attempt = await wait_until(lambda: bench.row("select outcome, error from webhook_attempts"), 30)
    assert attempt["error"] == error
    assert attempt["outcome"] == ("failed" if error else "sent")


async def has_failed(bench: Bench, attempts: int) -> bool:
    failed: bool = await bench.database.fetchval(
        "select exists (select from webhook_deliveries where attempt = $1 and lease_owner is null)", attempts
    )
    return failed


async def test_what_happens_is_told_to_prometheus(bench: Bench, receiver: Receivers, engine: Engines) -> None:
    def sample(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"castwarden_{name}", labels) or 0.0

    good, bad = await receiver(), await receiver(404)
    await bench.endpoint(good.url)
    await bench.endpoint(bad.url)
    sent = sample("deliveries_total", outcome="sent", status_class="2xx")
    failed = sample("deliveries_total", outcome="failed", status_class="4xx")
    timed, first = sample("delivery_seconds_count"), sample("enqueue_to_first_attempt_seconds_count")
    await bench.emit("stream.started")
    running = await engine()
    await wait_until(lambda: has_failed(bench, 1), 30)
    await wait_until(lambda: bench.row("select 1 from webhook_attempts where outcome = 'sent'"), 30)
    assert sample("deliveries_total", outcome="sent", status_class="2xx") == sent + 1
    assert sample("deliveries_total", outcome="failed", status_class="4xx") == failed + 1
    assert sample("delivery_seconds_count") == timed + 2
    assert sample("enqueue_to_first_attempt_seconds_count") == first + 2
    assert sample("in_flight") == 0

    await bench.database.execute("update webhook_endpoints set paused_until = now() + interval '1 hour';")
    await bench.database.execute("update webhook_deliveries set due_at = now() - interval '1 minute'")
    await wait_until(lambda: sample("queue_held") == 1, 30)
    assert sample("queue_due") == sample("queue_oldest_due_seconds") == 0
    await bench.database.execute("update webhook_endpoints set paused_until = null, enabled = false")
    await wait_until(lambda: sample("queue_due") == 1, 30)
    assert sample("queue_oldest_due_seconds") >= 60
    assert sample("queue_held") == 0
    await running.stop()
