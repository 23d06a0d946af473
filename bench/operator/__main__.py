# SPDX-License-Identifier: Apache-2.0
"""What the operator costs and how soon it acts, on the control plane that KUBECONFIG names, with simulated nodes.

`make bench-operator` starts one, and runs `python -m bench.operator`. Pods are
counted against those that the Job controller makes for as many Jobs on the same control plane. Exits with 1 when a goal
is missed. The cluster script's Job controller may write 500 times a second and work on 20 Jobs at once, and so may the
operator while its speed is measured.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from castwarden_base.waiting import wait_until
from castwarden_operator.kinds import CHILD_SELECTOR, POD

from bench.gateway.__main__ import Table
from bench.gateway.usage import cpu_seconds, peak_rss_mib
from bench.operator import changes
from bench.operator.cluster import Cluster, cluster
from bench.operator.process import Operator, operator

_PATIENCE = 1200.0
_LOOK_SECONDS = 0.25
_REST_SECONDS = 60.0
_CHANGES = 100
_SEATS = 50
_SHARED = "castwarden.dev/role=monitors"
_FREE = {"CASTWARDEN_QPS": "500", "CASTWARDEN_BURST": "1000", "CASTWARDEN_CONCURRENCY": "20"}


async def main(burst: int, many: int) -> int:
    table = Table()
    await measure_burst(table, burst)
    await measure_many(table, many)
    await measure_packed(table, many)
    return 1 if table.missed else 0


async def measure_burst(table: Table, burst: int) -> None:
    """All at once, until each has its Pod. The operator may write as often as the Job controller."""
    async with cluster("bench-jobs") as found:
        began = time.monotonic()
        await found.jobs(range(burst))
        await wait_until(lambda: _has(found, "bench=job", burst), _PATIENCE, _LOOK_SECONDS)
        jobs = time.monotonic() - began
    async with cluster("bench-burst") as found, operator(found.namespace, **_FREE):
        began = time.monotonic()
        await found.monitors(range(burst))
        await wait_until(lambda: _has(found, CHILD_SELECTOR, burst), _PATIENCE, _LOOK_SECONDS)
        monitors = time.monotonic() - began
    details = f"{burst:,} Jobs {jobs:.0f} s, Monitors {monitors:.0f} s"
    table.most("to the last Pod, against the Job controller", monitors / jobs, 2.0, details)


async def measure_many(table: Table, many: int) -> None:
    """At rest, over a resync and a restart, and when one of them changes."""
    with tempfile.TemporaryDirectory(prefix="castwarden-bench-") as folder:
        async with cluster("bench-many") as found:
            async with operator(found.namespace, **_FREE) as running:
                await found.monitors(range(many))
                await wait_until(lambda: _has(found, CHILD_SELECTOR, many), _PATIENCE, 1.0)
                await running.settled(many, _PATIENCE)
            resync = 2 * _REST_SECONDS
            async with operator(found.namespace, CASTWARDEN_RESYNC_SECONDS=f"{resync:g}") as running:
                await running.settled(many, _PATIENCE)
                table.most(f"a restart with {many:,} Monitors in place: writes", await running.writes(), 0, "")
                await measure_rest(table, running, many, resync)
            async with changes.gateway(Path(folder), found.namespace) as url:
                numbers = [many * number // _CHANGES for number in range(_CHANGES)]
                delays = await changes.delays(found, url, numbers)
                p99, details = delays[-2], f"p50 {delays[len(delays) // 2]:.2f} s,"
                table.most(f"a change of one among {many:,}: seen by its worker, p99", p99, 2.0, details)


async def measure_rest(table: Table, running: Operator, many: int, resync: float) -> None:
    requests, began = await running.requests(), time.monotonic()
    await asyncio.sleep(_REST_SECONDS)
    hours = (time.monotonic() - began) / 3600
    table.most("requests per Monitor and hour at rest", (await running.requests() - requests) / many / hours, 2.0, "")
    cpu, began = cpu_seconds(running.pid), time.monotonic()
    await asyncio.sleep(resync)
    table.line(f"CPU of one full comparison of {many:,}", f"{cpu_seconds(running.pid) - cpu:.1f} s")
    table.most(f"MiB of the operator with {many:,} Monitors", peak_rss_mib(running.pid), 300, "")


async def measure_packed(table: Table, many: int) -> None:
    """All of them in shared Pods."""
    async with cluster("bench-packed") as found, operator(found.namespace, **_FREE) as running:
        began = time.monotonic()
        await found.monitors(range(many), placement="Packed")
        await running.settled(many, _PATIENCE)
        took = time.monotonic() - began
        pods = await found.pods(_SHARED)
    wanted = -(-many // _SEATS)
    met = pods == wanted
    table.line(f"{many:,} Packed Monitors, {_SEATS} seats each", f"{took:.0f} s, {pods} Pods", f"= {wanted}", met=met)


async def _has(found: Cluster, selector: str, number: int) -> bool:
    if await found.count(POD) < number:
        return False  # counting costs the API server nothing
    return await found.pods(selector) >= number


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.operator", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of everything")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(100, 500) if given.small else main(1_000, 5_000)))
