# SPDX-License-Identifier: Apache-2.0
"""What an endpoint can be set to, from the API to what its receiver sees."""

import base64
import json
from typing import Any

import pytest
from castwarden_base.waiting import wait_until
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.integration.webhooks.conftest import Api, Bench, Engines, Received, Receivers

HOOK = "https://hooks.example/a"


async def test_only_events_that_the_filter_and_the_labels_let_through_are_queued(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    condition = {"data": {"duration_sec": {"$gte": 60}}, "type": {"$startsWith": "alert."}}
    wanted = {"url": hook.url, "labels": {"desk": "7", "team": "a"}, "filter": condition}
    status, made = await api("POST", "/endpoints", wanted)
    assert (status, made["data"]["labels"], made["data"]["filter"]) == (201, wanted["labels"], condition)
    labels = {"desk": "7", "team": "a", "more": "x"}
    await bench.emit("alert.freeze", data={"duration_sec": 59.9}, metadata=labels)
    await bench.emit("alert.freeze", data={"duration_sec": 60}, metadata={"desk": "7"})
    await bench.emit("stream.started", data={"duration_sec": 60}, metadata=labels)
    (let_through,) = await bench.emit("alert.freeze", data={"duration_sec": 60}, metadata=labels)
    await engine()
    await wait_until(bench.drained, 30)
    assert hook.ids == {str(let_through): 1}


async def test_a_changed_filter_counts_from_the_next_event_on(api: Api, bench: Bench) -> None:
    _, made = await api("POST", "/endpoints", {"url": HOOK, "filter": {"type": "stream.ended"}})
    path = f"/endpoints/{made['data']['id']}"
    await bench.emit("stream.started")
    assert await bench.unfinished() == 0
    _, changed = await api("PATCH", path, {"filter": {}, "labels": {}})
    assert (changed["data"]["filter"], changed["data"]["labels"]) == ({}, {})
    await bench.emit("stream.started")
    assert await bench.unfinished() == 1


async def test_headers_are_sent_and_sealed_and_their_values_are_never_shown(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    headers = {"Authorization": "Bearer very-secret", "X-Desk": "7"}
    _, made = await api("POST", "/endpoints", {"url": hook.url, "headers": headers})
    path = f"/endpoints/{made['data']['id']}"
    assert made["data"]["header_names"] == ["Authorization", "X-Desk"]
    _, shown = await api("GET", path)
    assert "very-secret" not in json.dumps([made, shown])
    row = await bench.row("select e::text from webhook_endpoints e")
    assert b"very-secret".hex() not in row[0]
    await api("POST", path + "/test")
    await engine()
    await bench.emit("stream.started")
    await wait_until(bench.drained, 30)
    for got in hook.received:
        assert {name: got.headers[name] for name in headers} == headers
    _, changed = await api("PATCH", path, {"headers": {}})
    assert changed["data"]["header_names"] == []
    await bench.emit("stream.ended")
    await wait_until(bench.drained, 30)
    assert "Authorization" not in hook.received[-1].headers


async def test_a_cloudevent_says_what_it_is(api: Api, bench: Bench, receiver: Receivers, engine: Engines) -> None:
    hook = await receiver()
    await api("POST", "/endpoints", {"url": hook.url, "payload": "cloudevents"})
    await engine()
    (id_,) = await bench.emit("stream.started", data={"title": "Main"})
    await wait_until(bench.drained, 30)
    (got,) = hook.received
    assert got.headers["Content-Type"] == "application/cloudevents+json"
    assert (got.json["specversion"], got.json["id"], got.json["data"]) == ("1.0", str(id_), {"title": "Main"})
    assert got.json["source"] == "/castwarden/acme/Monitor/uid-1"


async def test_every_wait_of_a_retry_policy_of_ones_own_is_used(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver(404)
    _, made = await api("POST", "/endpoints", {"url": hook.url, "retry": "custom", "retry_waits": [100, 200.5]})
    assert (made["data"]["retry"], made["data"]["retry_waits"]) == ("custom", [100.0, 200.5])
    await engine()
    await bench.emit("stream.started")
    waits = []
    for attempt in (1, 2):
        row = await wait_until(
            lambda attempt=attempt: bench.row(  # type: ignore[misc]
                "select extract(epoch from due_at - now())::float8 as wait from webhook_deliveries"
                f" where attempt = {attempt} and lease_owner is null"
            ),
            30,
        )
        waits.append(row["wait"])
        await bench.make_due()
    assert [75 < waits[0] <= 120, 155 < waits[1] <= 241] == [True, True]
    await wait_until(bench.drained, 30)
    assert await bench.database.fetchval("select attempt from webhook_dead") == 3

    _, changed = await api("PATCH", f"/endpoints/{made['data']['id']}", {"retry": "seed"})
    assert (changed["data"]["retry"], changed["data"]["retry_waits"]) == ("seed", None)


async def test_an_endpoint_can_sign_with_ed25519_and_shows_the_public_key(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, made = await api("POST", "/endpoints", {"url": hook.url, "signature": "v1a"})
    assert (made["data"]["signature"], made["data"]["secret"]) == ("v1a", None)
    _, shown = await api("GET", f"/endpoints/{made['data']['id']}")
    await engine()
    await bench.emit("stream.started")
    await wait_until(bench.drained, 30)
    verify_v1a(shown["data"]["public_key"], hook.received[0])


def verify_v1a(public_key: str, got: Received) -> None:
    """As the specification says it. Raises InvalidSignature."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    (encoded,) = (part[4:] for part in got.headers["webhook-signature"].split(" ") if part.startswith("v1a,"))
    key.verify(base64.b64decode(encoded), f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"labels": {"": "x"}}, "/labels//[key]"),
        ({"labels": {"a": 1}}, "/labels/a"),
        ({"filter": {"data": {"x": {"$near": 1}}}}, "/filter/data/x/$near"),
        ({"filter": []}, "/filter"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "/headers/X-A"),
        ({"headers": {"X-A": "a\0b"}}, "/headers/X-A"),
        ({"headers": {"Host": "inside"}}, "/headers/Host"),
        ({"headers": {f"X-{number}": "x" for number in range(21)}}, "/headers"),
        ({"retry": "custom"}, "/retry_waits"),
        ({"retry": "custom", "retry_waits": []}, "/retry_waits"),
        ({"retry": "custom", "retry_waits": [0.5]}, "/retry_waits/0"),
        ({"retry": "custom", "retry_waits": [5] * 21}, "/retry_waits"),
        ({"rate_per_second": -1}, "/rate_per_second"),
        ({"rate_per_second": 1001}, "/rate_per_second"),
        ({"signature": "v1a", "profile": "body-sha256"}, "/signature"),
        ({"client_certificate": {"certificate": "x", "key": "y"}}, "/client_certificate"),
        ({"client_certificate": {"certificate": "x"}}, "/client_certificate/key"),
    ],
)
async def test_a_wrong_option_is_refused_at_creation_and_as_a_change(api: Api, body: Any, pointer: str) -> None:
    _, made = await api("POST", "/endpoints", {"url": HOOK})
    status, problem = await api("POST", "/endpoints", {"url": HOOK, **body})
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])
    if "signature" not in body:
        status, problem = await api("PATCH", f"/endpoints/{made['data']['id']}", body)
        assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])
