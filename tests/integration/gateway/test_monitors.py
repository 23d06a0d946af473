# SPDX-License-Identifier: Apache-2.0
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import PATIENCE, Api, Gateways, monitor
from tests.integration.gateway.kube_double import KubeDouble

STREAM = "https://cdn.example.com/live.m3u8"


async def test_a_created_monitor_is_a_resource_and_can_be_read_at_once(api: Api, kube_api: KubeDouble) -> None:
    made = await api.post("/api/v1/monitors", {"stream_url": STREAM, "metadata": {"show": "news"}})
    assert made.status == 201
    name = made.data["monitor_id"]
    assert made.headers["Location"] == f"/api/v1/monitors/{name}"
    assert kube_api.get("monitors", name)["spec"] == {"source": {"url": STREAM}, "metadata": {"show": "news"}}
    read = await api.get(f"/api/v1/monitors/{name}")
    assert read.status == 200
    assert read.data == made.data
    assert read.data["status"] == "initializing"
    assert read.data["stream_status"] == "unknown"
    assert read.data["health"] == {"video": "unknown", "audio": "unknown", "last_check_at": None}
    assert read.data["statistics"]["blackout_events"] == 0


async def test_the_stream_trackers_config_becomes_checks_and_schedule(api: Api, kube_api: KubeDouble) -> None:
    config = {
        "check_interval_sec": 20,
        "blackout_threshold_sec": 7.5,
        "silence_threshold_sec": 90,
        "silence_db_threshold": -40,
        "scheduled_start_time": "2030-01-01T12:00:00+00:00",
        "start_delay_tolerance_sec": 60,
    }
    made = await api.post("/api/v1/monitors", {"stream_url": STREAM, "config": config})
    spec = kube_api.get("monitors", made.data["monitor_id"])["spec"]
    assert spec["checks"] == {
        "black": {"raiseAfter": "7s500ms"},
        "silence": {"raiseAfter": "1m30s", "levelDb": -40},
    }
    assert spec["lookInterval"] == "20s"
    assert spec["schedule"] == {"start": "2030-01-01T12:00:00+00:00", "tolerance": "1m"}
    assert made.data["config"]["blackout_threshold_sec"] == 7.5


async def test_a_second_active_monitor_for_the_same_stream_is_refused(api: Api) -> None:
    first = await api.post("/api/v1/monitors", {"stream_url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=1"})
    again = await api.post("/api/v1/monitors", {"stream_url": "https://youtu.be/dQw4w9WgXcQ"})
    assert (again.status, again.body["code"]) == (409, "duplicate-monitor")
    assert again.body["monitor_id"] == first.data["monitor_id"]
    await api.patch(f"/api/v1/monitors/{first.data['monitor_id']}", {"suspend": True})
    assert (await api.post("/api/v1/monitors", {"stream_url": "https://youtu.be/dQw4w9WgXcQ"})).status == 201


async def test_wrong_fields_are_named_by_pointer(api: Api) -> None:
    body = {"stream_url": "ftp://x", "config": {"blackout_threshold_sec": -1}, "colour": "red"}
    answer = await api.post("/api/v1/monitors", body)
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert set(answer.pointers) == {"/stream_url", "/config/blackout_threshold_sec", "/colour"}
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]


async def test_a_wrong_form_is_answered_in_words(api: Api) -> None:
    body = {"stream_url": "ftp://x", "checks": {"black": {"raiseAfter": "5 minutes"}}, "look_interval": "soon"}
    answer = await api.post("/api/v1/monitors", body)
    a_duration = "must be a duration such as 30s, 1m30s or 500ms"
    assert {error["pointer"]: error["detail"] for error in answer.body["errors"]} == {
        "/stream_url": "must be an http, https, rtmp, rtmps, rtsp, rtsps or srt URL",
        "/checks/black/raiseAfter": a_duration,
        "/look_interval": a_duration,
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/live.m3u8",
        "https://[fd00::1]/live.m3u8",
        "http://169.254.169.254/latest/meta-data",
        "rtmp://192.168.1.2/app/key",
        "srt://10.1.2.3:9000?streamid=x",
    ],
)
async def test_a_private_source_is_refused(api: Api, url: str) -> None:
    answer = await api.post("/api/v1/monitors", {"stream_url": url})
    assert (answer.status, answer.pointers) == (422, ["/stream_url"])
    assert "is not reachable from here" in answer.body["errors"][0]["detail"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/live.m3u8", "rtsp://127.0.0.1:9/live"])
async def test_a_private_source_that_is_allowed_is_taken(api: Api, url: str) -> None:
    assert (await api.post("/api/v1/monitors", {"stream_url": url})).status == 201


async def test_a_private_callback_is_refused(api: Api) -> None:
    answer = await api.post("/api/v1/monitors", {"stream_url": STREAM, "callback_url": "http://10.0.0.1/hook"})
    assert (answer.status, answer.pointers) == (422, ["/callback_url"])


async def test_what_the_api_server_refuses_points_into_the_body(api: Api, kube_api: KubeDouble) -> None:
    cause = {"field": "spec.checks.black.raiseAfter", "message": "too long", "reason": "FieldValueInvalid"}
    status = {"kind": "Status", "code": 422, "reason": "Invalid", "message": "invalid", "details": {"causes": [cause]}}
    kube_api.refuse = lambda body: status
    answer = await api.post("/api/v1/monitors", {"stream_url": STREAM, "checks": {"black": {"raiseAfter": "1s"}}})
    assert (answer.status, answer.body["code"]) == (422, "validation-error")
    assert answer.body["errors"] == [{"detail": "too long", "pointer": "/checks/black/raiseAfter"}]


async def test_a_callback_is_an_endpoint_bound_to_the_monitor_until_it_is_removed(api: Api) -> None:
    made = await api.post("/api/v1/monitors", {"stream_url": STREAM, "callback_url": "http://127.0.0.1:9/hook"})
    path = f"/api/v1/monitors/{made.data['monitor_id']}"
    assert made.data["callback_url"] == "http://127.0.0.1:9/hook"
    assert [one["url"] for one in (await api.get("/api/v1/webhooks/endpoints")).data] == ["http://127.0.0.1:9/hook"]
    assert (await api.patch(path, {"callback_url": None})).data["callback_url"] is None
    assert (await api.get("/api/v1/webhooks/endpoints")).data == []


async def test_a_monitor_applied_with_kubectl_gets_its_endpoint_too(api: Api, kube_api: KubeDouble) -> None:
    kube_api.put("monitors", monitor("applied", webhookUrl="http://127.0.0.1:9/applied"))

    async def urls() -> list[str]:
        return [one["url"] for one in (await api.get("/api/v1/webhooks/endpoints")).data]

    await wait_until(lambda: _eventually(urls, ["http://127.0.0.1:9/applied"]), PATIENCE)
    kube_api.remove("monitors", "default", "applied")
    await wait_until(lambda: _eventually(urls, []), PATIENCE)


async def test_a_list_is_walked_newest_first_by_opaque_cursors(api: Api) -> None:
    made = [
        (await api.post("/api/v1/monitors", {"stream_url": f"https://cdn.example.com/{n}.m3u8"})).data["monitor_id"]
        for n in range(5)
    ]
    seen: list[str] = []
    path = "/api/v1/monitors?limit=2"
    while path:
        answer = await api.get(path)
        assert answer.body["meta"]["count"] == len(answer.data)
        seen += [one["monitor_id"] for one in answer.data]
        path = answer.body["links"]["next"]
    assert seen == made[::-1]
    assert (await api.get("/api/v1/monitors?cursor=nonsense")).status == 422
    assert (await api.get("/api/v1/monitors?limit=0")).pointers == ["limit"]


async def test_the_next_page_has_the_filters_of_the_one_before_and_the_path_it_was_asked_under(api: Api) -> None:
    for number in range(3):
        await api.post("/api/v1/monitors", {"stream_url": f"https://cdn.example.com/{number}.m3u8"})
    first = await api.get("/v1/monitors?limit=2&status=initializing")
    following = first.body["links"]["next"]
    assert following.startswith("/v1/monitors?limit=2&status=initializing&cursor=")
    second = await api.get(following)
    assert (len(second.data), second.body["links"]["next"]) == (1, None)


async def test_an_unknown_query_parameter_is_answered_with_the_known_ones(api: Api) -> None:
    answer = await api.get("/api/v1/monitors?colour=red")
    assert answer.body["errors"] == [
        {"parameter": "colour", "detail": "unknown parameter; there are limit, cursor, status, stream_status"}
    ]


async def test_a_patch_changes_only_what_it_names(api: Api, kube_api: KubeDouble) -> None:
    made = await api.post(
        "/api/v1/monitors",
        {"stream_url": STREAM, "metadata": {"a": "1", "b": "2"}, "config": {"silence_threshold_sec": 9}},
    )
    path = f"/api/v1/monitors/{made.data['monitor_id']}"
    changed = await api.patch(path, {"config": {"blackout_threshold_sec": 3}, "metadata": {"a": None, "c": "3"}})
    assert changed.status == 200
    assert changed.data["config"]["blackout_threshold_sec"] == 3
    assert changed.data["config"]["silence_threshold_sec"] == 9
    assert changed.data["metadata"] == {"b": "2", "c": "3"}
    assert kube_api.get("monitors", made.data["monitor_id"])["spec"]["source"] == {"url": STREAM}


async def test_a_patch_with_a_stale_etag_is_refused_and_status_does_not_make_it_stale(
    api: Api, kube_api: KubeDouble
) -> None:
    made = await api.post("/api/v1/monitors", {"stream_url": STREAM})
    name = made.data["monitor_id"]
    path, etag = f"/api/v1/monitors/{name}", made.headers["ETag"]
    stored = kube_api.get("monitors", name)
    kube_api.put("monitors", {**stored, "metadata": {**stored["metadata"]}, "status": {"podName": "x"}})
    first = await api.patch(path, {"depth": "Full"}, headers={"If-Match": etag})
    assert first.status == 200
    second = await api.patch(path, {"depth": "Adaptive"}, headers={"If-Match": etag})
    assert (second.status, second.body["code"]) == (412, "precondition-failed")


async def test_a_deleted_monitor_is_gone_at_once_even_while_the_watch_is_behind(api: Api, kube_api: KubeDouble) -> None:
    made = await api.post("/api/v1/monitors", {"stream_url": STREAM})
    path = f"/api/v1/monitors/{made.data['monitor_id']}"
    deleted = await api.delete(path)
    assert (deleted.status, deleted.data["deleted"]) == (200, True)
    assert (await api.get(path)).status == 404
    assert (await api.delete(path)).body["code"] == "not-found"
    assert kube_api.objects == {}


async def test_a_tenant_has_no_more_active_monitors_than_it_may(api: Api) -> None:
    tenant = await api.post("/api/v1/tenants", {"slug": "small", "max_monitors": 1})
    assert tenant.status == 201
    small = api.with_headers(X_Tenant_Id="small")
    assert (await small.post("/api/v1/monitors", {"stream_url": STREAM})).status == 201
    refused = await small.post("/api/v1/monitors", {"stream_url": STREAM + "?other"})
    assert (refused.status, refused.body["code"]) == (429, "max-monitors-exceeded")


async def _eventually(read: object, wanted: object) -> bool:
    return bool(await read() == wanted)  # type: ignore[operator]


async def test_what_keeps_a_worker_from_running_is_told_once(
    api: Api, kube_api: KubeDouble, gateways: Gateways, gateway: Gateway
) -> None:
    obj = monitor("stuck")
    ready = {"type": "Ready", "status": "False", "reason": "Pending", "lastTransitionTime": "2026-11-20T12:00:00Z"}
    kube_api.put("monitors", {**obj, "status": {"conditions": [{**ready, "message": "the Pod is being created"}]}})
    failing = {**ready, "reason": "ImagePullBackOff", "message": "no such image"}
    for pod in ("a", "b"):
        stored = kube_api.get("monitors", "stuck")
        status = {"conditions": [failing], "podName": pod}
        kube_api.put("monitors", {**stored, "metadata": {**stored["metadata"]}, "status": status})

    async def events() -> list[dict[str, str]]:
        return [one["data"] for one in (await api.get("/api/v1/events?type=monitor.error")).data]

    stream = "https://cdn.example.com/stuck.m3u8"
    told = [{"reason": "ImagePullBackOff", "message": "no such image", "stream_url": stream}]
    await wait_until(lambda: _eventually(events, told), PATIENCE)
    assert (await api.get("/api/v1/monitors/stuck")).data["status"] == "error"
    second = await gateways.start()
    await wait_until(lambda: second.resources.monitors.get("default", "stuck"), PATIENCE)
    kube_api.put("monitors", monitor("after", webhookUrl="http://127.0.0.1:9/after"))
    await wait_until(lambda: _eventually(lambda: _urls(api), ["http://127.0.0.1:9/after"]), PATIENCE)
    assert await events() == told


async def test_a_private_callback_in_a_resource_is_told_and_never_called(api: Api, kube_api: KubeDouble) -> None:
    kube_api.put("monitors", monitor("sly", webhookUrl="http://169.254.169.254/latest"))

    async def reasons() -> list[str]:
        return [one["data"]["reason"] for one in (await api.get("/api/v1/events?name=sly")).data]

    await wait_until(lambda: _eventually(reasons, ["webhook_url_refused"]), PATIENCE)
    assert await _urls(api) == []


async def _urls(api: Api) -> list[str]:
    return [one["url"] for one in (await api.get("/api/v1/webhooks/endpoints")).data]
