# SPDX-License-Identifier: Apache-2.0
"""Writes title, channel, date, id and cover into a media file by copying its streams with ffmpeg. Best effort."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from castwarden_base.logs import get_logger

log = get_logger(__name__)
_HOLDS_TEXT = ("mp4", "m4a", "m4v", "mov", "mkv", "mka", "webm", "mp3", "ogg", "opus", "flac")
_HOLDS_COVER = ("mp4", "m4a", "m4v", "mov", "mkv", "mka", "mp3")
_COVERS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
# A downloaded file may pretend to be a playlist that names files of ours; only these formats are opened.
_ONLY = ("-protocol_whitelist", "file", "-format_whitelist")
_MEDIA = "mov,matroska,webm,mp3,ogg,flac"
_PICTURES = "image2,jpeg_pipe,png_pipe"


def find_ffmpeg() -> str | None:
    """The system's ffmpeg, else the one in the wheel imageio-ffmpeg, else None."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def tags_of(media_id: str, title: str, channel: str | None, date: str | None) -> dict[str, str]:
    """What is written into the file. `date` is YYYYMMDD, as yt-dlp has it."""
    tags = {"title": title, "comment": media_id}
    if channel:
        tags |= {"artist": channel, "album_artist": channel}
    if date:
        tags["date"] = date
    return tags


def command(
    ffmpeg: str, source: Path, target: Path, tags: Mapping[str, str], cover: Path | None
) -> Sequence[str] | None:
    """ffmpeg's arguments, or None when this container can hold none of it."""
    kind = source.suffix.removeprefix(".").lower()
    if kind not in _HOLDS_TEXT:
        return None
    argv = [ffmpeg, "-nostdin", "-v", "error", "-y", *_ONLY, _MEDIA, "-i", f"file:{source}"]
    picture = cover if kind in _HOLDS_COVER and cover and cover.suffix.lower() in _COVERS else None
    if picture and kind in ("mkv", "mka"):
        mime = _COVERS[picture.suffix.lower()]
        argv += ["-attach", str(picture), "-metadata:s:t", f"mimetype={mime}", "-map", "0"]
    elif picture:
        argv += [
            *_ONLY,
            _PICTURES,
            "-i",
            f"file:{picture}",
            "-map",
            "0",
            "-map",
            "1",
            "-disposition:v:1",
            "attached_pic",
        ]
    else:
        argv += ["-map", "0"]
    argv += ["-dn", "-c", "copy"]
    for name, value in tags.items():
        argv += ["-metadata", f"{name}={value}"]
    return [*argv, f"file:{target}"]


def embed(ffmpeg: str, source: Path, tags: Mapping[str, str], cover: Path | None) -> None:
    """Replaces `source` by itself with tags; leaves it as it is when that fails."""
    target = source.with_name(f"{source.stem}.tagged{source.suffix}")
    argv = command(ffmpeg, source, target, tags, cover)
    if argv is None:
        return
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=1800)  # noqa: S603 - our own arguments
    except (subprocess.SubprocessError, OSError) as error:
        output = getattr(error, "stderr", None) or b""
        log.warning("metadata_not_embedded", error=str(error), output=output[-500:].decode(errors="replace"))
        target.unlink(missing_ok=True)
        if cover:
            embed(ffmpeg, source, tags, None)
        return
    target.replace(source)
