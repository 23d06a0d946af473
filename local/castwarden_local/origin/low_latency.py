# SPDX-License-Identifier: Apache-2.0
"""A live stream in low-latency HLS: parts, preload hints, blocking reloads, delta updates. Or one that only says so."""

import asyncio
import math
from typing import Any, Literal

from aiohttp import web

from castwarden_local.origin.live import Aired, LiveOrigin, Script, Track, Window, as_playlist

Manners = Literal["good", "hangs", "busy", "ignores"]
_SKIP_AFTER = 6  # target durations from the live edge beyond which a delta update skips segments
_PARTS_FOR = 3  # target durations from the live edge within which parts are listed


class LowLatencyOrigin(LiveOrigin):
    """`async with LowLatencyOrigin([(10, "motion"), …]) as origin: origin.url`. Kinds are those of LiveOrigin.

    Parts are byte ranges of their segment. `manners` say what comes of a blocking reload: `good` answers when what was
    asked for is there, `hangs` never, `busy` 503, `ignores` at once. `skips=False`: no delta updates.
    `queries` counts the requests for playlists by their delivery directives.
    """

    def __init__(
        self,
        script: Script,
        *,
        part_seconds: float = 0.25,
        manners: Manners = "good",
        skips: bool = True,
        window: int = 12,
        **more: Any,
    ) -> None:
        super().__init__(script, window=window, **more)
        self.queries: dict[tuple[str, ...], int] = {}
        self._part = part_seconds
        self._manners = manners
        self._skips = skips

    async def _media_playlist(self, request: web.Request, folder: str, track: Track) -> web.Response:
        asked = tuple(sorted(name for name in request.query if name.startswith("_HLS_")))
        self.queries[asked] = self.queries.get(asked, 0) + 1
        if "_HLS_msn" in request.query:
            part = request.query.get("_HLS_part")
            await self._block(track, int(request.query["_HLS_msn"]), None if part is None else int(part))
        return as_playlist(self._low_latency(folder, track, delta=request.query.get("_HLS_skip") == "YES"))

    async def _block(self, track: Track, sequence: int, part: int | None) -> None:
        """Until that segment, or that part of it, is there; 503 after three target durations (§6.2.5.2)."""
        if self._manners == "hangs":
            await asyncio.sleep(60)
        if self._manners == "busy":
            raise web.HTTPServiceUnavailable
        patience = 3 * track.playlist.target_duration
        due = self._due(track, sequence, part) - self.elapsed
        if self._manners == "good":
            await asyncio.sleep(max(0.0, min(due, patience)))
            if due > patience:
                raise web.HTTPServiceUnavailable

    def _due(self, track: Track, sequence: int, part: int | None) -> float:
        aired = next((segment for segment in track.aired if self._sequence(segment) == sequence), None)
        if aired is None:
            return self._length  # after the last one comes the end
        return aired.published if part is None else min(self._part_due(aired, part), aired.published)

    def _part_due(self, segment: Aired, part: int) -> float:
        return segment.begins + (part + 1) * self._part

    def _low_latency(self, folder: str, track: Track, *, delta: bool) -> str:
        elapsed = self.elapsed
        window = self._window_at(track, elapsed)
        target = round(track.playlist.target_duration)
        skipped = self._skipped(window, target) if delta and self._skips else 0
        lines = [*self._head(track, window), *self._control(target)]
        lines += [f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}"] if skipped else self._map(folder, track)
        newest = window.shown[-1].published if window.shown else 0.0
        for segment in window.shown[skipped:]:
            if newest - segment.published < _PARTS_FOR * target:
                lines += self._part_lines(folder, segment, elapsed)
            lines += self._segment_lines(folder, segment, first=segment is window.shown[0])
        upcoming = next((it for it in track.aired if it.published > elapsed), None)
        if upcoming:
            lines += self._part_lines(folder, upcoming, elapsed)
            there = self._there(upcoming, elapsed)
            begin, _ = self._bytes(upcoming, there)
            lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{folder}/{upcoming.name}",BYTERANGE-START={begin}')
        return "\n".join([*lines, "#EXT-X-ENDLIST" if window.ended else "", ""])

    def _control(self, target: int) -> list[str]:
        skip = f",CAN-SKIP-UNTIL={_SKIP_AFTER * target:.1f}" if self._skips else ""
        control = f"CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={3 * self._part:.3f}{skip}"
        return [f"#EXT-X-SERVER-CONTROL:{control}", f"#EXT-X-PART-INF:PART-TARGET={self._part:.3f}"]

    def _skipped(self, window: Window, target: int) -> int:
        after, count = 0.0, len(window.shown)
        for segment in reversed(window.shown):
            after += segment.duration
            if after > _SKIP_AFTER * target:
                break
            count -= 1
        return count

    def _there(self, segment: Aired, elapsed: float) -> int:
        """How many of its parts are published."""
        return max(0, min(self._count(segment), math.floor((elapsed - segment.begins) / self._part + 1e-6)))

    def _count(self, segment: Aired) -> int:
        return max(1, math.ceil(segment.duration / self._part - 1e-6))

    def _bytes(self, segment: Aired, part: int) -> tuple[int, int]:
        """From where to where a part is in its segment."""
        count = self._count(segment)
        return segment.size * part // count, segment.size * (part + 1) // count

    def _part_lines(self, folder: str, segment: Aired, elapsed: float) -> list[str]:
        lines = []
        for part in range(self._there(segment, elapsed)):
            begin, end = self._bytes(segment, part)
            seconds = min(self._part, segment.duration - part * self._part)
            where = f'URI="{folder}/{segment.name}",BYTERANGE="{end - begin}@{begin}"'
            first = ",INDEPENDENT=YES" if part == 0 else ""
            lines.append(f"#EXT-X-PART:DURATION={seconds:.5f},{where}{first}")
        return lines
