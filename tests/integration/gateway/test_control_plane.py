# SPDX-License-Identifier: Apache-2.0
"""The gateway against every control plane at hand: what it writes is accepted, what it reads is true."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import PATIENCE, Api, Gateways, inside, public, report, transition
from tests.plugins.controlplane import ControlPlane
from tests.plugins.kube import Kube
from tests.plugins.objects import (
    CHANNELS,
    CRON_JOBS,
    JOBS,
    MONITORS,
    PODS,
    SERVICE_ACCOUNTS,
    Object,
    make,
    monitor,
    pod_spec,
)

LIVE = {"stream": "Live", "video": "ok", "audio": "ok", "last_check_at": "2026-11-20T12:00:00Z"}


@pytest.fixture
async def gateway(
    control_plane: ControlPlane, kube: Kube, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    gateways = Gateways(database_url)
    yield await gateways.start(namespace=kube.namespace, watch_namespaces=kube.namespace)
    await gateways.stop_all()


@pytest.fixture
def api(gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    return public(gateway, session)


@pytest.fixture
def internal(gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    return inside(gateway, session)


async def create(api: Api, **body: Any) -> Any:
    made = await api.post("/api/v1/monitors", {"stream_url": "https://cdn.example.com/a.m3u8", **body})
    assert made.status == 201, made.body
    return made.data


async def test_a_monitor_made_by_rest_is_a_valid_resource_that_owns_only_what_was_asked_for(
    api: Api, kube: Kube
) -> None:
    made = await create(api, config={"blackout_threshold_sec": 7.5}, metadata={"show": "news"})
    stored = await kube.get(MONITORS, made["monitor_id"])
    assert stored["spec"]["checks"]["black"]["raiseAfter"] == "7s500ms"
    assert stored["spec"]["checks"]["silence"]["raiseAfter"] == "30s"
    managed = next(one for one in stored["metadata"]["managedFields"] if one["manager"] == "castwarden-gateway")
    assert managed["operation"] == "Apply"
    assert set(managed["fieldsV1"]["f:spec"]) == {"f:source", "f:checks", "f:metadata"}


async def test_a_patch_leaves_what_somebody_else_applied(api: Api, kube: Kube) -> None:
    await kube.apply(monitor("theirs", depth="Full", metadata={"a": "1"}), manager="kubectl")
    await wait_until(lambda: _found(api, "theirs"), PATIENCE)
    changed = await api.patch("/api/v1/monitors/theirs", {"config": {"silence_threshold_sec": 5}, "suspend": True})
    assert changed.status == 200, changed.body
    spec = (await kube.get(MONITORS, "theirs"))["spec"]
    assert (spec["depth"], spec["metadata"], spec["suspend"]) == ("Full", {"a": "1"}, True)
    assert spec["checks"]["silence"]["raiseAfter"] == "5s"


async def test_what_the_schema_refuses_points_into_the_body(api: Api, kube: Kube) -> None:
    await kube.create(monitor("young"))
    await wait_until(lambda: _found(api, "young"), PATIENCE)
    long_url = "https://cdn.example.com/" + "x" * 200
    body = {"schedule": "not a schedule", "feed_url": long_url}
    answer = await api.post("/api/v1/channels", body)
    assert (answer.status, answer.pointers) == (422, ["/schedule"]), answer.body


async def test_state_reaches_status_beside_the_operators_part(
    api: Api, internal: Api, kube: Kube, gateway: Gateway
) -> None:
    made = await create(api)
    stored = await kube.get(MONITORS, made["monitor_id"])
    ready = {"type": "Ready", "status": "True", "reason": "Running", "lastTransitionTime": "2026-11-20T12:00:00Z"}
    operators = {"conditions": [{**ready, "message": ""}], "podName": "p", "observedGeneration": 1}
    applied = make(MONITORS, made["monitor_id"], status=operators)
    await kube.apply(applied, manager="castwarden-operator", subresource="status")
    sent = await internal.post(
        "/internal/v1/reports", report(stored, monitor=LIVE, transitions=[transition("black", "raised")])
    )
    assert sent.status == 200, sent.body

    async def status() -> Object | None:
        found: Object = (await kube.get(MONITORS, made["monitor_id"])).get("status", {})
        return found if "stream" in found else None

    found = await wait_until(status, PATIENCE)
    assert found is not None
    assert {one["type"]: one["status"] for one in found["conditions"]} == {"Ready": "True", "Degraded": "True"}
    assert (found["stream"]["state"], found["podName"], found["openConditions"]) == ("Live", "p", ["black"])

    async def shown() -> set[str]:
        return {one["type"] for one in (await api.get(f"/api/v1/monitors/{made['monitor_id']}")).data["conditions"]}

    await wait_until(lambda: _is(shown, {"Ready", "Degraded"}), PATIENCE)  # as soon as the watch has told of both


async def test_a_deleted_monitor_is_gone_for_the_api_and_for_its_worker(api: Api, internal: Api, kube: Kube) -> None:
    made = await create(api)
    stored = await kube.get(MONITORS, made["monitor_id"])
    assert (await api.delete(f"/api/v1/monitors/{made['monitor_id']}")).status == 200
    assert await kube.gone(MONITORS, made["monitor_id"])
    assert (await internal.post("/internal/v1/reports", report(stored, monitor=LIVE))).status == 404


async def test_a_projected_token_opens_the_assignment_of_its_pods_resource_alone(
    api: Api, kube: Kube, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    mine, other = await create(api), await create(api, stream_url="https://cdn.example.com/b.m3u8")
    labels = {
        "app.kubernetes.io/component": "worker",
        "castwarden.dev/kind": "Monitor",
        "castwarden.dev/name": mine["monitor_id"],
    }
    pod = await kube.create(make(PODS, "worker-1", labels=labels, spec=pod_spec()))
    worker = await _worker(kube, pod, gateway, session, "castwarden-gateway")
    assert (await worker.get(await _assignment(kube, mine["monitor_id"]))).status == 200
    assert (await worker.get(await _assignment(kube, other["monitor_id"]))).status == 403
    wrong = await _worker(kube, pod, gateway, session, "somebody-else")
    assert (await wrong.get(await _assignment(kube, mine["monitor_id"]))).status == 401


async def test_a_poll_on_demand_is_accepted_as_a_job(api: Api, kube: Kube) -> None:
    channel = (await api.post("/api/v1/channels", {"feed_url": "https://cdn.example.com/feed"})).data
    template = {"spec": {"template": {"spec": pod_spec()}}}
    spec = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": template}
    await kube.create(make(CRON_JOBS, "poll-x", spec=spec))
    status = make(CHANNELS, channel["id"], status={"cronJobName": "poll-x"})
    await kube.apply(status, manager="castwarden-operator", subresource="status")

    async def polled() -> str | None:
        answer = await api.post(f"/api/v1/channels/{channel['id']}/poll")
        return answer.data["job"] if answer.status == 202 else None

    job = await wait_until(polled, PATIENCE)
    assert job is not None
    made = await kube.get(JOBS, job)
    assert made["metadata"]["ownerReferences"][0]["name"] == "poll-x"


async def _is(read: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await read() == wanted


async def _found(api: Api, name: str) -> bool:
    return (await api.get(f"/api/v1/monitors/{name}")).status == 200


async def _assignment(kube: Kube, name: str) -> str:
    uid = (await kube.get(MONITORS, name))["metadata"]["uid"]
    return f"/internal/v1/assignments/Monitor/{kube.namespace}/{name}?uid={uid}"


async def _worker(kube: Kube, pod: Object, gateway: Gateway, session: aiohttp.ClientSession, audience: str) -> Api:
    """The internal listener, with a token as the kubelet projects it into `pod`."""
    meta = pod["metadata"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "boundObjectRef": bound},
    }
    answer = await kube.create_at(SERVICE_ACCOUNTS, "default", "token", request)
    headers = {"Authorization": f"Bearer {answer['status']['token']}"}
    return Api(session, f"http://127.0.0.1:{gateway.internal_port}", headers)
