# SPDX-License-Identifier: Apache-2.0
"""Packed Monitors, applied with kubectl's own words: one Pod watches them all, and none loses or doubles a thing."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from castwarden_base.waiting import wait_until
from castwarden_local.demo.clients import Rest, apply
from castwarden_local.demo.receiver import Receiver
from castwarden_local.origin.live import LiveOrigin
from castwarden_local.up import Stack

from tests.e2e.test_kills import types
from tests.plugins.kube import Access, Kube, connect
from tests.plugins.objects import MONITORS, PODS, Object

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

CHECKS = {
    "black": {"raiseAfter": "2s", "clearAfter": "2s"},
    "freeze": {"enabled": False},
    "stall": {"enabled": False},
    "segmentErrors": {"enabled": False},
}
FIRST, SECOND = "monitors-news-0", "monitors-news-1"
NAMES = ("packed-a", "packed-b", "packed-c")


@pytest_asyncio.fixture(loop_scope="session")
async def kube(stack: Stack) -> AsyncIterator[Kube]:
    async with connect(Access.read(stack.kubeconfig), "default") as client:
        yield client


def manifest(name: str, url: str, **spec: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "castwarden.dev/v1alpha1",
            "kind": "Monitor",
            "metadata": {"name": name},
            "spec": {"source": {"url": url}, "checks": CHECKS, "placement": "Packed", "pool": "news", **spec},
        }
    )


async def found(kube: Kube, name: str, passes: Callable[[Object], Any], timeout: float = 90) -> Object:
    """The Monitor once its status passes."""

    async def check() -> Object | None:
        got = await kube.get(MONITORS, name)
        return got if passes(got.get("status", {})) else None

    got = await wait_until(check, timeout)
    assert got is not None
    return got


def is_live(status: Object) -> bool:
    return bool(status.get("stream", {}).get("state") == "Live")


def is_ready(status: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))


def pids_of(pool: str) -> list[int]:
    """The processes of the pool's Pods, by the environment that the operator gave them."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is not ours
        if f"CASTWARDEN_POOL={pool}".encode() in environment and b"monitors" in command:
            pids.append(int(process.name))
    return pids


async def test_three_monitors_share_a_pod_through_its_death_a_move_and_a_drain(
    stack: Stack, rest: Rest, receiver: Receiver, kube: Kube
) -> None:
    async with AsyncExitStack() as streams:
        fine = [await streams.enter_async_context(LiveOrigin([(400, "motion")])) for _ in NAMES[:2]]
        for name, origin in zip(NAMES[:2], fine, strict=True):
            await apply(stack.kubeconfig, manifest(name, origin.url))
        for number, name in enumerate(NAMES[:2]):
            status = (await found(kube, name, lambda s: is_live(s) and is_ready(s)))["status"]
            assert (status["podName"], status["seat"]) == (FIRST, f"{FIRST}/{number}")
        dark = await streams.enter_async_context(LiveOrigin([(5, "motion"), (35, "black"), (300, "motion")]))
        await apply(stack.kubeconfig, manifest(NAMES[2], dark.url))
        await wait_until(lambda: "alert.blackout" in types(receiver, NAMES[2]), timeout=120)
        assert (await kube.get(MONITORS, NAMES[2]))["status"]["seat"] == f"{FIRST}/2"
        pods = await kube.names(PODS)
        assert FIRST in pods
        assert not {f"monitor-{name}" for name in NAMES} & set(pods)

        (pid,) = pids_of("news")
        counted = {name: await segments(rest, name) for name in NAMES}
        os.kill(pid, signal.SIGKILL)
        await wait_until(lambda: pids_of("news") not in ([], [pid]), timeout=30)
        for name in NAMES:
            await watched_on(rest, name, counted[name])
            assert (await kube.get(MONITORS, name))["status"]["podName"] == FIRST

        await apply(stack.kubeconfig, manifest(NAMES[1], fine[1].url, placement="Dedicated"))
        moved = await found(kube, NAMES[1], lambda s: s.get("podName") == f"monitor-{NAMES[1]}" and is_ready(s))
        assert "seat" not in moved["status"]
        await watched_on(rest, NAMES[1], await segments(rest, NAMES[1]))

        await kube.patch(PODS, FIRST, {"metadata": {"annotations": {"castwarden.dev/drain": "true"}}})
        for name in (NAMES[0], NAMES[2]):
            await found(kube, name, lambda s: s.get("podName") == SECOND and is_ready(s))
            await watched_on(rest, name, await segments(rest, name))
        await wait_until(lambda: kube.gone(PODS, FIRST), timeout=60)

        await wait_until(lambda: "alert.blackout_recovered" in types(receiver, NAMES[2]), timeout=90)
        await asyncio.gather(*(rest.delete(f"/api/v1/monitors/{name}") for name in NAMES))
        assert types(receiver, NAMES[2]) == ["stream.started", "alert.blackout", "alert.blackout_recovered"]
        for name in NAMES[:2]:
            assert types(receiver, name) == ["stream.started"]


async def segments(rest: Rest, name: str) -> int:
    return int((await rest.get(f"/api/v1/monitors/{name}"))["statistics"]["total_segments_analyzed"])


async def watched_on(rest: Rest, name: str, before: int) -> None:
    """Returns once more segments were looked at than `before`."""

    async def more() -> bool:
        return await segments(rest, name) > before

    await wait_until(more, timeout=90)
