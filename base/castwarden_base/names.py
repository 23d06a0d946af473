# SPDX-License-Identifier: Apache-2.0
"""Looks host names up in threads of its own, within a time: dead name servers must not take the threads that the rest
of a process works with. For every connection to a host that somebody else chose.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_THREADS = ThreadPoolExecutor(16, thread_name_prefix="names")
_SECONDS = 10.0  # with the wait for a thread


async def look_up(
    host: str,
    port: int,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    *,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    flags: int = 0,
) -> list[tuple[Any, ...]]:
    """What `socket.getaddrinfo` gives. OSError, also when the name servers do not answer in time."""
    ask = partial(socket.getaddrinfo, host, port, family, kind)
    try:
        return ask(flags=socket.AI_NUMERICHOST)  # an address needs no thread
    except socket.gaierror:
        pass
    try:
        async with asyncio.timeout(_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(ask, flags=flags))
    except TimeoutError:
        raise OSError(f"the name {host} cannot be resolved in time") from None


class Names(AbstractResolver):
    """`look_up` for aiohttp."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await look_up(host, port, family=family, flags=socket.AI_ADDRCONFIG)
        flags = socket.AI_NUMERICHOST
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=flags)
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """The threads are the process's."""
