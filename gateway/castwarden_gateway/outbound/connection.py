# SPDX-License-Identifier: Apache-2.0
"""One connection, one request at a time. Knows nothing of addresses, pools or time limits."""

import asyncio

from castwarden_gateway.outbound.answer import AnswerReader, Malformed


class Disconnected(Exception):
    """The connection ended before the head of an answer. `untouched`: not one byte of it had come."""

    def __init__(self, reason: str, *, untouched: bool) -> None:
        super().__init__(reason)
        self.untouched = untouched


class Connection(asyncio.Protocol):
    """`exchange` until it is not `usable` any more; `close` at any time."""

    def __init__(self) -> None:
        self.usable = False
        self.used = 0  # requests it has carried
        self.idle_since = 0.0
        self._reader: AnswerReader | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.usable = True

    async def exchange(self, reader: AnswerReader, request: bytes) -> None:
        """Sends one request and fills `reader` with the answer. Raises Malformed or Disconnected.

        Cancelled or failed, it leaves a connection that is closed.
        """
        if self._transport is None or not self.usable:
            raise Disconnected("closed by the other side", untouched=True)
        self._reader = reader
        self._waiter = asyncio.get_running_loop().create_future()
        self.used += 1
        try:
            self._transport.write(request)
            await self._waiter
        except BaseException:
            self.close()
            raise
        finally:
            self._reader = self._waiter = None
        if not reader.reusable:
            self.close()

    def close(self) -> None:
        """At once: what is still to come or to be sent is of no interest."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:  # nobody asked: an answer to nothing, or 408 for a connection that idles
            self.close()
            return
        try:
            reader.feed(data)
        except Malformed as error:
            self._end(error)
            return
        if reader.done:
            self._end(None)

    def eof_received(self) -> bool:
        """Half-closed by the receiver: nothing will be asked on it any more."""
        self._lost("closed by the other side")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(str(exc) if exc else "closed by the other side")
        self._transport = None

    def _lost(self, reason: str) -> None:
        self.usable = False
        reader = self._reader
        if reader is None:
            return
        untouched = reader.untouched
        try:
            reader.closed()
        except Malformed as error:
            self._end(error)
        else:
            self._end(None if reader.done else Disconnected(reason, untouched=untouched))

    def _end(self, error: Exception | None) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
