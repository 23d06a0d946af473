# SPDX-License-Identifier: Apache-2.0
"""What workers say has bounds: long text is cut, times carry their zone."""

from datetime import UTC, datetime

import pytest
from castwarden_model.messages import FeedObservation, VideoSeen

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_text_that_a_stranger_wrote_is_cut() -> None:
    seen = FeedObservation(polled_at=NOW, title="x" * 1_000_000, error="y" * 1_000_000)
    assert (len(seen.title or ""), len(seen.error or "")) == (1024, 1024)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        VideoSeen(media_id="a", title="A", url="http://a.example", published_at=NOW.replace(tzinfo=None))
