# SPDX-License-Identifier: Apache-2.0
"""Startup, readiness and liveness probes, by the kubelet's rules: httpGet, tcpSocket and exec."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from castwarden_local.controllers.objects import Object
from castwarden_local.processes import Child, Command

EAGER_SECONDS = 0.1  # the first pauses before a new container is ready: shorter than the period, then growing


@dataclass(frozen=True, slots=True)
class Target:
    """The running container that is probed. `command` makes an exec probe's command into something to run."""

    ip: str
    ports: Mapping[str, int]
    http: aiohttp.ClientSession
    command: Callable[[Sequence[str]], Command]


async def ask(probe: Object, target: Target) -> str:
    """Asks once. Empty when all is well, else why not."""
    seconds = float(probe.get("timeoutSeconds") or 1)
    try:
        async with asyncio.timeout(seconds):
            if "httpGet" in probe:
                return await _http(probe["httpGet"], target)
            if "tcpSocket" in probe:
                return await _tcp(probe["tcpSocket"], target)
            if "exec" in probe:
                return await _exec(probe["exec"].get("command") or [], target)
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except (OSError, aiohttp.ClientError, ValueError) as error:
        return str(error)
    return "this sort of probe is not supported by the stand-in"


async def watch(
    probe: Object, target: Target, decided: Callable[[bool, str], Awaitable[None]], *, good: bool, eager: bool
) -> None:
    """Asks for ever and tells `decided(good, reason)` of each change of mind.

    `good` is what holds before the first answer. `eager` asks more often than the period until the first success.
    """
    period = float(probe.get("periodSeconds") or 10)
    needed = {True: int(probe.get("successThreshold") or 1), False: int(probe.get("failureThreshold") or 3)}
    await asyncio.sleep(float(probe.get("initialDelaySeconds") or 0))
    pause, streak, last = EAGER_SECONDS, 0, good
    while True:
        reason = await ask(probe, target)
        answer = not reason
        streak = streak + 1 if answer is last else 1
        last = answer
        if answer is not good and streak >= needed[answer]:
            good, eager = answer, False
            await decided(answer, reason)
        await asyncio.sleep(min(pause, period) if eager else period)
        pause *= 1.5


async def _http(given: Object, target: Target) -> str:
    host = given.get("host") or target.ip
    scheme = (given.get("scheme") or "HTTP").lower()
    path = given.get("path") or "/"
    url = f"{scheme}://{host}:{_port(given['port'], target)}/{path.lstrip('/')}"
    headers = {header["name"]: header["value"] for header in given.get("httpHeaders") or []}
    headers.setdefault("User-Agent", "kube-probe/1.35")
    async with target.http.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
        code = response.status
    return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"


async def _tcp(given: Object, target: Target) -> str:
    _, writer = await asyncio.open_connection(given.get("host") or target.ip, _port(given["port"], target))
    writer.close()
    return ""


async def _exec(command: Sequence[str], target: Target) -> str:
    said: list[bytes] = []
    child = Child.start(target.command(command), said.append)
    try:
        status = await child.wait()
    finally:
        child.kill()
    return "" if status == 0 else b"\n".join(said[:10]).decode("utf-8", "replace") or f"exit code {status}"


def _port(given: int | str, target: Target) -> int:
    if isinstance(given, int) or given.isdigit():
        return int(given)
    if given not in target.ports:
        raise ValueError(f"no port is named {given}")
    return target.ports[given]
