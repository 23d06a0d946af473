# SPDX-License-Identifier: Apache-2.0
"""Over HTTP: pings, and the key that signs what Monitors tell."""

from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks.signing import Signer
from standardwebhooks import Webhook

from tests.integration.webhooks.conftest import Api, Bench, Engines, Receivers, Serve


async def test_a_ping_says_what_the_receiver_said_and_is_not_kept(api: Api, bench: Bench, receiver: Receivers) -> None:
    hook = await receiver()
    _, body = await api("POST", "/endpoints", {"url": hook.url, "events": ["alert.*"]})
    made = body["data"]
    status, result = await api("POST", f"/endpoints/{made['id']}/test")
    assert status == 200
    assert (result["data"]["delivered"], result["data"]["status_code"]) == (True, 200)
    assert result["data"]["response_body"] == "thank you"
    (got,) = hook.received
    assert Webhook(made["secret"]).verify(got.body, got.headers)["type"] == "webhook.ping"
    assert (await api("GET", "/deliveries"))[1]["data"] == []


async def test_a_ping_that_fails_says_why(api: Api, silent_server: str) -> None:
    _, body = await api("POST", "/endpoints", {"url": silent_server, "timeout_seconds": 1})
    _, result = await api("POST", f"/endpoints/{body['data']['id']}/test")
    assert (result["data"]["delivered"], result["data"]["error"]) == (False, "timeout")


async def test_the_key_of_monitors_is_shown_once_and_signs_their_deliveries(
    api: Api, bench: Bench, receiver: Receivers, engine: Engines
) -> None:
    hook = await receiver()
    assert (await api("GET", "/signing-key"))[1]["data"]["source"] == "none"
    await bench.bound(hook.url, "uid-1")
    _, body = await api("POST", "/signing-key", {})
    key = body["data"]["secret"]
    status, problem = await api("POST", "/signing-key", {})
    assert (status, problem["code"]) == (409, "signing-key-already-shown")
    shown = (await api("GET", "/signing-key"))[1]["data"]
    assert shown["source"] == "tenant"
    assert shown["shown_at"] is not None

    await engine()
    await bench.emit("stream.started")
    await wait_until(bench.drained, 30)
    Webhook(key).verify(hook.received[0].body, hook.received[0].headers)

    _, body = await api("POST", "/signing-key", {"rotate": True})
    assert body["data"]["secret"] != key
    await bench.emit("stream.ended")
    await wait_until(bench.drained, 30)
    Webhook(body["data"]["secret"]).verify(hook.received[1].body, hook.received[1].headers)


async def test_the_installations_key_signs_instead_when_there_is_one(
    bench: Bench, serve: Serve, receiver: Receivers
) -> None:
    signer = Signer(bench.signer.keyring, "the key of the installation")
    api = await serve(bench, signer=signer)
    hook = await receiver()
    await bench.bound(hook.url, "uid-1")
    assert (await api("GET", "/signing-key"))[1]["data"]["source"] == "installation"
    assert (await api("POST", "/signing-key", {}))[1]["code"] == "signing-key-of-installation"
    (endpoint,) = (await api("GET", "/endpoints"))[1]["data"]
    await api("POST", f"/endpoints/{endpoint['id']}/test")
    (got,) = hook.received
    Webhook(b"the key of the installation").verify(got.body, got.headers)
