# SPDX-License-Identifier: Apache-2.0
"""How the tests on a node reach it: kubectl, helm, and ports of Services forwarded to this machine."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

Object = dict[str, Any]
_FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


class Failed(Exception):
    """A program said no; the text is what it said."""


async def run(program: str, *arguments: str, given: str = "", timeout: float = 120.0) -> str:
    """What it prints. Raises Failed."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(given.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Failed(f"{program} {' '.join(arguments)} did not end within {timeout:g} s") from None
    if process.returncode:
        raise Failed(f"{program} {' '.join(arguments)}: {err.decode()}{out.decode()}")
    return out.decode()


async def kubectl(*arguments: str, given: str = "", timeout: float = 120.0) -> str:
    return await run("kubectl", *arguments, given=given, timeout=timeout)


async def get(kind: str, namespace: str, selector: str = "") -> list[Object]:
    """All objects of a kind there."""
    text = await kubectl("get", kind, "--namespace", namespace, "--selector", selector, "--output", "json")
    return list(json.loads(text)["items"])


async def secret(namespace: str, name: str, key: str) -> str:
    found = json.loads(await kubectl("get", "secret", name, "--namespace", namespace, "--output", "json"))
    return base64.b64decode(found["data"][key]).decode()


@asynccontextmanager
async def forwarded(namespace: str, service: str, port: int) -> AsyncIterator[str]:
    """The URL of a Service's port on this machine, as long as the block lasts and its Pod lives."""
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "port-forward", "--namespace", namespace, f"service/{service}", f":{port}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
        match = _FORWARDED.search(line)
        if match is None:
            raise Failed(f"port-forward: {line}")
        yield f"http://127.0.0.1:{match[1]}"
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def call(namespace: str, service: str, port: int, method: str, path: str, **options: Any) -> Any:
    """One request to a Service; the JSON of its answer. Raises Failed for 400 and above."""
    async with (
        forwarded(namespace, service, port) as url,
        aiohttp.ClientSession() as session,
        session.request(method, url + path, **options) as response,
    ):
        text = await response.text()
        if response.status >= 400:
            raise Failed(f"{method} {path}: {response.status} {text}")
        return json.loads(text) if text else None
