# SPDX-License-Identifier: Apache-2.0
"""What the gateway costs and how soon it delivers, as ratios in one run on one machine.

`python -m bench.gateway` starts PostgreSQL, the gateway and a raw sink as processes of their own and prints one table.
Deliveries are compared with a bare loop that signs and posts with aiohttp to the same sink, in turns; requests with a
bare aiohttp handler that answers the same bytes. Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.gateway import floods, latency, requests
from bench.gateway.floods import Flood
from bench.gateway.latency import Dead
from bench.gateway.stack import Stack, stack, wait_ready
from bench.gateway.usage import peak_rss_mib, rss_mib

ONE, TEN = ["/hook/0"], [f"/hook/{number}" for number in range(10)]
DEAD = {"one never answers, 10,000 due": Dead(1, 10_000), "1,000 never answer, 10 due each": Dead(1_000, 10)}
PARTS = ("floods", "latency", "dead", "backlog", "requests")


@dataclass
class Sizes:
    """How much of everything; `--small` takes a tenth."""

    rounds: int = 3
    one: int = 20_000
    ten: int = 5_000
    seconds: float = 10.0
    backlog_endpoints: int = 1_000
    backlog_each: int = 1_000
    backlog_measured: int = 20_000


SMALL = Sizes(rounds=1, one=2_000, ten=500, seconds=3.0, backlog_each=50, backlog_measured=5_000)


class Table:
    """Lines as they are measured; `missed` counts those beyond their goal."""

    def __init__(self) -> None:
        self.missed = 0

    def line(self, what: str, found: str, goal: str = "", *, met: bool = True) -> None:
        self.missed += not met
        print(f"{what:<58}{found:>34}{goal:>12}{'' if met else '  missed'}", flush=True)

    def least(self, what: str, ratio: float, goal: float, details: str) -> None:
        self.line(what, f"{details}{ratio:>8.2f}", f">= {goal:g}", met=ratio >= goal)

    def most(self, what: str, found: float, goal: float, details: str) -> None:
        self.line(what, f"{details}{found:>8.2f}", f"<= {goal:g}", met=found <= goal)


async def main(sizes: Sizes, parts: list[str]) -> int:
    table = Table()
    with tempfile.TemporaryDirectory(prefix="castwarden-bench-") as folder:
        async with stack(Path(folder)) as running:
            await wait_ready(running)
            idle = rss_mib(running.gateway_pid)
            rate = 3_000.0
            if "floods" in parts:
                rate = await measure_floods(running, sizes, table)
            if "latency" in parts:
                await measure_latency(running, sizes, table, rate)
            if "dead" in parts:
                await measure_dead(running, sizes, table)
            if "backlog" in parts:
                short, long = await floods.backlog(
                    running, sizes.backlog_endpoints, sizes.backlog_each, sizes.backlog_measured
                )
                what = f"a backlog of {sizes.backlog_endpoints * sizes.backlog_each:,}, against a short queue"
                table.least(what, long / short, 0.9, f"{short:.0f}/s, {long:.0f}/s")
            if "requests" in parts:
                await measure_requests(running, Path(folder), sizes, table)
            table.most("MiB of the gateway: idle", idle, 120, "")
            table.most("MiB of the gateway: at its peak", peak_rss_mib(running.gateway_pid), 250, "")
    return 1 if table.missed else 0


async def measure_floods(running: Stack, sizes: Sizes, table: Table) -> float:
    """Returns the rate to one endpoint."""
    one = await floods.flood(running, ONE, sizes.one, sizes.rounds)
    print_flood(table, f"{sizes.one:,} events to one endpoint", one, 0.6)
    ten = await floods.flood(running, TEN, sizes.ten, sizes.rounds)
    print_flood(table, f"{sizes.ten:,} events to ten endpoints", ten, 0.7)
    return median(each.rate for each in one)


def print_flood(table: Table, what: str, rounds: list[Flood], goal: float) -> None:
    """The median round of each ratio."""
    rate = sorted(rounds, key=lambda each: each.rate_ratio)[len(rounds) // 2]
    cpu = sorted(rounds, key=lambda each: each.cpu_ratio)[len(rounds) // 2]
    table.least(f"{what}: rate", rate.rate_ratio, goal, f"bare {rate.bare_rate:.0f}/s, {rate.rate:.0f}/s")
    table.most(f"{what}: CPU s/1,000", cpu.cpu_ratio, 2.2, f"bare {cpu.bare_cpu:.2f}, {cpu.cpu:.2f}")


async def measure_latency(running: Stack, sizes: Sizes, table: Table, peak: float) -> None:
    calm = await latency.delays(running, ONE, 450, sizes.seconds)
    table.line("450 events/s, publish to receipt", f"p50 {calm.p50:.1f} ms, p99 {calm.p99:.1f} ms", "3, 12 quiet")
    busy = await latency.delays(running, ONE, peak / 2, sizes.seconds)
    table.most(f"{peak / 2:.0f} events/s (half the peak), p99 in ms", busy.p99, 60, f"p50 {busy.p50:.1f}")


async def measure_dead(running: Stack, sizes: Sizes, table: Table) -> None:
    """Nine endpoints alone, and beside dead ones. Rounds take turns, the ratio is that of medians."""
    alone: list[float] = []
    beside: dict[str, list[float]] = {name: [] for name in DEAD}
    for _ in range(sizes.rounds):
        alone.append((await latency.delays(running, TEN[:9], 45, sizes.seconds)).p99)
        for name, dead in DEAD.items():
            beside[name].append((await latency.delays(running, TEN[:9], 45, sizes.seconds, dead)).p99)
    for name, found in beside.items():
        details = f"none {median(alone):.1f} ms, so {median(found):.1f} ms"
        table.most(f"{name}: p99 of nine", median(found) / median(alone), 1.1, details)


async def measure_requests(running: Stack, folder: Path, sizes: Sizes, table: Table) -> None:
    goals = {
        "GET one monitor": 0.5,
        "GET a page of 50": 0.35,
        "POST a report, 1 event": 0.15,
        "POST a report, 10 events": 0.2,
    }
    for case, rates in (await requests.measure(running, folder, sizes.seconds)).items():
        details = f"bare {rates['bare']:.0f}/s, {rates['gateway']:.0f}/s"
        table.least(case, rates["gateway"] / rates["bare"], goals[case], details)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of everything, one round")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    sys.exit(asyncio.run(main(SMALL if given.small else Sizes(), given.only)))
