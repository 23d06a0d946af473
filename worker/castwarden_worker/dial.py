# SPDX-License-Identifier: Apache-2.0
"""Opens TCP connections to addresses that the guard lets through: the address that was checked is the one used."""

import asyncio
import socket
import ssl
from collections.abc import Iterable

from castwarden_base.addresses import Network, parse_address, refusal
from castwarden_base.http import BlockedAddress
from castwarden_base.names import look_up

_CONNECT_SECONDS = 10.0


async def dial(
    host: str, port: int, allow: Iterable[Network], tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first address of `host` that answers among those that may be reached. OSError, TimeoutError or
    BlockedAddress say why there is none.
    """
    problem: OSError | TimeoutError | BlockedAddress = OSError(f"{host} has no address")
    for checked in await _checked(host, port, allow, socket.SOCK_STREAM):
        if isinstance(checked, BlockedAddress):
            problem = checked
            continue
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await asyncio.open_connection(checked, port, ssl=tls, server_hostname=host if tls else None)
        except (OSError, TimeoutError) as error:
            problem = error
    raise problem


async def checked_address(host: str, port: int, allow: Iterable[Network]) -> str:
    """The first address of `host` that may be reached, for protocols over UDP. OSError or BlockedAddress."""
    found = await _checked(host, port, allow, socket.SOCK_DGRAM)
    for checked in found:
        if isinstance(checked, str):
            return checked
    raise found[0] if found and isinstance(found[0], BlockedAddress) else OSError(f"{host} has no address")


async def _checked(
    host: str, port: int, allow: Iterable[Network], kind: socket.SocketKind
) -> list[str | BlockedAddress]:
    """Each address of `host` as text, or why it must not be reached."""
    allow = tuple(allow)
    checked: list[str | BlockedAddress] = []
    for *_, sockaddr in await look_up(host, port, kind):
        text = str(sockaddr[0])
        address = parse_address(text)
        reason = "unreadable address" if address is None else refusal(address, allow)
        checked.append(BlockedAddress(f"{host} leads to {text}: {reason}") if reason else text)
    return checked
