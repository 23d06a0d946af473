# SPDX-License-Identifier: Apache-2.0
"""FFmpeg's blackdetect, freezedetect and silencedetect on the same media, with the same thresholds, by their logs.

They see the whole file at once. What they tell is taken as told at the time in the medium at which they log it:
blackdetect at the end of the black, the others when the duration is reached. No delay for segments is added.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
from castwarden_model.resources.checks import Checks

from .cases import Label, Medium
from .produce import Made, Piece, produce
from .rule import Alert, Bounds, Verdict, judge

CONDITIONS = ("black", "freeze", "silence")
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_BLACK = re.compile(rf"black_start:{_NUMBER} black_end:{_NUMBER}")
_FREEZE = re.compile(rf"freeze_(start|end): {_NUMBER}")
_SILENCE = re.compile(rf"silence_(start|end): {_NUMBER}")


def rival(medium: Medium, labels: tuple[Label, ...], checks: Checks, bounds: Bounds) -> Verdict:
    """The same rule for FFmpeg, less strict at the end: nobody asks it for a clear time."""
    made = produce(medium)
    log = _log(made, checks)
    alerts = [alert for alert in _alerts(log, checks, bounds.seconds) if alert.condition in CONDITIONS]
    wanted = [label for label in labels if label.condition in CONDITIONS]
    return judge(wanted, alerts, checks, Bounds(bounds.segment, float("inf"), bounds.seconds))


def _log(made: Made, checks: Checks) -> str:
    black, freeze, silence = checks.black, checks.freeze, checks.silence
    pictures = f"blackdetect=d={black.raise_after.total_seconds()}:pix_th={black.luma}:pic_th={black.area}"
    pictures += f",freezedetect=n={freeze.noise_db}dB:d={freeze.raise_after.total_seconds()}"
    sounds = f"silencedetect=n={silence.level_db}dB:d={silence.raise_after.total_seconds()}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-threads", "1"]
    command += ["-allowed_extensions", "ALL", "-i", str(_playlist(made, "main", made.main))]
    if made.audio:
        command += ["-allowed_extensions", "ALL", "-i", str(_playlist(made, "audio", made.audio))]
    sound = "1:a" if made.audio else "0:a?"
    command += ["-map", "0:v?", "-vf", pictures, "-map", sound, "-af", sounds, "-f", "null", "-"]
    return subprocess.run(command, check=False, timeout=120, capture_output=True, text=True).stderr


def _playlist(made: Made, name: str, pieces: tuple[Piece, ...]) -> Path:
    """The finished playlist of a rendition, written beside its segments."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{max(round(piece.seconds) for piece in pieces)}"]
    init = None
    for piece in pieces:
        lines += ["#EXT-X-DISCONTINUITY"] if piece.discontinuity else []
        if piece.init and piece.init != init:
            init = piece.init
            lines.append(f'#EXT-X-MAP:URI="{init}"')
        lines += [f"#EXTINF:{piece.seconds:.6f},", piece.file]
    file = made.folder / f"{name}.m3u8"
    file.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return file


def _alerts(log: str, checks: Checks, seconds: float) -> Iterator[Alert]:
    for match in _BLACK.finditer(log):
        begin, end = float(match[1]), float(match[2])
        yield Alert("black", begin, end, *_over(checks, "black", begin, end, seconds))
    for condition, pattern in (("freeze", _FREEZE), ("silence", _SILENCE)):
        after = getattr(checks, condition).raise_after.total_seconds()
        opened: float | None = None
        for match in pattern.finditer(log):
            if match[1] == "start":
                opened = float(match[2])
            elif opened is not None:
                over = _over(checks, condition, opened, float(match[2]), seconds)
                yield Alert(condition, opened, opened + after, *over)
                opened = None
        if opened is not None:
            yield Alert(condition, opened, opened + after)


def _over(checks: Checks, condition: str, begin: float, end: float, seconds: float) -> tuple[float, float]:
    """When it would be told as over, after the clear time, and how long it was."""
    if end >= seconds - 0.2:
        return seconds, end - begin
    return end + getattr(checks, condition).clear_after.total_seconds(), end - begin
