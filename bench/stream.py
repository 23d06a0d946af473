# SPDX-License-Identifier: Apache-2.0
"""CPU that watching one live 720p stream takes, beside ffmpeg doing the same: `python -m bench.stream`.

All watch the same live origin at once, for the same time. CPU is user plus system time of the whole process tree
between two moments when all are running, so that start-up counts for none; memory is the largest resident set.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import LiveOrigin

_FILTERS = ("-vf", "blackdetect,freezedetect", "-af", "silencedetect", "-f", "null", "-")
_WARM_UP = 8.0  # seconds until all have caught up with the live edge
_LOOP = 12.0  # seconds of different media
# What the role monitor runs on a stream, without a gateway to report to; the role's modules count for its memory.
_WORKER = """
import sys
import castwarden_worker.monitor.role
from castwarden_worker.probe import run_probe
sys.exit(run_probe(sys.argv[1], json=True, depth=sys.argv[2]))
"""
_TICKS = os.sysconf("SC_CLK_TCK")

_DEFAULT, _FULL = "worker, depth Keyframes", "worker, depth Full"
_FFMPEG, _KEYS = "ffmpeg, all frames", "ffmpeg -skip_frame nokey"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one contestant took: CPU seconds per second of stream, and its largest resident set in MiB."""

    name: str
    cpu: float
    rss: float


def main() -> int:
    """Prints the table and returns 0 when the promised bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=45.0, help="how long to measure")
    parser.add_argument("--segment", type=float, default=2.0, help="seconds per segment and group of pictures")
    arguments = parser.parse_args()
    usages = asyncio.run(measure(arguments.seconds, arguments.segment))
    return report(usages)


async def measure(seconds: float, segment: float) -> list[Usage]:
    """Runs all contestants against one live stream."""
    recipe = Recipe(width=1280, height=720, segment_seconds=segment, bitrate=2_500_000, preset="veryfast")
    loops = round((seconds + _WARM_UP) * 1.5 / _LOOP) + 2
    async with LiveOrigin([(_LOOP, "motion")], recipe=recipe, loops=loops) as origin:
        await asyncio.sleep(3 * segment)
        running = [(name, await _start(command)) for name, command in _contestants(origin.url)]
        try:
            await asyncio.sleep(_WARM_UP)
            before = {name: cpu_seconds(process.pid) for name, process in running}
            clock = asyncio.get_running_loop()
            began = clock.time()
            await asyncio.sleep(seconds)
            took = clock.time() - began
            return [
                Usage(name, (cpu_seconds(process.pid) - before[name]) / took, resident_mib(process.pid))
                for name, process in running
            ]
        finally:
            await _stop([process for _, process in running])


def report(usages: list[Usage]) -> int:
    """The table, and a line per bound."""
    by_name = {usage.name: usage for usage in usages}
    whole = by_name[_FFMPEG].cpu
    print(f"{'':<28}{'CPU ms per stream s':>20}{'of ffmpeg':>12}{'RSS MiB':>10}")
    for usage in usages:
        print(f"{usage.name:<28}{usage.cpu * 1000:>20.1f}{usage.cpu / whole:>12.3f}{usage.rss:>10.0f}")
    bounds = [
        ("depth Keyframes, CPU of ffmpeg", by_name[_DEFAULT].cpu / whole, 1 / 8),
        ("depth Full, CPU of ffmpeg", by_name[_FULL].cpu / whole, 1.1),
        ("resident set, MiB", by_name[_DEFAULT].rss, 110.0),
    ]
    for name, value, bound in bounds:
        print(f"{'ok  ' if value <= bound else 'MISS'} {name}: {value:.3f} (at most {bound:g})")
    return 0 if all(value <= bound for _, value, bound in bounds) else 1


def _contestants(url: str) -> list[tuple[str, Sequence[str]]]:
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error"]
    worker = [sys.executable, "-c", _WORKER, url]
    return [
        (_DEFAULT, [*worker, "Keyframes"]),
        (_FULL, [*worker, "Full"]),
        (_FFMPEG, [*ffmpeg, "-i", url, *_FILTERS]),
        (_KEYS, [*ffmpeg, "-skip_frame", "nokey", "-i", url, *_FILTERS]),
    ]


async def _start(command: Sequence[str]) -> asyncio.subprocess.Process:
    nowhere = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(*command, stdin=nowhere, stdout=nowhere, stderr=nowhere)


async def _stop(processes: list[asyncio.subprocess.Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all that hang on it, also those that have ended (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(field) for field in fields[11:15]) / _TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def resident_mib(pid: int) -> float:
    """The largest resident set so far (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
