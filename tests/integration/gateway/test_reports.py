# SPDX-License-Identifier: Apache-2.0
import asyncio
from typing import Any

import aiohttp
from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import (
    PATIENCE,
    Answer,
    Api,
    Gateways,
    inside,
    monitor,
    public,
    ref_of,
    report,
    transition,
)
from tests.integration.gateway.kube_double import KubeDouble, Object

LIVE = {"stream": "Live", "title": "News", "video": "ok", "audio": "ok", "statistics": {"total_segments_analyzed": 7}}


async def known(gateway: Gateway, kube_api: KubeDouble, name: str = "one", **spec: Any) -> Object:
    """A Monitor that the gateway has seen."""
    obj = kube_api.put("monitors", monitor(name, **spec))
    await wait_until(lambda: gateway.resources.monitors.get("default", name), PATIENCE)
    return obj


async def types(api: Api, name: str = "one") -> list[str]:
    """Types of the events of a Monitor, oldest first."""
    return [event["type"] for event in (await api.get(f"/api/v1/monitors/{name}/events")).data][::-1]


async def send(internal: Api, obj: Object, **fields: Any) -> Answer:
    return await internal.post("/internal/v1/reports", report(obj, **fields))


async def test_a_report_becomes_state_events_and_status(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    obj = await known(gateway, kube_api, metadata={"show": "news"})
    started = {"id": str(uuid7()), "type": "stream.started", "at": "2026-11-20T12:00:00Z", "data": {"title": "News"}}
    answer = await send(internal, obj, monitor=LIVE, occurrences=[started], transitions=[transition("black", "raised")])
    assert (answer.status, answer.body["duplicate"]) == (200, False)
    shown = (await api.get("/api/v1/monitors/one")).data
    assert (shown["status"], shown["stream_status"], shown["open_conditions"]) == ("monitoring", "live", ["black"])
    assert shown["health"]["video"] == "ok"
    assert shown["statistics"]["total_segments_analyzed"] == 7
    assert await types(api) == ["stream.started", "alert.blackout"]
    newest = (await api.get("/api/v1/events?limit=1")).data[0]
    assert newest["subject"] == ref_of(obj)
    assert newest["metadata"] == {"show": "news"}
    assert newest["data"]["threshold_sec"] == 30.0
    status = await wait_until(lambda: kube_api.get("monitors", "one").get("status") or {}, PATIENCE)
    assert status["stream"]["state"] == "Live"
    assert status["conditions"][0] | {"lastTransitionTime": ""} == {
        "type": "Degraded",
        "status": "True",
        "reason": "ConditionsOpen",
        "message": "open: black",
        "lastTransitionTime": "",
    }


async def test_the_same_report_again_changes_nothing(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    obj = await known(gateway, kube_api)
    body = report(obj, transitions=[transition("silence", "raised")])
    answers = await asyncio.gather(*(internal.post("/internal/v1/reports", body) for _ in range(5)))
    assert sorted(answer.body["duplicate"] for answer in answers) == [False, True, True, True, True]
    assert await types(api) == ["alert.silence"]


async def test_a_fact_repeated_in_another_report_counts_once(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    obj = await known(gateway, kube_api)
    ended = {"id": str(uuid7()), "type": "stream.ended", "at": "2026-11-20T12:00:00Z", "data": {"reason": "x"}}
    await send(internal, obj, seq=1, occurrences=[ended])
    await send(internal, obj, seq=2, occurrences=[ended])
    assert await types(api) == ["stream.ended"]


async def test_a_transition_that_changes_nothing_makes_no_event(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    obj = await known(gateway, kube_api)
    for number, state in enumerate(["cleared", "raised", "raised", "cleared", "cleared"]):
        await send(internal, obj, seq=number, transitions=[transition("freeze", state)])
    assert await types(api) == ["alert.freeze", "alert.freeze_recovered"]


async def test_an_older_snapshot_that_arrives_late_is_ignored_and_its_facts_are_not(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    obj = await known(gateway, kube_api)
    await send(internal, obj, seq=5, monitor=LIVE)
    late = {**LIVE, "stream": "Upcoming"}
    await send(internal, obj, seq=4, monitor=late, transitions=[transition("black", "raised")])
    shown = (await api.get("/api/v1/monitors/one")).data
    assert (shown["stream_status"], shown["open_conditions"]) == ("live", ["black"])


async def test_a_deleted_resource_is_gone_and_so_is_one_made_anew(
    gateway: Gateway, internal: Api, kube_api: KubeDouble
) -> None:
    obj = await known(gateway, kube_api)
    kube_api.remove("monitors", "default", "one")
    await wait_until(lambda: not gateway.resources.monitors.get("default", "one"), PATIENCE)
    answer = await send(internal, obj, monitor=LIVE)
    assert (answer.status, answer.body["code"]) == (404, "gone")
    await known(gateway, kube_api)
    assert (await send(internal, obj, monitor=LIVE)).body["code"] == "gone"


async def test_a_resource_that_the_watch_has_not_told_of_yet_is_not_taken_for_gone(
    gateway: Gateway, internal: Api, kube_api: KubeDouble
) -> None:
    obj = monitor("young")
    kube_api.objects[("monitors", "default", "young")] = obj
    meta = {"uid": "uid-young", "generation": 1, "resourceVersion": "1", "creationTimestamp": "2026-11-20T12:00:00Z"}
    obj["metadata"] |= meta
    assert (await send(internal, obj, monitor=LIVE)).status == 200


async def test_an_invalid_fact_is_refused_for_good_and_spoils_no_neighbour(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    one, two = await known(gateway, kube_api, "one"), await known(gateway, kube_api, "two")
    bad = {"id": str(uuid7()), "type": "stream.delayed", "at": "2026-11-20T12:00:00Z", "data": {}}
    nul = {"id": str(uuid7()), "type": "stream.ended", "at": "2026-11-20T12:00:00Z", "data": {"reason": "a\x00b"}}
    answers = await asyncio.gather(
        send(internal, one, occurrences=[bad]),
        send(internal, one, occurrences=[nul], seq=2),
        send(internal, one, transitions=[transition("black", "raised")], seq=3),
        send(internal, two, transitions=[transition("black", "raised")]),
    )
    assert [answer.status for answer in answers] == [422, 422, 200, 200]
    assert (await types(api, "one"), await types(api, "two")) == (["alert.blackout"], ["alert.blackout"])


async def test_the_stream_trackers_status_call_is_folded_into_the_same_state(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    await known(gateway, kube_api)
    body = {
        "status": "monitoring",
        "stream_status": "live",
        "health": {"video": "warning", "audio": "ok"},
        "statistics": {"total_segments_analyzed": 3, "blackout_events": 1, "silence_events": 0},
    }
    answer = await internal.call("PUT", "/internal/v1/monitors/one/status", body)
    assert (answer.status, answer.body) == (200, {"monitor_id": "one", "status": "monitoring"})
    shown = (await api.get("/api/v1/monitors/one")).data
    assert (shown["status"], shown["health"]["video"]) == ("monitoring", "warning")
    assert shown["statistics"]["blackout_events"] == 1
    assert (await internal.call("PUT", "/internal/v1/monitors/none/status", body)).status == 404


async def test_a_poll_makes_videos_and_tells_of_new_and_changed_ones(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    channel = {"kind": "Channel", "metadata": {"name": "news"}, "spec": {"source": {"feedUrl": "https://a.example/f"}}}
    obj = kube_api.put("channels", channel)
    await wait_until(lambda: gateway.resources.channels.get("default", "news"), PATIENCE)
    video = {
        "media_id": "vid-1",
        "title": "First",
        "url": "https://a.example/1",
        "published_at": "2026-11-20T12:00:00Z",
    }
    feed = {"polled_at": "2026-11-20T12:05:00Z", "http_status": 200, "title": "News", "validators": {"etag": '"a"'}}
    await send(internal, obj, seq=1, feed=feed, videos=[video, {**video, "media_id": "vid-2", "title": "Second"}])
    await send(internal, obj, seq=2, feed=feed, videos=[{**video, "title": "First, corrected"}])
    await send(internal, obj, seq=3, feed=feed, videos=[{**video, "title": "First, corrected", "views": 5}])
    videos = (await api.get("/api/v1/channels/news/videos")).data
    assert [(one["youtube_id"], one["title"]) for one in videos] == [("vid-2", "Second"), ("vid-1", "First, corrected")]
    assert [one["youtube_id"] for one in (await api.get("/api/v1/channels/news/videos?search=CORRECT")).data] == [
        "vid-1"
    ]
    events = (await api.get("/api/v1/channels/news/events")).data[::-1]
    assert [event["type"] for event in events] == ["video.created", "video.created", "video.updated"]
    assert events[2]["data"]["changed"] == ["title"]
    assert events[2]["data"]["video_id"] == events[0]["data"]["video_id"]
    shown = (await api.get("/api/v1/channels/news")).data
    assert (shown["title"], shown["video_count"], shown["feed"]["state"]) == ("News", 2, "OK")
    assignment = await internal.get(f"/internal/v1/assignments/Channel/default/news?uid={obj['metadata']['uid']}")
    assert assignment.body["validators"]["etag"] == '"a"'


async def test_whoever_begins_while_the_source_is_blocked_goes_on_with_what_the_stream_was(
    gateway: Gateway, internal: Api, kube_api: KubeDouble
) -> None:
    obj = kube_api.put("monitors", monitor("one"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "one"), PATIENCE)
    for seq, state in enumerate(("Live", "ProbeBlocked"), 1):
        await send(internal, obj, seq=seq, monitor={"stream": state})
    assignment = await internal.get(f"/internal/v1/assignments/Monitor/default/one?uid={obj['metadata']['uid']}")
    assert assignment.body["stream"] == "Live"


async def test_a_failing_feed_degrades_the_channel_and_touches_no_video(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    channel = {"kind": "Channel", "metadata": {"name": "news"}, "spec": {"source": {"feedUrl": "https://a.example/f"}}}
    obj = kube_api.put("channels", channel)
    await wait_until(lambda: gateway.resources.channels.get("default", "news"), PATIENCE)
    feed = {"polled_at": "2026-11-20T12:05:00Z", "http_status": 404, "error": "HTTP 404"}
    await send(internal, obj, feed=feed)
    shown = (await api.get("/api/v1/channels/news")).data
    assert shown["feed"]["state"] == "Failing"
    assert shown["conditions"][0]["reason"] == "FeedFailing"
    assert (await api.get("/api/v1/channels/news/videos")).data == []


async def test_a_download_is_told_as_completed_once(
    gateway: Gateway, api: Api, internal: Api, kube_api: KubeDouble
) -> None:
    made = await api.post("/api/v1/downloads", {"url": "https://cdn.example.com/a.mp4"})
    name = made.data["id"]
    obj = kube_api.get("downloadjobs", name)
    attempt = {"id": str(uuid7()), "client": "default", "started_at": "2026-11-20T12:00:00Z"}
    attempt["finished_at"] = "2026-11-20T12:01:00Z"
    progress = {"bytes": 5, "totalBytes": 10, "percent": 50}
    await send(internal, obj, seq=1, download={"progress": progress, "attempts": [{**attempt, "error": "HTTP 500"}]})
    assert (await api.get(f"/api/v1/downloads/{name}")).data["progress"]["percent"] == 50
    result = {"path": "a.mp4", "bytes": 10, "sha256": "0" * 64, "mediaId": "a", "title": "A"}
    for seq in (2, 3):
        answer = await send(internal, obj, seq=seq, download={"result": result, "attempts": [attempt]})
        assert answer.status == 200
    shown = (await api.get(f"/jobs/{name}")).data
    assert (shown["status"], shown["result"]["sha256"]) == ("completed", "0" * 64)
    assert [one["error"] for one in shown["attempts"]] == ["HTTP 500"]
    events = (await api.get(f"/api/v1/downloads/{name}/events")).data
    assert [event["type"] for event in events] == ["download.completed"]
    again = await api.post("/api/v1/downloads", {"url": "https://cdn.example.com/a.mp4"})
    assert (again.status, again.data["id"]) == (200, name)


async def test_reports_taken_while_the_kubernetes_api_is_away_reach_status_after_a_restart(
    gateways: Gateways, kube_api: KubeDouble, session: aiohttp.ClientSession
) -> None:
    gateway = await gateways.start()
    obj = await known(gateway, kube_api)
    kube_api.down = True
    kube_api.hang_up()
    answer = await send(inside(gateway, session), obj, monitor=LIVE)
    assert answer.status == 200
    assert (await public(gateway, session).get("/api/v1/monitors/one")).data["stream_status"] == "live"
    refused = await public(gateway, session).post("/api/v1/monitors", {"stream_url": "https://cdn.example.com/b.m3u8"})
    assert (refused.status, refused.body["code"]) == (503, "kubernetes-unavailable")
    await gateways.stop(gateway)
    kube_api.down = False
    await gateways.start()
    status = await wait_until(lambda: kube_api.get("monitors", "one").get("status") or {}, PATIENCE)
    assert status["stream"]["state"] == "Live"
