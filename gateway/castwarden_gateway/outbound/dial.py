# SPDX-License-Identifier: Apache-2.0
"""Makes connections: looks the name up, lets the guard judge every address, connects, speaks TLS."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from aiohttp.abc import AbstractResolver, ResolveResult
from castwarden_base.http import BlockedAddress, address_refusal

from castwarden_gateway.outbound.connection import Connection
from castwarden_gateway.outbound.receivers import Receivers
from castwarden_gateway.outbound.targets import Origin

_NAMES_KEPT_SECONDS = 10.0
_NAMES_KEPT = 4096
_ADDRESSES = 4  # of one name are tried
_LEAST_SECONDS = 0.5  # that an address gets, however many there are

Found = list[ResolveResult]


class NoConnection(Exception):
    """`error` is the class of what went wrong: dns, connect, tls, timeout."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error


class Dialer:
    """`connect` within `seconds`, TLS included. Raises NoConnection or BlockedAddress."""

    def __init__(self, receivers: Receivers, resolver: AbstractResolver, seconds: float) -> None:
        self._receivers = receivers
        self._resolver = resolver
        self._seconds = seconds
        self._names: dict[Origin, tuple[float, Found]] = {}

    async def connect(self, origin: Origin, tls: ssl.SSLContext | None = None) -> Connection:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._connect(origin, tls)
        except TimeoutError:
            raise NoConnection("timeout", f"no connection within {self._seconds:g} s") from None

    async def close(self) -> None:
        await self._resolver.close()

    async def _connect(self, origin: Origin, tls: ssl.SSLContext | None) -> Connection:
        found = await self._look_up(origin)
        context = (tls or default_tls()) if origin.secure else None
        until = asyncio.get_running_loop().time() + self._seconds
        failure: NoConnection | None = None
        for left, address in zip(range(len(found), 0, -1), found, strict=True):
            share = (until - asyncio.get_running_loop().time()) / left
            try:
                async with asyncio.timeout(None if left == 1 else max(share, _LEAST_SECONDS)):
                    return await self._open(origin, address, context)
            except TimeoutError:
                if left == 1:
                    raise
                failure = NoConnection("timeout", f"{address['host']} does not take the connection")
            except NoConnection as error:
                failure = error
        raise failure or NoConnection("dns", f"{origin.host} has no address")

    async def _look_up(self, origin: Origin) -> Found:
        """Addresses that may be reached. Names that lead inside only are refused."""
        loop = asyncio.get_running_loop()
        known = self._names.get(origin)
        if known is not None and known[0] > loop.time():
            return known[1]
        try:
            found = await self._resolver.resolve(origin.host, origin.port, socket.AF_UNSPEC)
        except (OSError, UnicodeError) as error:
            raise NoConnection("dns", str(error)) from error
        allow = self._receivers.open_to(origin.host)
        reachable = [one for one in found if address_refusal(one["host"], allow) is None][:_ADDRESSES]
        if found and not reachable:
            address = found[0]["host"]
            raise BlockedAddress(f"{origin.host} leads to {address}: {address_refusal(address, allow)}")
        if len(self._names) >= _NAMES_KEPT:
            self._names.clear()
        self._names[origin] = (loop.time() + _NAMES_KEPT_SECONDS, reachable)
        return reachable

    async def _open(self, origin: Origin, address: ResolveResult, context: ssl.SSLContext | None) -> Connection:
        loop = asyncio.get_running_loop()
        sock = self._socket(origin, address)
        try:
            await loop.sock_connect(sock, (address["host"], address["port"]))
            _, connection = await loop.create_connection(
                Connection, sock=sock, ssl=context, server_hostname=origin.host if context else None
            )
        except BaseException as error:
            sock.close()
            if isinstance(error, ssl.SSLError | ssl.CertificateError):
                raise NoConnection("tls", str(error)) from error
            if isinstance(error, OSError):
                raise NoConnection("connect", f"{address['host']} port {address['port']}: {error}") from error
            raise
        return connection

    def _socket(self, origin: Origin, address: ResolveResult) -> socket.socket:
        """The one place where a socket to a receiver comes from. The guard judges the very address that it is for."""
        if reason := address_refusal(address["host"], self._receivers.open_to(origin.host)):
            raise BlockedAddress(f"{address['host']}: {reason}")
        sock = socket.socket(address["family"], socket.SOCK_STREAM)
        sock.setblocking(False)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


@cache
def default_tls() -> ssl.SSLContext:
    """Verifies names and chains against the system's authorities. TLS 1.2 at least."""
    return tls_context()


def tls_context(load: Callable[[ssl.SSLContext], object] | None = None) -> ssl.SSLContext:
    """The usual verification, with what `load` adds (a client certificate)."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if load is not None:
        load(context)
    return context
