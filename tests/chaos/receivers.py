# SPDX-License-Identifier: Apache-2.0
"""Fifty receivers behind one port, told apart by path: most are well, some are busy, broken, silent or not there."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import orjson
from standardwebhooks import Webhook

Kind = Literal["well", "ordered", "busy", "broken", "silent", "absent"]
HEALTHY: tuple[Kind, ...] = ("well", "ordered", "busy")
_EVERY = 20  # a busy one turns so many requests away
_ANSWERS = {
    200: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    500: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    503: b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was accepted: which event, known by the time at which it was made, and when (seconds of the epoch)."""

    webhook_id: str
    event: str
    at: float


@dataclass(slots=True)
class Receiver:
    """One endpoint. `secret` checks signatures once the endpoint has been made."""

    path: str
    kind: Kind
    secret: str = ""
    receipts: list[Receipt] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    turned_away: set[str] = field(default_factory=set)
    turns: "itertools.count[int]" = field(default_factory=itertools.count)

    def take(self, headers: dict[str, str], body: bytes) -> int | None:
        """The status to answer with; None for no answer at all."""
        if self.kind == "silent":
            return None
        if self.kind == "broken":
            return 500
        if self.kind == "busy" and self._turns_away(headers["webhook-id"]):
            return 503
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what the run has to show
            self.refused.append(f"{type(error).__name__}: {error}")
        self.receipts.append(Receipt(headers["webhook-id"], name_of(orjson.loads(body)["timestamp"]), time.time()))
        return 200

    def _turns_away(self, webhook_id: str) -> bool:
        """Each at most once, for a second time would be waited for until long after the run."""
        if webhook_id in self.turned_away or next(self.turns) % _EVERY:
            return False
        self.turned_away.add(webhook_id)
        return True


def name_of(timestamp: str) -> str:
    """An event's: its time to the millisecond, which no other of its type and Monitor has."""
    return datetime.fromisoformat(timestamp).astimezone(UTC).isoformat(timespec="milliseconds")


class Port(asyncio.Protocol):
    """HTTP/1.1 as far as a webhook needs it."""

    def __init__(self, find: Callable[[str], Receiver]) -> None:
        self._find = find
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (head_end := self._pending.find(b"\r\n\r\n")) >= 0:
            line, *fields = self._pending[:head_end].decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}
            end = head_end + 4 + int(headers["content-length"])
            if len(self._pending) < end:
                return
            body, self._pending = self._pending[head_end + 4 : end], self._pending[end:]
            status = self._find(line.split(" ")[1]).take(headers, body)
            if status is not None:
                self._transport.write(_ANSWERS[status])


async def listen(find: Callable[[str], Receiver]) -> tuple[asyncio.Server, int]:
    server = await asyncio.get_running_loop().create_server(lambda: Port(find), "127.0.0.1", 0, backlog=1024)
    port: int = server.sockets[0].getsockname()[1]
    return server, port
