# SPDX-License-Identifier: Apache-2.0
"""Feeds, videos and downloads in a report, and the status that all folding makes."""

from datetime import timedelta

from castwarden_model.resources.channel import ChannelStatus
from castwarden_model.resources.downloadjob import DownloadJobStatus
from castwarden_model.resources.monitor import MonitorStatus

from tests.unit.gateway.folding import CHANNEL, DOWNLOAD, NOW, folded, known, report, transition, types


def test_a_feed_that_did_not_change_keeps_its_validators_and_its_title() -> None:
    state = known()
    fresh = {"polled_at": NOW, "http_status": 200, "title": "News", "validators": {"etag": "a"}}
    folded(state, report(seq=1, feed=fresh), resource=CHANNEL)
    folded(state, report(seq=2, feed={"polled_at": NOW, "http_status": 304}), resource=CHANNEL)
    assert state.private["validators"] == {"etag": "a"}
    assert (state.status["feed"]["title"], state.status["feed"]["state"]) == ("News", "OK")
    folded(state, report(seq=3, feed={"polled_at": NOW, "error": "timeout"}), resource=CHANNEL)
    assert (state.private["validators"], state.status["feed"]["state"]) == ({"etag": "a"}, "Failing")


def test_new_videos_are_told_oldest_first_and_changed_ones_with_what_changed() -> None:
    state = known()
    videos = [
        {"media_id": "b", "title": "B", "url": "https://x/b", "published_at": NOW},
        {"media_id": "a", "title": "A", "url": "https://x/a", "published_at": NOW - timedelta(days=1)},
    ]
    first = folded(state, report(seq=1, videos=videos), resource=CHANNEL)[0]
    assert [event.data["youtube_id"] for event in first.events] == ["a", "b"]
    changed = [{**videos[0], "title": "B2", "views": 9}, {**videos[1], "views": 9}]
    second = folded(state, report(seq=2, videos=changed), resource=CHANNEL)[0]
    assert [(event.type, event.data["changed"]) for event in second.events] == [("video.updated", ["title"])]
    assert (state.status["videos"], state.status["lastVideoPublishedAt"]) == (2, "2026-11-20T12:00:00Z")


def test_a_download_ends_once_and_a_result_outlasts_a_failure() -> None:
    state = known()
    passing = {"failure": {"reason": "http_500", "message": "later", "final": False}}
    final = {"failure": {"reason": "unavailable", "message": "private", "final": True}}
    result = {"result": {"path": "a", "bytes": 1, "sha256": "0", "mediaId": "a", "title": "A"}}
    reports = [report(seq=n, download=one) for n, one in enumerate([passing, final, final, result, result, final])]
    assert types(folded(state, *reports, resource=DOWNLOAD)) == ["download.failed", "download.completed"]
    assert (state.status["state"], "error" in state.status) == ("Complete", False)


def test_what_is_folded_fits_the_schema_of_status() -> None:
    state = known()
    seen = {"stream": "Live", "title": "T", "scheduled_start": NOW, "last_check_at": NOW, "reason": "r"}
    folded(state, report(monitor=seen, transitions=[transition("black", "raised")]))
    strict = MonitorStatus.model_validate(state.status)
    assert strict.model_dump(mode="json", by_alias=True, exclude_unset=True) == state.status
    feed, video = {"polled_at": NOW, "http_status": 200}, {"media_id": "a", "title": "A", "url": "https://x/a"}
    channel = known()
    folded(channel, report(feed=feed, videos=[{**video, "published_at": NOW}]), resource=CHANNEL)
    assert ChannelStatus.model_validate(channel.status).model_fields_set == {
        "feed",
        "conditions",
        "videos",
        "last_video_published_at",
        "last_event",
    }
    download = known()
    result = {"path": "a", "bytes": 1, "sha256": "0", "mediaId": "a", "title": "A"}
    folded(download, report(download={"result": result, "progress": {"bytes": 1}}), resource=DOWNLOAD)
    parsed = DownloadJobStatus.model_validate(download.status)
    assert parsed.model_dump(mode="json", by_alias=True, exclude_unset=True) == download.status
