# SPDX-License-Identifier: Apache-2.0
"""Containers' output on disk, one file per run, each line with its time; and what `kubectl logs` reads of it."""

import asyncio
import os
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from castwarden_local.controllers.objects import Object
from castwarden_local.outputs import RotatedFile
from castwarden_local.standin.interface import LogRequest

POLL_SECONDS = 0.2  # how often a follower looks for more


class RunLog:
    """The output of one run of a container; called with each line."""

    def __init__(self, path: Path) -> None:
        self._file = RotatedFile(path)

    def __call__(self, line: bytes) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._file.append(stamp.encode() + b" " + line + b"\n")

    def close(self) -> None:
        self._file.close()


class PodLogs:
    """All containers' logs under one directory. A container's latest two runs are kept."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def directory(self, pod: Object) -> Path:
        meta = pod["metadata"]
        return self.root / f"{meta['namespace']}_{meta['name']}_{meta['uid']}"

    def begin(self, pod: Object, container: str, run: int) -> RunLog:
        directory = self.directory(pod) / container
        for old in _runs(directory)[:-1]:
            for path in (old, old.with_name(old.name + ".1")):
                path.unlink(missing_ok=True)
        return RunLog(directory / f"{run}.log")

    def find(self, pod: Object, container: str, *, previous: bool) -> Path | None:
        runs = _runs(self.directory(pod) / container)
        wanted = 2 if previous else 1
        return runs[-wanted] if len(runs) >= wanted else None

    def remove(self, pod: Object) -> None:
        shutil.rmtree(self.directory(pod), ignore_errors=True)

    def remove_others(self, uids: set[str]) -> None:
        """Those of Pods that are no more."""
        for directory in self.root.iterdir() if self.root.exists() else ():
            if directory.name.rpartition("_")[2] not in uids:
                shutil.rmtree(directory, ignore_errors=True)


async def read(path: Path, request: LogRequest, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The log as asked for. A follower is served until the run has ended."""
    left = request.limit_bytes
    async for line in _lines(path, request, running):
        shown = line if request.timestamps else line.partition(b" ")[2]
        if left is not None:
            shown = shown[:left]
            left -= len(shown)
        yield shown
        if left == 0:
            return


async def _lines(path: Path, request: LogRequest, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    since = b""
    if request.since_seconds is not None:
        moment = datetime.now(UTC) - timedelta(seconds=request.since_seconds)
        since = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
    handle = path.open("rb")
    try:
        past = (line for line in _past(path, handle) if line >= since)
        for line in past if request.tail_lines is None else deque(past, maxlen=request.tail_lines):
            yield line
        while request.follow:
            alive = running()  # asked before reading, so that nothing written meanwhile is missed
            for line in _whole_lines(handle):
                yield line
            if _rotated(path, handle):
                handle.close()
                handle = path.open("rb")
            elif not alive:
                return
            else:
                await asyncio.sleep(POLL_SECONDS)
    finally:
        handle.close()


def _rotated(path: Path, handle: BinaryIO) -> bool:
    return path.exists() and path.stat().st_ino != os.fstat(handle.fileno()).st_ino


def _past(path: Path, handle: BinaryIO) -> Iterator[bytes]:
    rotated = path.with_name(path.name + ".1")
    if rotated.exists():
        with rotated.open("rb") as older:
            yield from older
    yield from _whole_lines(handle)


def _whole_lines(handle: BinaryIO) -> Iterator[bytes]:
    while line := handle.readline():
        if not line.endswith(b"\n"):  # still being written
            handle.seek(-len(line), os.SEEK_CUR)
            return
        yield line


def _runs(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.log"), key=lambda path: int(path.stem))
