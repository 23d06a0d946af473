# SPDX-License-Identifier: Apache-2.0
"""Codec, picture size, sample rate or channels changed in mid-stream. A property not yet decoded is no change."""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change
from ..seen import SegmentSeen
from .base import SegmentCheck

_BACK = 10.0  # seconds that the usual format must be back: a stream that alternates does not alert each time

Format = dict[str, str]


class CodecChange(SegmentCheck):
    """Raised at once. Cleared when the usual format is back, or the new one has lasted and is the usual one now."""

    condition = "codec_change"
    relative = True

    def __init__(self) -> None:
        super().__init__()
        self.clear_after = 60.0
        self._usual: Format = {}
        self._new: dict[str, tuple[str, float]] = {}  # per property: what it is now, since when (media time)
        self._told = ("unknown", "unknown", "unknown")

    def configure(self, spec: Checks) -> None:
        self.enabled = spec.codec_change.enabled
        self.clear_after = spec.codec_change.clear_after.total_seconds()
        self.episode.clear_after = min(_BACK, self.clear_after)

    def observe(self, seen: SegmentSeen) -> Change | None:
        now = _format(seen)
        for name, value in now.items():
            usual = self._usual.setdefault(name, value)
            if value == usual:
                self._new.pop(name, None)
            elif (known := self._new.get(name)) is None or known[0] != value:
                self._new[name] = (value, seen.at.media)
                self._told = (name, usual, value)
        end = seen.at.plus(seen.seconds)
        if self._new and all(end.media - since >= self.clear_after - 1e-6 for _, since in self._new.values()):
            self._usual |= {name: value for name, (value, _) in self._new.items()}
            self._new.clear()
            return self.episode.close(end)
        return self.episode.observe(seen.at, bad=bool(self._new)) if now else None

    def recall(self, measured: Mapping[str, float | str]) -> bool:
        field, before = str(measured.get("field", "unknown")), str(measured.get("before", "unknown"))
        if "unknown" in (field, before):
            return False
        self._usual[field] = before
        return True

    def renewed(self) -> None:
        self._usual.clear()
        self._new.clear()

    def measured(self) -> Mapping[str, float | str]:
        return dict(zip(("field", "before", "after"), self._told, strict=True))


def _format(seen: SegmentSeen) -> Format:
    """What is known of a segment's format, the most telling property last."""
    video, audio = seen.video, seen.audio
    found = {
        "channels": audio and audio.channels,
        "rate": audio and audio.rate,
        "audio_codec": audio and audio.codec,
        "width": video and video.width,
        "height": video and video.height,
        "video_codec": video and video.codec,
    }
    return {name: str(value) for name, value in found.items() if value is not None}
