# SPDX-License-Identifier: Apache-2.0
"""The catalogue of conditions: what can be wrong with a stream, how it is told, what was measured.

A condition's settings are the field of the same name in `resources.checks.Checks`. events.py makes the alert types
from this, the gateway tells them, docs/conditions.md is generated. The worker has one check per entry.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from .resources.checks import Checks, CheckSpec


class Group(StrEnum):
    """What a condition is seen in."""

    PICTURE = "picture"
    SOUND = "sound"
    STRUCTURE = "structure"
    DELIVERY = "delivery"
    SOURCE = "source"
    PROBE = "probe"


Measured = dict[str, float | str]


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry. `measured` is an example of what the check saw; `occurrence`: told once, not as an open alert."""

    name: str
    group: Group
    raised_text: str
    cleared_text: str
    raised: str
    cleared: str
    measured: Measured = field(default_factory=dict)
    occurrence: bool = False

    @property
    def spec(self) -> CheckSpec | None:
        """Its settings by default; None when it has none."""
        found: CheckSpec | None = getattr(Checks(), self.name, None)
        return found


def _alert(
    name: str, group: Group, raised_text: str, cleared_text: str, *, event: str | None = None, **measured: float | str
) -> Condition:
    raised = event or f"alert.{name}"
    return Condition(name, group, raised_text, cleared_text, raised, f"{raised}_recovered", measured)


_PICTURE = (
    _alert(
        "black", Group.PICTURE, "The picture is black.", "The picture is no longer black.",
        event="alert.blackout", dark_area=0.998, luma=0.01,
    ),
    _alert(
        "black_with_logo", Group.PICTURE,
        "The picture is black but for a logo.", "The picture is no longer black but for a logo.",
        dark_area=0.9875, logo_area=0.0312,
    ),
    _alert(
        "blank", Group.PICTURE, "The picture is of one colour.", "The picture is no longer of one colour.",
        luma=0.0731, spread=0.004, colour="#0000ff",
    ),
    _alert(
        "freeze", Group.PICTURE, "The picture stands still.", "The picture moves again.",
        motion_db=-61.5, noise_db=-42.0,
    ),
)  # fmt: skip
_SOUND = (
    _alert("silence", Group.SOUND, "The sound is silent.", "There is sound again.", level_db=-74.2, peak_db=-70.1),
    _alert(
        "one_channel_silent", Group.SOUND, "One channel is silent while another is not.", "All channels have sound.",
        channel=1, level_db=-90.0, loudest_db=-21.3,
    ),
    _alert(
        "low_loudness", Group.SOUND, "The programme is too quiet.", "The programme is loud enough again.",
        momentary_lufs=-47.1, short_term_lufs=-45.9, integrated_lufs=-38.2,
    ),
    _alert("clipping", Group.SOUND, "The sound clips.", "The sound no longer clips.", true_peak_dbtp=0.8),
)  # fmt: skip
_STRUCTURE = (
    _alert("audio_missing", Group.STRUCTURE, "There is no audio track.", "There is an audio track again.", codec="aac"),
    _alert("video_missing", Group.STRUCTURE, "There is no video track.", "There is a video track again.", codec="h264"),
    _alert(
        "av_drift", Group.STRUCTURE, "Sound and picture are apart.", "Sound and picture are together again.",
        offset_sec=0.74, baseline_sec=0.02,
    ),
    _alert(
        "codec_change", Group.STRUCTURE, "The format changed in mid-stream.", "The format is the usual one again.",
        field="height", before="720", after="480",
    ),
    _alert(
        "quality_drop", Group.STRUCTURE, "Height or bitrate fell far below its median.", "Quality is back.",
        bitrate_kbps=412.0, median_kbps=2980.0, height=720, median_height=720,
    ),
)  # fmt: skip
_DELIVERY = (
    Condition(
        "stall", Group.DELIVERY, "No new segment arrives.", "Segments arrive again.",
        "stream.suspended", "stream.resumed", {"idle_sec": 18.0, "target_sec": 6.0},
    ),
    _alert(
        "segment_errors", Group.DELIVERY, "Segments cannot be fetched or decoded.", "Segments are whole again.",
        event="alert.segment_error", error="HTTP 404",
    ),
    _alert(
        "playlist_errors", Group.DELIVERY, "The playlist cannot be loaded or read.", "The playlist is there again.",
        error="HTTP 503",
    ),
    _alert(
        "slow_delivery", Group.DELIVERY, "Segments take almost as long to download as they play.",
        "Delivery is fast again.", ratio=0.93, ttfb_sec=0.4,
    ),
    _alert(
        "sequence_regression", Group.DELIVERY, "The playlist goes back in its numbering.",
        "The numbering only goes forward again.", from_sequence=4711, to_sequence=4702,
    ),
    _alert(
        "discontinuity", Group.DELIVERY, "Discontinuities come thick and fast.", "Discontinuities are rare again.",
        count=7, window_sec=60.0,
    ),
    _alert(
        "pdt_jump", Group.DELIVERY, "Programme date-time jumps.", "Programme date-time runs evenly again.",
        jump_sec=-12.5,
    ),
    _alert(
        "latency_growth", Group.DELIVERY, "The newest media is ever older.", "Latency is back at its baseline.",
        latency_sec=31.0, baseline_sec=12.0,
    ),
    _alert(
        "rendition_stale", Group.DELIVERY, "A rendition stands still while the others go on.",
        "All renditions keep up.", rendition="1080p", lag_sec=44.0,
    ),
    _alert(
        "rendition_missing", Group.DELIVERY, "A rendition cannot be loaded.", "All renditions are there.",
        rendition="1080p", error="HTTP 404",
    ),
)  # fmt: skip
_SOURCE = (
    Condition(
        "start_delayed", Group.SOURCE, "The stream has not begun by its planned start plus tolerance.",
        "The stream is live.", "stream.delayed", "stream.started", occurrence=True,
    ),
    Condition(
        "ended", Group.SOURCE, "The stream has ended.", "The stream is live again.",
        "stream.ended", "stream.started", occurrence=True,
    ),
    Condition(
        "probe_blocked", Group.SOURCE, "The source refuses to be looked at; this says nothing about the stream.",
        "The source can be looked at again.", "probe.blocked", "probe.recovered",
    ),
    _alert(
        "analysis_degraded", Group.PROBE, "The worker cannot keep up and looks less deeply; this says nothing about the"
        " stream.", "The worker looks as deeply as it should again.", event="probe.degraded",
        reason="segments wait too long to be looked at", waited_sec=21.4,
    ),
)  # fmt: skip

CONDITIONS: dict[str, Condition] = {
    entry.name: entry for entry in (*_PICTURE, *_SOUND, *_STRUCTURE, *_DELIVERY, *_SOURCE)
}

ALERTS: dict[str, Condition] = {name: entry for name, entry in CONDITIONS.items() if not entry.occurrence}
"""Those that open and close, and are open in between."""
