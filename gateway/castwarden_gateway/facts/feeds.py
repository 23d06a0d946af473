# SPDX-License-Identifier: Apache-2.0
"""Folds what a poll saw: the feed's own health, and its videos. Pure. A failing feed says nothing about its videos."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from castwarden_base.ids import uuid7
from castwarden_model.messages import FeedObservation, VideoSeen
from castwarden_model.resources.channel import FeedStatus

from castwarden_gateway.facts.known import Added, Known, KnownVideo, degrade, stamp

Told = tuple[str, datetime, dict[str, Any]]
_COMPARED = ("title", "url", "description", "thumbnail_url", "published_at")
"""A change of one of these is news; view counts change all the time."""


def fold_feed(known: Known, seen: FeedObservation, now: datetime) -> None:
    failing = seen.error is not None
    title = seen.title or known.status.get("feed", {}).get("title")
    feed = FeedStatus(
        state="Failing" if failing else "OK",
        title=title,
        last_polled_at=seen.polled_at,
        http_status=seen.http_status,
        error=seen.error,
    )
    known.status["feed"] = feed.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not failing and seen.http_status != 304:  # an unchanged feed keeps the validators it was recognised by
        known.private["validators"] = seen.validators.model_dump(mode="json", exclude_none=True)
    degrade(known, "FeedFailing" if failing else None, seen.error or "", now)


def fold_videos(known: Known, seen: Sequence[VideoSeen], added: Added, now: datetime) -> Iterator[Told]:
    """Upserts by the source's own id; yields `video.created` and `video.updated`, oldest first."""
    oldest_first = sorted(seen, key=lambda video: (video.published_at is not None, video.published_at or now))
    for video in oldest_first:
        before = known.videos.get(video.media_id)
        after = KnownVideo(
            before.id if before else uuid7(),
            video.title,
            video.url,
            video.description,
            video.thumbnail_url,
            video.published_at or (before.published_at if before else None),
        )
        known.videos[video.media_id] = after
        added.videos.append((after.id, video))
        if before is None:
            known.status["videos"] = known.status.get("videos", 0) + 1
            yield "video.created", now, _data(known, video.media_id, after)
        elif changed := [name for name in _COMPARED if getattr(before, name) != getattr(after, name)]:
            yield "video.updated", now, {**_data(known, video.media_id, after), "changed": changed}
    published = [video.published_at for video in seen if video.published_at is not None]
    if published:
        newest = stamp(max(published))
        known.status["lastVideoPublishedAt"] = max(newest, known.status.get("lastVideoPublishedAt", ""))


def _data(known: Known, media_id: str, video: KnownVideo) -> dict[str, Any]:
    return {
        "video_id": video.id,
        "youtube_id": media_id,
        "title": video.title,
        "published_at": video.published_at,
        "url": video.url,
        "channel": known.ref.name,
    }
