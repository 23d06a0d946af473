# SPDX-License-Identifier: Apache-2.0
"""Role poll: fetches the feed, tells its videos and how it answered. A failing feed says nothing about its videos."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from castwarden_base.http import OutboundError, get_following, outbound_session, read_limited
from castwarden_base.logs import get_logger
from castwarden_model.messages import ChannelAssignment, FeedObservation, FeedValidators, VideoSeen
from castwarden_model.resources.channel import ChannelSource

from ..shell import Work
from .feed import NotAFeed, read_feed

log = get_logger(__name__)
LARGEST_FEED = 10 * 1024 * 1024
VIDEOS_PER_REPORT = 200
BYTES_PER_REPORT = 4 * 1024 * 1024
"""Half of what the gateway reads: a description may have 64 KiB of characters, each of up to six bytes."""
PATIENCE_SECONDS = 300.0
"""How long to wait for the gateway before giving up: the next poll sees the same videos again."""
_ACCEPT = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1"


@dataclass(frozen=True, slots=True)
class Polled:
    """What one request brought."""

    feed: FeedObservation
    videos: tuple[VideoSeen, ...] = ()


async def poll_feed(work: Work) -> int:
    """One poll. Exit code 0 once it is reported, whatever the feed answered; 1 when it could not be reported."""
    assignment = work.assignment
    if not isinstance(assignment, ChannelAssignment):
        log.error("wrong_assignment", kind=assignment.kind)
        return 1
    url = feed_url(assignment.spec.source, work.settings.youtube_feed_url)
    async with outbound_session(work.settings.outbound_allow, total=60, connect=10) as session:
        polled = await poll(session, url, assignment.validators)
    log.info("feed_polled", url=url, status=polled.feed.http_status, error=polled.feed.error, videos=len(polled.videos))
    # The feed's validators go last: a 304 must never hide videos that were not reported.
    for portion in portions(polled.videos):
        await work.reporter.tell(assignment.epoch, videos=portion)
    await work.reporter.tell(assignment.epoch, feed=polled.feed)
    return 0 if await work.reporter.told(PATIENCE_SECONDS) else 1


def portions(videos: Iterable[VideoSeen]) -> Iterator[list[VideoSeen]]:
    """The videos in order, each portion small enough for one report."""
    portion: list[VideoSeen] = []
    left = BYTES_PER_REPORT
    for video in videos:
        size = len(video.model_dump_json(exclude_none=True).encode())
        if portion and (size > left or len(portion) == VIDEOS_PER_REPORT):
            yield portion
            portion, left = [], BYTES_PER_REPORT
        portion.append(video)
        left -= size
    if portion:
        yield portion


def feed_url(source: ChannelSource, youtube_template: str) -> str:
    """Where the feed of `source` is."""
    return source.feed_url or youtube_template.replace("{channel_id}", source.youtube_channel_id or "")


async def poll(session: aiohttp.ClientSession, url: str, validators: FeedValidators) -> Polled:
    """One conditional GET. Never raises: what went wrong is the feed's state."""
    now = datetime.now(UTC)
    headers = {"Accept": _ACCEPT}
    if validators.etag:
        headers["If-None-Match"] = validators.etag
    if validators.last_modified:
        headers["If-Modified-Since"] = validators.last_modified
    try:
        async with get_following(session, url, headers=headers) as response:
            return await _read(response, now, validators)
    except OutboundError as error:
        reason = f"{type(error).__name__}: {error}"
    except TimeoutError:
        reason = "timeout"
    except aiohttp.ClientError as error:
        reason = f"unreachable: {error}"
    return Polled(FeedObservation(polled_at=now, validators=validators, error=reason))


async def _read(response: aiohttp.ClientResponse, now: datetime, validators: FeedValidators) -> Polled:
    status = response.status
    if status == 304:
        return Polled(FeedObservation(polled_at=now, http_status=status, validators=validators))
    if status != 200:
        return Polled(FeedObservation(polled_at=now, http_status=status, validators=validators, error=f"HTTP {status}"))
    try:
        feed = read_feed(await read_limited(response, LARGEST_FEED), str(response.url))
    except NotAFeed as error:
        return Polled(FeedObservation(polled_at=now, http_status=status, validators=validators, error=str(error)))
    if feed.skipped:
        log.warning("feed_entries_skipped", count=feed.skipped)
    fresh = FeedValidators(etag=response.headers.get("ETag"), last_modified=response.headers.get("Last-Modified"))
    return Polled(FeedObservation(polled_at=now, http_status=status, title=feed.title, validators=fresh), feed.videos)
