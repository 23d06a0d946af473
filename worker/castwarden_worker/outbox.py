# SPDX-License-Identifier: Apache-2.0
"""Keeps every report on disk until the gateway has acknowledged it: one file each, oldest first, survives kill -9.

A report that carries only a snapshot gives way to the next one; facts are never dropped. When the disk is full,
reports stay in memory, and log, metric and readiness say so.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from castwarden_base.logs import get_logger
from castwarden_model.messages import Report
from prometheus_client import Gauge
from pydantic import ValidationError

log = get_logger(__name__)
WAITING = Gauge("castwarden_worker_outbox_reports", "Reports not yet acknowledged by the gateway")
UNSAVED = Gauge("castwarden_worker_outbox_unsaved_reports", "Reports kept in memory because the disk refused them")


@dataclass(slots=True)
class Entry:
    """One waiting report. `unsaved` holds its text while it is not on disk."""

    seq: int
    path: Path
    snapshot_only: bool
    unsaved: bytes | None = None

    def body(self) -> bytes:
        """The report's JSON."""
        return self.path.read_bytes() if self.unsaved is None else self.unsaved


class Outbox:
    """One process uses a folder at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: list[Entry] = []
        self._writing = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._trouble: str | None = None
        self._counted = (0, 0)  # what the gauges, which many outboxes share, have of this one

    def open(self) -> list[Report]:
        """Takes up what an earlier process left, oldest first. Unreadable files are set aside, never deleted."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.glob("*.tmp"):
            leftover.unlink()
        reports = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                report = Report.model_validate_json(path.read_bytes())
            except (ValidationError, OSError) as error:
                log.error("outbox_file_unreadable", path=str(path), error=str(error))
                path.rename(path.with_suffix(".bad"))
                continue
            self._entries.append(Entry(report.seq, path, is_snapshot_only(report)))
            reports.append(report)
        self._count()
        return reports

    def close(self) -> None:
        """This process uses the folder no more; what waits stays in it."""
        self._tally(0, 0)

    def __len__(self) -> int:
        return len(self._entries)

    def trouble(self) -> str | None:
        """Why reports would be lost with this process, or None."""
        return self._trouble

    async def add(self, report: Report) -> None:
        """Returns once the report is on disk, or kept in memory because the disk refused it."""
        entry = Entry(
            report.seq,
            self._folder / f"{report.seq:020d}.json",
            is_snapshot_only(report),
            report.model_dump_json(exclude_none=True).encode(),
        )
        async with self._writing:
            await asyncio.to_thread(self._save, [*(e for e in self._entries if e.unsaved is not None), entry])
            superseded = None
            # The first entry may be on its way to the gateway, so it is never replaced.
            if entry.snapshot_only and len(self._entries) > 1 and self._entries[-1].snapshot_only:
                superseded = self._entries.pop()
            self._entries.append(entry)
            if superseded:
                await asyncio.to_thread(superseded.path.unlink, missing_ok=True)
        await self._tell()

    async def first(self) -> Entry:
        """The oldest report; waits while there is none."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._entries)
            return self._entries[0]

    async def remove(self, entry: Entry) -> None:
        """The gateway has it."""
        async with self._writing:
            self._entries.remove(entry)
            await asyncio.to_thread(entry.path.unlink, missing_ok=True)
            entry.unsaved = None
        await self._tell()

    async def emptied(self) -> None:
        """Returns once nothing waits."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._entries)

    async def _tell(self) -> None:
        self._count()
        async with self._changed:
            self._changed.notify_all()

    def _count(self) -> None:
        unsaved = sum(entry.unsaved is not None for entry in self._entries)
        self._tally(len(self._entries), unsaved)
        if not unsaved:
            self._trouble = None

    def _tally(self, waiting: int, unsaved: int) -> None:
        WAITING.inc(waiting - self._counted[0])
        UNSAVED.inc(unsaved - self._counted[1])
        self._counted = (waiting, unsaved)

    def _save(self, entries: list[Entry]) -> None:
        try:
            for entry in entries:
                if entry.unsaved is not None:
                    write_durably(entry.path, entry.unsaved)
                    entry.unsaved = None
        except OSError as error:
            if self._trouble is None:
                log.error("outbox_not_saved", error=str(error), folder=str(self._folder))
            self._trouble = f"reports are kept in memory only: {error.strerror or error}"
        else:
            if self._trouble is not None:
                log.info("outbox_saved_again")
            self._trouble = None


def is_snapshot_only(report: Report) -> bool:
    """Whether the next snapshot makes this report superfluous."""
    if report.transitions or report.occurrences or report.videos:
        return False
    download = report.download
    return download is None or not (download.attempts or download.result or download.failure)


def write_durably(path: Path, content: bytes) -> None:
    """All of `content` under `path`, or nothing, even when the machine stops in between."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
