# SPDX-License-Identifier: Apache-2.0
"""What all seats of one process share: connections, a resolver, a pace at which seats begin."""

import asyncio
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ..resolve import Resolver

_NAME_THREADS = 4
_BETWEEN_STARTS = 0.1  # seconds; the same moment for all would be felt by every source, and by the gateway


@dataclass(frozen=True, slots=True)
class Shared:
    """`outbound` goes to sources, through the guard; `inside` to the gateway."""

    outbound: aiohttp.ClientSession
    inside: aiohttp.ClientSession
    resolver: Resolver
    pace: "Pace"


class Pace:
    """`await turn()` lets one seat begin after the other."""

    def __init__(self, seconds: float = _BETWEEN_STARTS) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def turn(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now) + self._seconds * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load
        await asyncio.sleep(self._next - now - self._seconds / 2)


class Names(AbstractResolver):
    """Looks host names up in threads of its own: fifty dead name servers must not keep the others from decoding."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_NAME_THREADS, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, host, port, family)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    flags = socket.AI_NUMERICHOST
    return [
        ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=flags)
        for kind, _, proto, _, address in found
    ]
