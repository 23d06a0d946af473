# SPDX-License-Identifier: Apache-2.0
"""Role poll: real processes, a real feed server, a gateway that speaks the documented API."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from castwarden_local.origin.feeds import Channel, Video, feed_app
from castwarden_model.messages import ChannelAssignment, FeedValidators, ResourceRef, VideoSeen
from castwarden_model.resources import ChannelSpec
from castwarden_worker.poll import role
from castwarden_worker.poll.role import poll_feed

from .conftest import FakeGateway, Workers

REF = ResourceRef(kind="Channel", namespace="media", name="news", uid="uid-1")
CHANNEL = "UC" + "a" * 22
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def channel(videos: int = 2) -> Channel:
    return Channel(
        CHANNEL,
        "Evening & News",
        [
            Video(f"video{n:06d}", f"News <{n}>", NOON - timedelta(hours=n), "What happened", 42 + n)
            for n in range(videos)
        ],
    )


def assigned(source: dict[str, str], validators: FeedValidators | None = None) -> ChannelAssignment:
    spec = ChannelSpec.model_validate({"source": source})
    return ChannelAssignment(resource=REF, version="1", epoch=1, spec=spec, validators=validators or FeedValidators())


def template(url: str) -> str:
    return f"{url}/feeds/videos.xml?channel_id={{channel_id}}"


async def test_a_first_poll_tells_every_video_and_then_the_feed_s_validators(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any]
) -> None:
    url = await serve(feed_app([channel()]))
    gateway.assign(assigned({"youtubeChannelId": CHANNEL}))
    assert await workers.run(poll_feed, REF, youtube_feed_url=template(url)) == 0
    videos, feed = gateway.reports
    assert [video.media_id for video in videos.videos] == ["video000000", "video000001"]
    first = videos.videos[0]
    assert (first.title, first.published_at, first.views) == ("News <0>", NOON, 42)
    assert first.url == "https://www.youtube.com/watch?v=video000000"
    assert first.description == "What happened"
    assert first.thumbnail_url == f"{url}/thumbnails/video000000.jpg"
    assert feed.feed
    assert (feed.feed.http_status, feed.feed.title, feed.feed.error) == (200, "Evening & News", None)
    assert feed.feed.validators.etag
    assert feed.feed.validators.last_modified
    assert (videos.epoch, videos.pod, videos.resource) == (1, "pod-1", REF)


async def test_the_command_polls_logs_json_and_ends(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any]
) -> None:
    url = await serve(feed_app([channel()]))
    gateway.assign(assigned({"youtubeChannelId": CHANNEL}))
    worker = await workers.start("poll", REF, CASTWARDEN_YOUTUBE_FEED_URL=template(url))
    assert await worker.wait() == 0
    assert len(gateway.reports) == 2
    assert {event["service"] for event in worker.events()} == {"worker-poll"}


async def test_a_304_keeps_the_validators_and_tells_no_videos(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any]
) -> None:
    url = await serve(feed_app([channel()]))
    feed_url = f"{url}/feeds/videos.xml?channel_id={CHANNEL}"
    gateway.assign(assigned({"feedUrl": feed_url}))
    assert await workers.run(poll_feed, REF) == 0
    assert gateway.reports[-1].feed
    validators = gateway.reports[-1].feed.validators
    gateway.reports.clear()
    gateway.assign(assigned({"feedUrl": feed_url}, validators))
    assert await workers.run(poll_feed, REF) == 0
    (report,) = gateway.reports
    assert report.feed
    assert (report.feed.http_status, report.feed.validators, report.videos) == (304, validators, [])


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/feeds/videos.xml?channel_id=UCnobody", 404, "HTTP 404"),
        ("/page", 200, "not a feed"),
        ("/nothing", 200, "not well-formed"),
        ("/bomb", 200, "not well-formed"),
        ("/huge", None, "TooLarge"),
        ("/elsewhere", None, "BlockedAddress"),
        ("/broken", 500, "HTTP 500"),
    ],
)
async def test_a_feed_that_fails_is_the_feed_s_state_and_the_poll_is_done(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], path: str, status: int | None, error: str
) -> None:
    url = await serve(strange_feeds())
    before = FeedValidators(etag='"known"')
    gateway.assign(assigned({"feedUrl": url + path}, before))
    assert await workers.run(poll_feed, REF) == 0
    (report,) = gateway.reports
    assert report.feed
    assert report.feed.http_status == status
    assert error in (report.feed.error or "")
    assert report.feed.validators == before
    assert report.videos == []


def strange_feeds() -> web.Application:
    async def huge(_: web.Request) -> web.Response:
        return web.Response(body=b"<rss>" + b" " * (11 * 2**20))

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.2:1/feed"})

    bomb = (
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><rss><channel><title>&c;</title></channel></rss>'
    )
    app = feed_app([channel()])
    app.router.add_get("/page", answering("<html><body>Welcome</body></html>"))
    app.router.add_get("/nothing", answering(""))
    app.router.add_get("/bomb", answering(bomb))
    app.router.add_get("/broken", answering("oops", 500))
    app.router.add_get("/huge", huge)
    app.router.add_get("/elsewhere", elsewhere)
    return app


def answering(text: str, status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, status=status, content_type="text/xml")

    return answer


async def test_a_feed_server_that_is_away_is_told_too(gateway: FakeGateway, workers: Workers) -> None:
    gateway.assign(assigned({"feedUrl": "http://127.0.0.1:1/feed"}))
    assert await workers.run(poll_feed, REF) == 0
    assert gateway.reports[0].feed
    assert "unreachable" in (gateway.reports[0].feed.error or "")


async def test_a_poll_that_cannot_be_told_fails(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await serve(feed_app([channel()]))
    gateway.assign(assigned({"feedUrl": f"{url}/feeds/videos.xml?channel_id={CHANNEL}"}))
    gateway.answer = lambda _: (503, "database_unavailable")
    monkeypatch.setattr(role, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr("castwarden_worker.shell.FLUSH_SECONDS", 0.1)
    assert await workers.run(poll_feed, REF) == 1
    assert gateway.reports == []
    assert len(list((workers.folder / "state" / "outbox").glob("*.json"))) == 2


async def test_a_large_feed_is_told_in_portions_and_its_validators_last(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any]
) -> None:
    items = "".join(
        f"<item><guid>id-{n}</guid><title>T{n}</title><link>https://example.com/{n}</link></item>" for n in range(450)
    )
    app = web.Application()
    app.router.add_get("/rss", answering(f"<rss><channel><title>Much</title>{items}</channel></rss>"))
    gateway.assign(assigned({"feedUrl": f"{await serve(app)}/rss"}))
    assert await workers.run(poll_feed, REF) == 0
    assert [len(report.videos) for report in gateway.reports] == [200, 200, 50, 0]
    assert [bool(report.feed) for report in gateway.reports] == [False, False, False, True]
    assert gateway.reports[0].videos[0].media_id == "id-0"


def test_no_portion_of_long_descriptions_is_more_than_the_gateway_reads() -> None:
    videos = [
        VideoSeen(media_id=f"id-{n}", title="T", url="https://example.com/", description=letter * 65536)
        for n, letter in enumerate("a\x01\U0001f600" * 67)
    ]
    portions = list(role.portions(videos))
    assert [video for portion in portions for video in portion] == videos
    sizes = [sum(len(video.model_dump_json().encode()) for video in portion) for portion in portions]
    assert max(sizes) <= role.BYTES_PER_REPORT
    assert min(sizes[:-1]) > role.BYTES_PER_REPORT - 6 * 65536 - 1024
