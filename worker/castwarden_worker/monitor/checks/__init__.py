# SPDX-License-Identifier: Apache-2.0
"""The checks: one small class per file, and this registry. A check sees one kind of thing; `seen.py` has them all."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import ClockSeen, PlaylistSeen, RenditionSeen, SegmentSeen
from .analysis_degraded import AnalysisDegraded
from .audio_missing import AudioMissing
from .av_drift import AvDrift
from .base import Check, ClockCheck, FactCheck, PictureCheck, PlaylistCheck, RenditionCheck, SegmentCheck, SoundCheck
from .black import Black
from .black_with_logo import BlackWithLogo
from .blank import Blank
from .clipping import Clipping
from .codec_change import CodecChange
from .discontinuity import Discontinuity
from .freeze import Freeze
from .latency_growth import LatencyGrowth
from .low_loudness import LowLoudness
from .one_channel_silent import OneChannelSilent
from .pdt_jump import PdtJump
from .playlist_errors import PlaylistErrors
from .quality_drop import QualityDrop
from .rendition_missing import RenditionMissing
from .rendition_stale import RenditionStale
from .segment_errors import SegmentErrors
from .sequence_regression import SequenceRegression
from .silence import Silence
from .slow_delivery import SlowDelivery
from .stall import Stall
from .video_missing import VideoMissing

__all__ = ["REGISTRY", "Check", "CheckSet", "PictureCheck", "SoundCheck"]

C = TypeVar("C", bound=Check)

REGISTRY: tuple[type[Check], ...] = (
    Black,
    BlackWithLogo,
    Blank,
    Freeze,
    Silence,
    OneChannelSilent,
    LowLoudness,
    Clipping,
    AudioMissing,
    VideoMissing,
    AvDrift,
    CodecChange,
    QualityDrop,
    Stall,
    SegmentErrors,
    PlaylistErrors,
    SlowDelivery,
    SequenceRegression,
    Discontinuity,
    PdtJump,
    LatencyGrowth,
    RenditionStale,
    RenditionMissing,
    AnalysisDegraded,
)


class CheckSet:
    """All checks of one stream, by what they see."""

    def __init__(self, spec: Checks) -> None:
        self._all: dict[str, Check] = {kind.condition: kind() for kind in REGISTRY}
        self.pictures = tuple(check for check in self if isinstance(check, PictureCheck))
        self.sounds = tuple(check for check in self if isinstance(check, SoundCheck))
        self.segments = tuple(check for check in self if isinstance(check, SegmentCheck))
        self.playlists = tuple(check for check in self if isinstance(check, PlaylistCheck))
        self.renditions = tuple(check for check in self if isinstance(check, RenditionCheck))
        self.clocks = tuple(check for check in self if isinstance(check, ClockCheck))
        self.configure(spec)

    def configure(self, spec: Checks) -> None:
        """Takes new settings; what the checks remember stays."""
        for check in self:
            check.configure(spec)
        facts: tuple[Check, ...] = (*self.segments, *self.playlists, *self.renditions)
        self._off = [check for check in facts if not check.enabled]

    def __iter__(self) -> Iterator[Check]:
        return iter(self._all.values())

    def named(self, condition: str) -> Check | None:
        return self._all.get(condition)

    def open(self, conditions: Iterable[str]) -> bool:
        """Whether one of these is in alert."""
        return any(check.alert for name in conditions if (check := self._all.get(name)))

    @property
    def stall(self) -> Stall:
        return self._of(Stall)

    @property
    def segment_errors(self) -> SegmentErrors:
        return self._of(SegmentErrors)

    @property
    def analysis_degraded(self) -> AnalysisDegraded:
        return self._of(AnalysisDegraded)

    def _of(self, kind: type[C]) -> C:
        check = self._all[kind.condition]
        assert isinstance(check, kind)  # noqa: S101 - it is in the registry
        return check

    def renewed(self) -> None:
        """Another rendition is watched from now on."""
        for check in self:
            check.renewed()
            check.adrift = check.relative and check.alert

    def segment(self, seen: SegmentSeen) -> list[Change]:
        return _shown(self.segments, seen, seen.at.plus(seen.seconds))

    def playlist(self, seen: PlaylistSeen) -> list[Change]:
        return _shown(self.playlists, seen, seen.at)

    def rendition(self, seen: RenditionSeen) -> list[Change]:
        return _shown(self.renditions, seen, seen.at)

    def clock(self, seen: ClockSeen) -> list[Change]:
        """A check that was switched off ends its episode at the next tick, whether or not anything arrives."""
        return _shown(self.clocks, seen, seen.at) + [change for check in self._off if (change := check.settle(seen.at))]


def _shown(checks: Iterable[FactCheck[Any]], seen: Any, at: Moment) -> list[Change]:
    """One fact to all checks of its kind; those that were switched off only end what they have open."""
    found = (
        change for check in checks for change in (check.settle(at), check.observe(seen) if check.enabled else None)
    )
    return [change for change in found if change]
