# SPDX-License-Identifier: Apache-2.0
"""Access units from a child that demuxed them (`wire`) to stretches."""

from typing import Literal

from ...media.tracks import Sample
from .. import wire
from .cut import Gatherer, Stretch


class UnitCutter:
    """Reads `wire` records."""

    def __init__(self) -> None:
        self.title: str | None = None
        self._gathered = Gatherer()
        self._buffer = bytearray()
        self._known: set[Literal["video", "audio"]] = set()

    def feed(self, data: bytes) -> list[Stretch]:
        self._buffer += data
        done: list[Stretch] = []
        for kind, body in wire.records(self._buffer):
            if kind == wire.TRACK:
                name, codec, extradata = wire.read_track(body)
                track: Literal["video", "audio"] = "video" if name == "video" else "audio"
                self._known.add(track)
                done += self._gathered.set_track(track, codec, extradata)
            elif kind == wire.PACKET:
                is_video, is_key, pts, unit = wire.read_packet(body)
                track = "video" if is_video else "audio"
                if track in self._known:
                    done += self._gathered.add(track, Sample(pts, unit, key=is_key or not is_video))
        return done

    def finish(self) -> list[Stretch]:
        return self._gathered.cut()
