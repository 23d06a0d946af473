# SPDX-License-Identifier: Apache-2.0
"""Child process of the role download: one try of yt-dlp into the staging folder, with one client.

Answers `{"progress": …}` any number of times, then `{"done": …}` or `{"error": …}`.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yt_dlp
from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS

from ..children import Json, serve
from ..site_errors import classify
from ..ytdlp import common_options
from .embed import embed, tags_of

Send = Callable[[Json], None]
# Everything else (rtmp, rtsp, mms, …) would be fetched past the guarded proxy.
_PROTOCOLS = ("http", "https", "m3u8", "m3u8_native", "http_dash_segments", "ism", "f4m")
_PROGRESS_SECONDS = 1.0
_OWN = {"mp4": (("mp4", "m4a"),), "webm": (("webm", "webm"),)}


class _Impossible(Exception):
    """No other try would help: (reason, message)."""


def format_of(container: str, quality: str, *, merging: bool) -> str:
    """yt-dlp's format expression: the wanted container's own tracks first, then anything that can be put into it.

    Without `merging` (there is no ffmpeg) only files that hold picture and sound together.
    """
    height = f"[height<=?{quality.removesuffix('p')}]" if quality.endswith("p") else ""
    video, sound, one = ("wv*", "wa", "w") if quality == "worst" else ("bv*", "ba", "b")
    pairs = [(f"[ext={video_ext}]", f"[ext={sound_ext}]") for video_ext, sound_ext in _OWN.get(container, ())]
    choices = []
    for own_video, own_sound in [*pairs, ("", "")]:
        if merging:
            choices.append(f"{video}{height}{own_video}+{sound}{own_sound}")
        choices.append(f"{one}{height}{own_video}")
    return "/".join([*choices, one])


def options_of(request: Json) -> dict[str, Any]:
    """yt-dlp's options for one try."""
    container, ffmpeg = request["container"], request["ffmpeg"]
    options = common_options(request["proxy"]) | {
        "outtmpl": f"{request['folder']}/%(id).80B_{request['stamp']}.%(ext)s",
        "format": format_of(container, request["quality"], merging=bool(ffmpeg)),
        "writethumbnail": request["cover"],
        "retries": 5,
        "fragment_retries": 5,
        "updatetime": False,
        "hls_prefer_native": True,
        "external_downloader": {"default": "native"},
    }
    if ffmpeg:
        options |= {"ffmpeg_location": ffmpeg, "postprocessor_args": {"ffmpeg_i": ["-protocol_whitelist", "file"]}}
        if container != "original":
            options |= {
                "merge_output_format": container,
                "postprocessors": [{"key": "FFmpegVideoRemuxer", "preferedformat": container}],
            }
    if request["client"]:
        options["extractor_args"] = {"youtube": {"player_client": [request["client"]]}}
    return options


def work(request: Json, send: Send) -> None:
    """Answers `{"url", "client", "folder", "stamp", "container", "quality", "tags", "cover", "ffmpeg", "proxy"}`."""
    try:
        send({"done": _fetch(request, send)})
    except _Impossible as error:
        reason, message = error.args
        send({"error": {"reason": reason, "message": message, "final": True}})
    except (yt_dlp.utils.YoutubeDLError, OSError) as error:
        text = str(error).removeprefix("ERROR: ")
        found = classify(text)
        send({"error": {"reason": found.reason or "upcoming", "message": text[:2000], "final": found.final}})


def _fetch(request: Json, send: Send) -> Json:
    client = request["client"]
    if client and client not in INNERTUBE_CLIENTS:
        raise yt_dlp.utils.YoutubeDLError(f"this yt-dlp knows no client {client}")
    with yt_dlp.YoutubeDL(options_of(request)) as ydl:
        info = ydl.extract_info(request["url"], download=False)
        _check(info)
        progress = _Progress(info, send)
        ydl.add_progress_hook(progress.hook)
        info = ydl.process_ie_result(info, download=True)
    path = Path(info["requested_downloads"][0]["filepath"])
    container = request["container"]
    if container != "original" and path.suffix != f".{container}":
        raise _Impossible("ffmpeg_missing", f"the site serves {path.suffix}; ffmpeg is needed to make it {container}")
    if request["tags"] and request["ffmpeg"]:
        tags = tags_of(info["id"], info["title"], info.get("channel") or info.get("uploader"), info.get("upload_date"))
        embed(request["ffmpeg"], path, tags, _cover(info))
    return {"file": path.name, "media_id": info["id"], "title": info.get("title") or info["id"]}


def _check(info: Mapping[str, Any] | None) -> None:
    if not info:
        raise _Impossible("unavailable", "the page names no media")
    if info.get("_type", "video") != "video":
        raise _Impossible("is_a_list", "the page is a list; a DownloadJob fetches one media file")
    if info.get("is_live"):
        raise _Impossible("is_live", "the media is still being broadcast")
    for format_ in info.get("requested_formats") or [info]:
        if (protocol := format_.get("protocol")) not in _PROTOCOLS:
            raise _Impossible("unsupported_source", f"media served by {protocol} is not fetched")


def _cover(info: Mapping[str, Any]) -> Path | None:
    files = [Path(found["filepath"]) for found in info.get("thumbnails") or [] if found.get("filepath")]
    return files[-1] if files and files[-1].exists() else None


class _Progress:
    """Adds up the tracks of one download, which yt-dlp fetches one after the other."""

    def __init__(self, info: Mapping[str, Any], send: Send) -> None:
        sizes = [f.get("filesize") or f.get("filesize_approx") for f in info.get("requested_formats") or [info]]
        self._total = sum(sizes) if all(sizes) else None
        self._done = 0
        self._next = 0.0
        self._send = send

    def hook(self, state: Mapping[str, Any]) -> None:
        """Called by yt-dlp, often."""
        fetched = state.get("downloaded_bytes") or state.get("total_bytes") or 0
        last = state["status"] == "finished"
        if not last and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PROGRESS_SECONDS
        current = self._done + fetched
        if last:
            self._done = current
        single = None if self._done and not last else state.get("total_bytes") or state.get("total_bytes_estimate")
        total = self._total or (int(single) if single else None)
        self._send({"progress": {"bytes": current, "total": total, "speed": state.get("speed")}})


if __name__ == "__main__":
    serve("worker-download", work)
