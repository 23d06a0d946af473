# SPDX-License-Identifier: Apache-2.0
"""Processes that watch one stream at the same time, and what each takes between two moments when all are running.

Start-up counts for none of them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

import imageio_ffmpeg

from .usage import cpu_seconds, most_resident_mib, resident_mib

_SAMPLE = 0.2  # seconds between looks at memory
FILTERS = ("-vf", "blackdetect,freezedetect", "-af", "silencedetect", "-f", "null", "-")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds per second of stream, and the resident set in MiB: its median meanwhile, and its peak since birth."""

    cpu: float
    rss: float
    peak: float


def worker(url: str, depth: str = "Adaptive", count: int = 1, seconds: float | None = None) -> list[str]:
    """A worker process; `seconds` is the time after which it raises alerts."""
    command = [sys.executable, "-m", "bench.stream.watchers", url, depth, str(count)]
    return [*command, f"{seconds:g}"] if seconds else command


def ffmpeg(url: str, *options: str, filters: Sequence[str] = FILTERS, log: str = "error") -> list[str]:
    executable = imageio_ffmpeg.get_ffmpeg_exe()
    return [executable, "-nostdin", "-hide_banner", "-nostats", "-loglevel", log, *options, "-i", url, *filters]


async def measure(commands: Mapping[str, list[str]], warm_up: float, seconds: float) -> dict[str, Usage]:
    """Runs all commands at once and measures for `seconds` after `warm_up`."""
    async with running(commands) as pids:
        await asyncio.sleep(warm_up)
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        clock = asyncio.get_running_loop()
        began = clock.time()
        resident: dict[str, list[float]] = {name: [] for name in pids}
        while clock.time() - began < seconds:
            await asyncio.sleep(_SAMPLE)
            for name, pid in pids.items():
                resident[name].append(resident_mib(pid))
        took = clock.time() - began
        return {
            name: Usage((cpu_seconds(pid) - before[name]) / took, median(resident[name]), most_resident_mib(pid))
            for name, pid in pids.items()
        }


@asynccontextmanager
async def running(commands: Mapping[str, list[str]]) -> AsyncIterator[dict[str, int]]:
    """The processes' ids by name; all are ended at the end."""
    nowhere = asyncio.subprocess.DEVNULL
    processes: dict[str, asyncio.subprocess.Process] = {}
    try:
        for name, command in commands.items():
            processes[name] = await asyncio.create_subprocess_exec(*command, stdin=nowhere, stdout=nowhere)
        yield {name: process.pid for name, process in processes.items()}
    finally:
        await end(list(processes.values()))


async def end(processes: Sequence[asyncio.subprocess.Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()
