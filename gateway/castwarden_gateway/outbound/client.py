# SPDX-License-Identifier: Apache-2.0
"""The client that deliveries go out by. Every attempt ends in an `Outcome` within its time, whatever the receiver does.

A request goes out once more, on a fresh connection, when a kept one turns out to be closed and not one byte of an
answer had come. Redirects are never followed, proxies of the environment never used.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp.abc import AbstractResolver
from castwarden_base.addresses import Network
from castwarden_base.http import BlockedAddress, InvalidUrl
from castwarden_base.names import Names

from castwarden_gateway.outbound.answer import AnswerReader, Malformed
from castwarden_gateway.outbound.connection import Disconnected
from castwarden_gateway.outbound.dial import Dialer, NoConnection
from castwarden_gateway.outbound.pool import Pool
from castwarden_gateway.outbound.receivers import Receivers
from castwarden_gateway.outbound.targets import Target, request_head, target

_IDLE_SECONDS = 30.0
_SWEEP_SECONDS = 10.0
_URLS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer (its headers by lower-case name), or the class of what went wrong."""

    status: int | None = None
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    error: str | None = None
    detail: str | None = None


class Client:
    """`async with Client(...) as client`, then `post`. `sockets`: how many connections may wait unused."""

    def __init__(
        self,
        allow: Iterable[Network] = (),
        *,
        hosts: Iterable[str] = (),
        sockets: int = 512,
        connect_seconds: float = 5.0,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._receivers = Receivers(allow, hosts)
        self._dialer = Dialer(self._receivers, resolver or Names(), connect_seconds)
        self._pool = Pool(sockets, _IDLE_SECONDS)
        self._targets: dict[str, Target] = {}
        self._sweeping = asyncio.create_task(self._sweep(), name="webhook-connections")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._sweeping.cancel()
        await asyncio.gather(self._sweeping, return_exceptions=True)
        self._pool.close()
        await self._dialer.close()

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> Outcome:
        """One attempt. Once a status has come, a body that drips on or breaks off changes nothing."""
        reader = AnswerReader()
        try:
            where = self._target(url)
            request = request_head(where, headers, len(body)) + body
            async with asyncio.timeout(timeout_seconds):
                await self._exchange(where, request, reader, tls)
        except TimeoutError:
            if not reader.head_read:
                return Outcome(error="timeout", detail=f"no answer within {timeout_seconds:g} s")
        except BlockedAddress as error:
            return Outcome(error="address_refused", detail=str(error))
        except InvalidUrl as error:
            return Outcome(error="invalid_url", detail=str(error))
        except NoConnection as error:
            return Outcome(error=error.error, detail=str(error))
        except Disconnected as error:
            return Outcome(error="disconnected", detail=str(error))
        except Malformed as error:
            return Outcome(error="protocol", detail=str(error))
        return Outcome(reader.status, reader.headers, reader.body)

    async def _exchange(self, where: Target, request: bytes, reader: AnswerReader, tls: ssl.SSLContext | None) -> None:
        key = (where.origin, tls)
        connection = self._pool.take(key)
        if connection is not None:
            try:
                await connection.exchange(reader, request)
            except Disconnected as error:
                if not error.untouched:
                    raise
            else:
                self._pool.give_back(key, connection)
                return
        connection = await self._dialer.connect(where.origin, tls)
        await connection.exchange(reader, request)
        self._pool.give_back(key, connection)

    def _target(self, url: str) -> Target:
        """Raises InvalidUrl or BlockedAddress. What was let through is remembered: it depends on nothing else."""
        found = self._targets.get(url)
        if found is None:
            if len(self._targets) >= _URLS_KEPT:
                self._targets.clear()
            found = self._targets[url] = target(self._receivers.check(url))
        return found

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self._pool.sweep()
