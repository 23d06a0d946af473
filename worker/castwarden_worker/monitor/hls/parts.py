# SPDX-License-Identifier: Apache-2.0
"""Reads the tags of low-latency HLS: parts of segments, and what the server can do. `hls` calls it line by line."""

from collections.abc import Callable
from typing import Literal, TypeVar

from ..playlist import Part, PreloadHint, RenditionReport, ServerControl
from .tags import Ranges, Variables, byterange, integer, reference, seconds

_MOST = 10_000  # parts of one segment, hints, reports

_T = TypeVar("_T")


class PartsReader:
    """Parts are collected until `hls_media` takes them for the segment that they make up."""

    def __init__(self, variables: Variables) -> None:
        self.begun = False
        self.target: float | None = None
        self.control = ServerControl()
        self.parts: list[Part] = []
        self.hints: list[PreloadHint] = []
        self.reports: list[RenditionReport] = []
        self._attributes = variables.attributes
        self._ranges = Ranges()
        self.handlers: dict[str, Callable[[str], None]] = {
            "#EXT-X-SERVER-CONTROL": self._take_control,
            "#EXT-X-PART-INF": self._take_target,
            "#EXT-X-PART": self._take_part,
            "#EXT-X-PRELOAD-HINT": self._take_hint,
            "#EXT-X-RENDITION-REPORT": self._take_report,
        }

    def taken(self) -> tuple[Part, ...]:
        """The parts since the last segment."""
        if not self.parts:
            return ()
        taken, self.parts = tuple(self.parts), []
        return taken

    def _take_control(self, value: str) -> None:
        given = self._attributes(value)
        until, hold, part_hold = (
            seconds(given[name]) if given.get(name) else None
            for name in ("CAN-SKIP-UNTIL", "HOLD-BACK", "PART-HOLD-BACK")
        )
        can_block, dateranges = (given.get(name) == "YES" for name in ("CAN-BLOCK-RELOAD", "CAN-SKIP-DATERANGES"))
        self.control = ServerControl(can_block, until, dateranges, hold, part_hold)

    def _take_target(self, value: str) -> None:
        self.begun = True
        self.target = seconds(self._attributes(value).get("PART-TARGET", "")) or None

    def _take_part(self, value: str) -> None:
        self.begun = True
        given = self._attributes(value)
        uri = reference(given.get("URI", ""))
        part = self._ranges.take(uri, byterange(given["BYTERANGE"]) if given.get("BYTERANGE") else None)
        independent, gap = (given.get(name) == "YES" for name in ("INDEPENDENT", "GAP"))
        _append(self.parts, Part(uri, seconds(given.get("DURATION", "")), part, independent, gap))

    def _take_hint(self, value: str) -> None:
        given = self._attributes(value)
        if given.get("TYPE") not in ("PART", "MAP"):
            return
        start, length = integer(given.get("BYTERANGE-START", "0")), given.get("BYTERANGE-LENGTH")
        uri = reference(given.get("URI", ""))
        kind: Literal["PART", "MAP"] = "MAP" if given["TYPE"] == "MAP" else "PART"
        _append(self.hints, PreloadHint(kind, uri, start, integer(length) if length else None))

    def _take_report(self, value: str) -> None:
        given = self._attributes(value)
        if given.get("URI") and given.get("LAST-MSN"):
            part = integer(given["LAST-PART"]) if given.get("LAST-PART") else None
            _append(self.reports, RenditionReport(reference(given["URI"]), integer(given["LAST-MSN"]), part))


def _append(known: list[_T], record: _T) -> None:
    if len(known) >= _MOST:
        raise ValueError(f"more than {_MOST} of them")
    known.append(record)
