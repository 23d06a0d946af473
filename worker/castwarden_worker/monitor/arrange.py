# SPDX-License-Identifier: Apache-2.0
"""Makes the feeds that a source needs, and keeps those that it had while they fit. Called by the watch."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from .checks import CheckSet
from .endless.continuous import Continuous
from .follow.decoding import Decoding
from .follow.feed import Feed
from .follow.tracker import Tracker, Update
from .seen import PlaylistSeen
from .sight.analyzer import Analysis, Analyzer

Feeds = tuple[Feed | Continuous, ...]
_RENDITIONS: tuple[Literal["main", "audio"], ...] = ("main", "audio")


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What all feeds of one stream have in common. `lookback` and `whole` are as for the `Tracker`."""

    checks: CheckSet
    on_playlist: Callable[[PlaylistSeen, Update | None], Awaitable[None]]
    on_segment: Callable[[Analysis], Awaitable[None]]
    lookback: float
    whole: bool = False
    clock: Callable[[], float] = time.time
    decoding: Decoding = field(default_factory=Decoding)

    def renditions(self, before: Feeds, *, separate: bool) -> tuple[Feed, ...]:
        """One feed, or two when picture and sound come apart. What was learnt is kept while that does not change."""
        kept = tuple(feed for feed in before if isinstance(feed, Feed))
        if len(kept) == 1 + separate:
            for feed in kept:
                feed.tracker.renewed()
            return kept
        main = Analyzer(self.checks, audio=not separate, follow=before[0].analyzer.timeline if before else None)
        analyzers = [main, Analyzer(self.checks, video=False, follow=main.timeline)] if separate else [main]
        return tuple(
            Feed(
                analyzer,
                Tracker(self.lookback, whole=self.whole),
                rendition=rendition,
                on_playlist=self.on_playlist,
                on_segment=self.on_segment,
                clock=self.clock,
                decoding=self.decoding,
            )
            for rendition, analyzer in zip(_RENDITIONS, analyzers, strict=False)
        )

    def continuous(self, before: Feeds) -> Continuous:
        """The feed of a stream without a playlist."""
        if before and isinstance(known := before[0], Continuous):
            return known
        analyzer = Analyzer(self.checks, follow=before[0].analyzer.timeline if before else None)
        return Continuous(
            analyzer,
            Tracker(),
            on_playlist=self.on_playlist,
            on_segment=self.on_segment,
            clock=self.clock,
            decoding=self.decoding,
        )
