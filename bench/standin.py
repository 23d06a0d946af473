# SPDX-License-Identifier: Apache-2.0
"""How long it takes from creating a Monitor until its worker runs, on the embedded stack.

`python -m bench.standin` starts everything, then creates Monitors by REST, one after the other. Three moments of each
are printed: the operator's Pod exists, its process has been started, the worker in it answers its health check. Exit
status 1 when the median of the last one is over the goal.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from castwarden_base.run import run
from castwarden_local.controllers.objects import Object
from castwarden_local.demo.clients import Rest
from castwarden_local.standin.interface import PODS
from castwarden_local.up import Stack, StackOptions

GOAL_SECONDS = 1.5
HEALTH_PORT = 8082
LOOPBACK = ("127.0.0.0/8",)
MOMENTS = ("Pod created", "process started", "worker answers")


async def main(samples: int) -> int:
    with tempfile.TemporaryDirectory(prefix="castwarden-bench-") as folder:
        options = StackOptions(
            Path(folder), port=0, internal_port=0, operator_port=0, kube_port=0, allow_private=LOOPBACK
        )
        began = time.perf_counter()
        async with Stack(options) as stack, Rest(stack.api_url, stack.api_key or "") as rest:
            print(f"the stack was ready after {time.perf_counter() - began:.1f} s (first start)")
            found = [await sample(stack, rest, number) for number in range(samples)]
    return report(found)


async def sample(stack: Stack, rest: Rest, number: int) -> tuple[float, float, float]:
    """Seconds from the request to each moment. The stream does not exist, so that nothing else costs time."""
    began = time.perf_counter()
    created = await rest.post("/api/v1/monitors", {"stream_url": f"http://127.0.0.1:9/{number}.m3u8"})
    name = str(created["monitor_id"])
    existed = started = 0.0
    async for event in stack.api.watch(PODS, label_selector=f"castwarden.dev/name={name}"):
        existed = existed or time.perf_counter() - began
        if event.object["status"]["phase"] == "Running":
            started = time.perf_counter() - began
            break
    await until_it_answers(event.object)
    answered = time.perf_counter() - began
    await rest.delete(f"/api/v1/monitors/{name}")
    await until_gone(stack, event.object)
    return existed, started, answered


async def until_it_answers(pod: Object) -> None:
    url = f"http://{pod['status']['podIP']}:{HEALTH_PORT}/healthz"
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)


async def until_gone(stack: Stack, pod: Object) -> None:
    async with asyncio.timeout(60):
        async for event in stack.api.watch(PODS, resource_version=pod["metadata"]["resourceVersion"]):
            if event.type == "DELETED" and event.object["metadata"]["uid"] == pod["metadata"]["uid"]:
                return


def report(found: list[tuple[float, float, float]]) -> int:
    print(f"create → worker running, {len(found)} samples{'p50':>10}{'p90':>10}{'max':>10}")
    for moment, times in zip(MOMENTS, zip(*found, strict=True), strict=True):
        ordered = sorted(times)
        p90 = ordered[min(len(ordered) - 1, round(0.9 * (len(ordered) - 1)))]
        print(f"  {moment:<35}{statistics.median(times):>8.2f} s{p90:>8.2f} s{ordered[-1]:>8.2f} s")
    median = statistics.median(times[-1] for times in found)
    print(f"  goal: p50 under {GOAL_SECONDS} s; {GOAL_SECONDS / median:.1f} times faster than that")
    return 0 if median < GOAL_SECONDS else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20)
    sys.exit(run(main(parser.parse_args().samples)))
