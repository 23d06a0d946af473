# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.stream`: everything about the cost and the speed of watching, in one run, with a line per bound.

All contestants read the same live stream from the same origin at the same time. CPU is user plus system time of the
whole process tree per second of stream.
"""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .contest import Usage, ffmpeg, measure, worker
from .delay import SEGMENT as DELAY_SEGMENT
from .delay import THRESHOLD, delays
from .footage import FULL_HD, HD, make
from .origin import LoopOrigin
from .replay import growth

_WARM_UP = 45.0  # seconds until all have caught up with the live edge and know that the picture moves
_PACKED = 20
_MANY = 50


@dataclass(slots=True)
class Report:
    """Figures against their bounds."""

    missed: int = 0

    def bound(self, name: str, value: float, most: float, unit: str = "") -> None:
        within = value <= most
        self.missed += not within
        print(f"{'ok  ' if within else 'MISS'} {name}: {value:.3f}{unit} (at most {most:.3f}{unit})", flush=True)


def main() -> int:
    """Prints the figures and returns 0 when every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long CPU is measured")
    parser.add_argument("--hours", type=float, default=6.0, help="how much media is replayed")
    arguments = parser.parse_args()
    report = Report()
    asyncio.run(_run(report, arguments.seconds, arguments.hours))
    return 1 if report.missed else 0


async def _run(report: Report, seconds: float, hours: float) -> None:
    with tempfile.TemporaryDirectory(prefix="castwarden-bench-") as folder:
        loops = {}
        for name, size in (("720p", HD), ("1080p", FULL_HD)):
            place = Path(folder) / name
            place.mkdir()
            loops[name] = await asyncio.to_thread(make, size, place)
    async with LoopOrigin(loops) as origin:
        await _compare(report, origin, seconds)
    async with LoopOrigin(loops) as origin:
        await _alerts(report, origin)
    early, late, grown = await growth(loops["720p"], hours)
    print(f"\n{hours:g} h of media replayed: resident {early:.1f} MiB after 10 min, {late:.1f} MiB at the end")
    report.bound("resident set, growth", grown, 0.05)


async def _compare(report: Report, origin: LoopOrigin, seconds: float) -> None:
    live, larger = origin.url("720p"), origin.url("1080p")
    commands = {
        "worker, Adaptive": worker(origin.url("720p", "adaptive")),
        "worker, Keyframes": worker(live, "Keyframes"),
        "worker, Full": worker(live, "Full"),
        f"worker, {_PACKED} x Adaptive": worker(live, count=_PACKED),
        "ffmpeg -skip_frame nokey": ffmpeg(live, "-skip_frame", "nokey"),
        "ffmpeg": ffmpeg(live),
        "worker, Adaptive, 1080p": worker(larger),
        "ffmpeg, 1080p": ffmpeg(larger),
    }
    found = await measure(commands, _WARM_UP, seconds)
    print(f"{'':<28}{'CPU ms per stream s':>20}{'RSS MiB':>10}{'peak':>8}")
    for name, usage in found.items():
        print(f"{name:<28}{usage.cpu * 1000:>20.2f}{usage.rss:>10.1f}{usage.peak:>8.1f}")
    _cpu_bounds(report, found)
    report.bound("resident set of a worker, 720p", found["worker, Adaptive"].rss, 100.0, " MiB")
    report.bound("bytes fetched, of those of the rendition", origin.share("adaptive"), 1.05)


def _cpu_bounds(report: Report, found: dict[str, Usage]) -> None:
    cpu = {name: usage.cpu for name, usage in found.items()}
    alone, keys, whole = cpu["worker, Adaptive"], cpu["ffmpeg -skip_frame nokey"], cpu["ffmpeg"]
    report.bound("Adaptive, CPU of ffmpeg -skip_frame nokey", alone / keys, 0.4)
    report.bound("Adaptive, CPU of ffmpeg, 720p", alone / whole, 1 / 20)
    report.bound("Adaptive, CPU of ffmpeg, 1080p", cpu["worker, Adaptive, 1080p"] / cpu["ffmpeg, 1080p"], 1 / 25)
    report.bound("Keyframes, CPU of ffmpeg -skip_frame nokey", cpu["worker, Keyframes"] / keys, 0.95)
    report.bound("Full, CPU of ffmpeg", cpu["worker, Full"] / whole, 1.0)
    packed = cpu[f"worker, {_PACKED} x Adaptive"] / _PACKED
    report.bound(f"{_PACKED} packed, CPU per stream of one alone", packed / alone, 0.8)


async def _alerts(report: Report, origin: LoopOrigin) -> None:
    """Delays, and meanwhile the memory of many streams in one process."""
    url = origin.url("720p")
    commands = {"one": worker(url), "many": worker(url, count=_MANY)}
    found, (ours, theirs) = await asyncio.gather(measure(commands, _WARM_UP, 45.0), delays())
    one, many = found["one"].rss, found["many"].rss
    print(f"\nresident: one stream {one:.1f} MiB, {_MANY} in one process {many:.1f} MiB")
    report.bound(f"resident set per stream, {_MANY} packed", (many - one) / (_MANY - 1), 10.0, " MiB")
    print(f"\nfrom the first bad frame to the alert, less {THRESHOLD:g} s threshold and {DELAY_SEGMENT:g} s segment")
    for name, delay in ours.items():
        report.bound(f"{name} (ffmpeg's filter: {theirs[name]:.1f} s)", delay, DELAY_SEGMENT, " s")


if __name__ == "__main__":
    sys.exit(main())
