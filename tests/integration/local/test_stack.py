# SPDX-License-Identifier: Apache-2.0
"""The whole stack as `castwarden up` runs it: starts, heals, keeps its state, refuses what cannot work."""

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.demo.clients import Rest
from castwarden_local.errors import PortTaken, StartFailed
from castwarden_local.standin.errors import NotFound
from castwarden_local.standin.interface import GVR, PODS
from castwarden_local.up import Stack

from tests.plugins.stacks import options

MONITORS = GVR("castwarden.dev", "v1alpha1", "monitors")
TIMEOUT = 90.0


async def answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def test_a_stack_starts_heals_and_finds_everything_again_after_a_restart(folder: Path) -> None:
    data = folder / "data"
    async with Stack(options(data)) as stack:
        key = stack.api_key
        assert key is not None
        assert_secrets_are_private(stack, key)
        async with Rest(stack.api_url, key) as rest:
            name = (await rest.post("/api/v1/monitors", {"stream_url": "http://127.0.0.1:9/a.m3u8"}))["monitor_id"]
            pod = f"monitor-{name}"
            await wait_until(lambda: stack.pods("default", pod), TIMEOUT)
            uid = (await stack.api.get(PODS, pod, "default"))["metadata"]["uid"]
            for process in ("postgres", "gateway", "operator"):
                await assert_heals(stack, process)
            assert (await rest.get(f"/api/v1/monitors/{name}"))["monitor_id"] == name
        worker = stack.pods("default", pod)["worker"]
        same = replace(stack.options, internal_port=stack.internal_port)  # another one would be told to a new Pod
    assert not Path(f"/proc/{worker}").exists()
    async with Stack(same) as stack:
        assert stack.api_key is None
        assert (await stack.api.get(PODS, pod, "default"))["metadata"]["uid"] == uid
        await wait_until(lambda: stack.pods("default", pod), TIMEOUT)
        async with Rest(stack.api_url, key) as rest:
            assert (await rest.get(f"/api/v1/monitors/{name}"))["monitor_id"] == name
            await rest.delete(f"/api/v1/monitors/{name}")

        async def gone() -> bool:
            try:
                await stack.api.get(PODS, pod, "default")
            except NotFound:
                return True
            return False

        await wait_until(gone, TIMEOUT)


def assert_secrets_are_private(stack: Stack, key: str) -> None:
    private = [stack.kubeconfig, stack.data / "secrets" / "secret-key"]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert not any(key in path.read_text("utf-8") for path in stack.data.glob("secrets/*"))


async def assert_heals(stack: Stack, name: str) -> None:
    killed = stack.processes[name].pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await wait_until(lambda: stack.processes[name].pid not in (None, killed), TIMEOUT)
    for url in (stack.api_url, stack.operator_url):
        await wait_until(lambda: answers(f"{url}/readyz"), TIMEOUT)  # noqa: B023 - awaited in the loop


async def test_a_port_that_is_taken_is_named_with_the_option_that_helps(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} cannot be used .*--kube-port"):
            await Stack(replace(options(folder / "data"), kube_port=port)).start()


async def test_a_gateway_that_cannot_start_says_why_and_leaves_nothing_running(folder: Path) -> None:
    stack = Stack(replace(options(folder / "data"), environment={"MAX_MONITORS": "none"}))
    with pytest.raises(StartFailed, match="MAX_MONITORS"):
        await stack.start()
    assert [name for name, process in stack.processes.items() if process.pid] == []
