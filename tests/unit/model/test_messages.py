# SPDX-License-Identifier: Apache-2.0
"""What workers say has bounds: long text is cut, times carry their zone."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from castwarden_model.messages import FeedObservation, MonitorObservation, Occurrence, VideoSeen
from castwarden_model.resources import StreamState

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_text_that_a_stranger_wrote_is_cut() -> None:
    seen = FeedObservation(polled_at=NOW, title="x" * 1_000_000, error="y" * 1_000_000)
    assert (len(seen.title or ""), len(seen.error or "")) == (1024, 1024)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        VideoSeen(media_id="a", title="A", url="http://a.example", published_at=NOW.replace(tzinfo=None))


def test_nul_in_what_a_stranger_wrote_is_left_out_because_postgresql_cannot_hold_it() -> None:
    video = VideoSeen(media_id="a\0b", title="T\0itle", url="https://example.com/\0", description="\0")
    assert (video.media_id, video.title, video.url, video.description) == ("ab", "Title", "https://example.com/", "")
    seen = MonitorObservation(stream=StreamState.LIVE, title="\0News")
    assert seen.title == "News"
    occurrence = Occurrence(id=UUID(int=1), type="stream.started", at=NOW, data={"title": "\0News", "n": 1})
    assert occurrence.data == {"title": "News", "n": 1}
