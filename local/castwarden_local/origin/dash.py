# SPDX-License-Identifier: Apache-2.0
"""A live MPEG-DASH stream on loopback: the segments of `live` behind a manifest, with picture and sound apart."""

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal

from aiohttp import web

from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import LiveOrigin, Script

_SCALE = 1000
_TOLERANCE = 0.06  # seconds: plain numbers know only how long a segment of sound is meant to be
_NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
_CODECS = {"main": ("video", "avc1.64000d"), "audio": ("audio", "mp4a.40.2")}
Addressing = Literal["timeline", "numbers"]


class DashOrigin(LiveOrigin):
    """`async with DashOrigin([(10, "motion"), …], addressing="numbers") as origin: origin.url`.

    Kinds are those of LiveOrigin; `restart` begins a new period. After the script the manifest is static. Who asks for
    a segment that is not complete gets 404, and `early` counts that. `skew` is how many seconds the origin's clock is
    ahead of ours; `timing` is what the manifest says about it.
    """

    def __init__(
        self,
        script: Script,
        *,
        addressing: Addressing = "timeline",
        recipe: Recipe | None = None,
        skew: float = 0.0,
        timing: Literal["http-head", "http-xsdate", "direct", ""] = "http-xsdate",
        update_period: float = 1.0,
        **more: Any,
    ) -> None:
        recipe = replace(recipe or Recipe(), container="fmp4", separate_audio=True)
        super().__init__(script, recipe=recipe, **more)
        self.early = 0
        self._addressing = addressing
        self._skew = skew
        self._timing = timing
        self._update_period = update_period

    async def start(self) -> None:
        await super().start()
        self.url = self.url.replace("multivariant.m3u8", "manifest.mpd")

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self._skew, UTC)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path == "manifest.mpd":
            self.requests[path] = self.requests.get(path, 0) + 1
            part = self._part_at(self.elapsed)
            if part and "html" in part.kinds:
                return web.Response(text="<html><body>Please log in</body></html>", content_type="text/html")
            response = web.Response(text=self._manifest(), content_type="application/dash+xml")
        elif path == "time":
            response = web.Response(text=self._now.isoformat())
        else:
            if self._is_early(path):
                self.early += 1
                raise web.HTTPNotFound
            return await super()._answer(request)
        response.headers["Date"] = format_datetime(self._now.replace(microsecond=0), usegmt=True)
        return response

    def _is_early(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        aired = self._tracks[folder].aired if folder in self._tracks else []
        published = next((segment.published for segment in aired if segment.name == name), 0.0)
        return published > self.elapsed + _TOLERANCE

    def _manifest(self) -> str:
        over = self.elapsed >= self._length
        began = datetime.fromtimestamp(self._began_at.timestamp() + self._skew, UTC).isoformat()
        media = sum(part.media_seconds for part in self.parts)
        attributes = f'availabilityStartTime="{began}" maxSegmentDuration="PT2S"'
        if over:
            attributes += f' type="static" mediaPresentationDuration="PT{media:.3f}S"'
        else:
            attributes += f' type="dynamic" minimumUpdatePeriod="PT{self._update_period}S"'
        periods = "".join(self._period(epoch, over=over) for epoch in self._epochs())
        return f'<MPD xmlns="{_NAMESPACE}" {attributes}>{self._utc_timing()}{periods}</MPD>'

    def _utc_timing(self) -> str:
        if not self._timing:
            return ""
        value = self._now.isoformat() if self._timing == "direct" else "time"
        return f'<UTCTiming schemeIdUri="urn:mpeg:dash:utc:{self._timing}:2014" value="{value}"/>'

    def _epochs(self) -> list[int]:
        elapsed = self.elapsed
        return sorted({segment.epoch for segment in self._tracks["main"].aired if segment.published <= elapsed})

    def _period(self, epoch: int, *, over: bool) -> str:
        aired = [segment for segment in self._tracks["main"].aired if segment.epoch <= epoch]
        start = sum(segment.duration for segment in aired if segment.epoch < epoch)
        sets = "".join(self._set(name, epoch, over=over) for name in self._tracks)
        return f'<Period id="p{epoch}" start="PT{start:.3f}S">{sets}</Period>'

    def _set(self, name: str, epoch: int, *, over: bool) -> str:
        kind, codecs = _CODECS[name]
        size = f'width="{self._recipe.width}" height="{self._recipe.height}"' if kind == "video" else ""
        template = self._timeline(name, epoch, over=over) if self._addressing == "timeline" else self._numbers(name)
        return (
            f'<AdaptationSet contentType="{kind}" mimeType="{kind}/mp4">{template}'
            f'<Representation id="{name}" bandwidth="100000" codecs="{codecs}" {size}/></AdaptationSet>'
        )

    def _numbers(self, name: str) -> str:
        init = self._tracks[name].playlist.segments[0].init
        ticks = round(self._recipe.segment_seconds * _SCALE)
        return (
            f'<SegmentTemplate timescale="{_SCALE}" duration="{ticks}" startNumber="0" '
            f'initialization="$RepresentationID$/{init.uri if init else ""}" media="$RepresentationID$/$Number$.m4s"/>'
        )

    def _timeline(self, name: str, epoch: int, *, over: bool) -> str:
        """Times of segments are where they are in the media; the newest of the window are listed."""
        track = self._tracks[name]
        init = track.playlist.segments[0].init
        elapsed = float("inf") if over else self.elapsed
        listed, time = [], 0
        first_time: int | None = None
        for number, segment in enumerate(track.aired):
            ticks = round(segment.duration * _SCALE)
            if segment.epoch == epoch:
                first_time = time if first_time is None else first_time
                if segment.published <= elapsed:
                    listed.append((number, time, ticks))
            time += ticks
        listed = listed if over else listed[-self._window :]
        first_number = listed[0][0] if listed else 0
        entries = "".join(f'<S t="{time}" d="{ticks}"/>' for _, time, ticks in listed)
        return (
            f'<SegmentTemplate timescale="{_SCALE}" presentationTimeOffset="{first_time or 0}" '
            f'startNumber="{first_number}" initialization="$RepresentationID$/{init.uri if init else ""}" '
            f'media="$RepresentationID$/$Number$.m4s"><SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>'
        )
