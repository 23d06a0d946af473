# SPDX-License-Identifier: Apache-2.0
"""New secrets with an overlap, and pauses in which nothing is lost."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks import maintain
from standardwebhooks import Webhook, WebhookVerificationError

from tests.integration.webhooks.conftest import Api, Bench, Engines, Received, Receivers
from tests.integration.webhooks.test_housekeeping import tidy
from tests.integration.webhooks.test_options import verify_v1a

HOOK = "https://hooks.example/a"


def verifies(secret: str, got: Received) -> bool:
    try:
        Webhook(secret).verify(got.body, got.headers)
    except WebhookVerificationError:
        return False
    return True


async def sent(bench: Bench, received: list[Received]) -> Received:
    """What comes of an event now."""
    await bench.emit("stream.started")
    await wait_until(bench.drained, 30)
    return received[-1]


async def test_after_a_rotation_both_secrets_sign_until_the_overlap_is_over(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, made = await api("POST", "/endpoints", {"url": hook.url})
    path, old = f"/endpoints/{made['data']['id']}", made["data"]["secret"]
    status, rotated = await api("POST", path + "/rotate-secret", {})
    new = rotated["data"]["secret"]
    assert (status, rotated["data"]["signature"]) == (200, "v1")
    (until,) = rotated["data"]["old_secrets_until"]
    day = datetime.fromisoformat(until) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=55) < day <= timedelta(hours=24)
    _, shown = await api("GET", path)
    assert shown["data"]["old_secrets_until"] == [until]
    assert new not in str(shown)
    await engine()
    got = await sent(bench, hook.received)
    assert [verifies(secret, got) for secret in (new, old)] == [True, True]
    await api("POST", path + "/test")
    assert [verifies(secret, hook.received[-1]) for secret in (new, old)] == [True, True]

    await bench.database.execute("update webhook_endpoints set old_until = array[now()]")
    got = await sent(bench, hook.received)
    assert [verifies(secret, got) for secret in (new, old)] == [True, False]
    assert (await api("GET", path))[1]["data"]["old_secrets_until"] == []
    await tidy(bench.database)
    assert await bench.database.fetchval("select old_secrets from webhook_endpoints") == []


async def test_without_an_overlap_all_old_secrets_stop_at_once(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, made = await api("POST", "/endpoints", {"url": hook.url})
    path, secrets = f"/endpoints/{made['data']['id']}", [made["data"]["secret"]]
    for overlap in (60, 604_800):
        _, rotated = await api("POST", path + "/rotate-secret", {"overlap_seconds": overlap})
        secrets.append(rotated["data"]["secret"])
    await engine()
    got = await sent(bench, hook.received)
    assert [verifies(secret, got) for secret in secrets] == [True, True, True]
    _, rotated = await api("POST", path + "/rotate-secret", {"overlap_seconds": 0})
    assert rotated["data"]["old_secrets_until"] == []
    got = await sent(bench, hook.received)
    assert [verifies(secret, got) for secret in secrets] == [False, False, False]
    assert verifies(rotated["data"]["secret"], got)


async def test_a_rotation_can_change_the_scheme_and_the_old_one_signs_beside_it(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, made = await api("POST", "/endpoints", {"url": hook.url})
    path = f"/endpoints/{made['data']['id']}"
    _, rotated = await api("POST", path + "/rotate-secret", {"signature": "v1a"})
    assert rotated["data"]["secret"] is None
    await engine()
    got = await sent(bench, hook.received)
    verify_v1a(rotated["data"]["public_key"], got)
    assert verifies(made["data"]["secret"], got)
    _, again = await api("POST", path + "/rotate-secret", {"overlap_seconds": 0})
    assert again["data"]["signature"] == "v1a"
    assert again["data"]["public_key"] != rotated["data"]["public_key"]
    _, back = await api("POST", path + "/rotate-secret", {"signature": "v1", "overlap_seconds": 0})
    assert back["data"]["public_key"] is None
    assert verifies(back["data"]["secret"], await sent(bench, hook.received))


async def test_no_more_than_four_old_secrets_sign(api: Api, bench: Bench) -> None:
    _, made = await api("POST", "/endpoints", {"url": HOOK})
    path = f"/endpoints/{made['data']['id']}/rotate-secret"
    statuses = [(await api("POST", path, {}))[0] for _ in range(5)]
    assert statuses == [200, 200, 200, 200, 409]
    await bench.database.execute("update webhook_endpoints set old_until[4] = now()")
    assert (await api("POST", path, {}))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("rotate-secret", {"overlap_seconds": -1}, "/overlap_seconds"),
        ("rotate-secret", {"overlap_seconds": 604_801}, "/overlap_seconds"),
        ("rotate-secret", {"signature": "v2"}, "/signature"),
        ("pause", {"until": "2026-01-01T00:00:00Z"}, "/until"),
        ("pause", {"until": "2999-01-01T00:00:00"}, "/until"),
    ],
)
async def test_a_wrong_body_is_refused_with_a_pointer(api: Api, path: str, body: Any, pointer: str) -> None:
    _, made = await api("POST", "/endpoints", {"url": HOOK})
    status, problem = await api("POST", f"/endpoints/{made['data']['id']}/{path}", body)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])


async def test_ed25519_is_refused_where_a_profile_needs_a_shared_secret(api: Api) -> None:
    _, made = await api("POST", "/endpoints", {"url": HOOK, "profile": "timestamped"})
    path = f"/endpoints/{made['data']['id']}"
    status, problem = await api("POST", path + "/rotate-secret", {"signature": "v1a"})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/signature")
    await api("PATCH", path, {"profile": "standard"})
    assert (await api("POST", path + "/rotate-secret", {"signature": "v1a"}))[0] == 200
    status, problem = await api("PATCH", path, {"profile": "timestamped"})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/profile")


async def test_the_endpoint_of_a_monitor_has_no_secret_of_its_own_and_can_be_paused(api: Api, bench: Bench) -> None:
    await bench.bound(HOOK, "uid-1")
    (endpoint,) = (await api("GET", "/endpoints"))[1]["data"]
    path = f"/endpoints/{endpoint['id']}"
    assert (await api("POST", path + "/rotate-secret", {}))[1]["code"] == "webhook-endpoint-bound"
    assert (await api("POST", path + "/pause", {}))[1]["data"]["held_since"] is not None


async def test_nothing_is_sent_during_a_pause_and_nothing_is_lost(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hooks = [await receiver() for _ in range(4)]
    options: list[dict[str, Any]] = [{}, {"ordered": True}, {"rate_per_second": 1000}]
    paths = []
    for hook, option in zip(hooks, options, strict=False):
        _, made = await api("POST", "/endpoints", {"url": hook.url, **option})
        paths.append(f"/endpoints/{made['data']['id']}")
    await bench.endpoint(hooks[3].url)
    await engine()
    for path in paths:
        status, paused = await api("POST", path + "/pause", {})
        assert (status, paused["data"]["enabled"], paused["data"]["held_until"]) == (200, True, None)
        assert paused["data"]["held_since"] is not None
    ids = {str(id_): 1 for id_ in await bench.emit(*["stream.started"] * 20)}
    await wait_until(partial(waiting, bench, 60), 30)
    assert [hook.ids for hook in hooks] == [{}, {}, {}, ids]
    for path in paths:
        _, resumed = await api("POST", path + "/resume")
        assert resumed["data"]["held_since"] is None
    await wait_until(bench.drained, 30)
    assert [hook.ids for hook in hooks] == [ids] * 4


async def waiting(bench: Bench, number: int) -> bool:
    return await bench.unfinished() == number


async def test_a_pause_ends_by_itself_when_it_has_an_end(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    _, made = await api("POST", "/endpoints", {"url": hook.url})
    path = f"/endpoints/{made['data']['id']}"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    first = (await api("POST", path + "/pause", {}))[1]["data"]
    longer = (await api("POST", path + "/pause", {"until": until}))[1]["data"]
    assert longer["held_since"] == first["held_since"]
    assert datetime.fromisoformat(longer["held_until"]) == datetime.fromisoformat(until)
    await bench.emit("stream.started")
    await bench.database.execute("update webhook_endpoints set held_until = now()")
    await engine()
    await wait_until(bench.drained, 30)
    assert len(hook.received) == 1
    assert (await api("GET", path))[1]["data"]["held_since"] is None


async def test_what_waits_for_a_paused_endpoint_is_no_backlog_of_ours(api: Api, bench: Bench) -> None:
    _, made = await api("POST", "/endpoints", {"url": HOOK})
    await bench.emit("stream.started")
    await api("POST", f"/endpoints/{made['data']['id']}/pause", {})
    row = await bench.row(maintain.SQL.queue)
    assert (row["due"], row["held"]) == (0, 1)
