# SPDX-License-Identifier: Apache-2.0
"""A load generator that costs little: keep-alive connections, one request at a time each, no HTTP library.

Reads a job as JSON on standard input and prints requests per second by side. The sides take turns. With `workers`, each
connection is one worker that reports for its own monitor: every report is new, raises or clears alerts, and so makes
`events` events.
"""

import asyncio
import json
import os
import sys
import time
from itertools import count
from typing import Any
from uuid import uuid4

import uvloop
from castwarden_base.waiting import wait_until

_TURN_SECONDS = 0.5
_WARM_UP_TURNS = 2
_AT = "2026-11-20T12:00:00Z"


class Connection(asyncio.Protocol):
    """Sends as long as its side has the turn."""

    def __init__(self, job: dict[str, Any], worker: dict[str, str] | None) -> None:
        self.answered = 0
        self._turn = False
        self.waiting = False
        self._worker = worker
        self._numbers = count(time.time_ns() // 1000)
        headers = "".join(f"{name}: {value}\r\n" for name, value in job["headers"].items())
        self._head = f"{job['method']} {job['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
        self._pending = b""
        self._events = job.get("events", 1)
        self._raised = False
        self._episode = uuid4()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def begin(self) -> None:
        self._turn = True
        if not self.waiting:
            self._send()

    def pause(self) -> None:
        self._turn = False

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head, separator, rest = self._pending.partition(b"\r\n\r\n")
        if not separator:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            fail(f"refused: {self._pending[:400]!r}")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self._pending = b""
        self.answered += 1
        self.waiting = False
        if self._turn:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            fail(f"connection lost: {exc}")

    def _send(self) -> None:
        self.waiting = True
        body = b"" if self._worker is None else self._report(self._worker)
        self._transport.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _report(self, worker: dict[str, str]) -> bytes:
        transitions = ",".join(self._transition() for _ in range(self._events))
        number = next(self._numbers)
        return (
            f'{{"id":"{uuid4()}","pod":"bench","epoch":1,"seq":{number},"resource":{{"kind":"Monitor",'
            f'"namespace":"{worker["namespace"]}","name":"{worker["name"]}","uid":"{worker["uid"]}"}},'
            f'"monitor":{{"stream":"Live","video":"ok","audio":"ok","last_check_at":"{_AT}",'
            f'"statistics":{{"total_segments_analyzed":{number % 1000000}}}}},'
            f'"transitions":[{transitions}]}}'
        ).encode()

    def _transition(self) -> str:
        """Raises and clears in turns, so that each makes one event."""
        self._raised = not self._raised
        if self._raised:
            self._episode = uuid4()
        state = "raised" if self._raised else "cleared"
        return (
            f'{{"id":"{uuid4()}","condition":"black","state":"{state}","episode":"{self._episode}",'
            f'"at":"{_AT}","started_at":"{_AT}","media_time":12.5,"duration_sec":30.5,"threshold_sec":30.0,'
            f'"segment":{{"sequence":{next(self._numbers) % 1000000},"duration":4.0}}}}'
        )


def fail(reason: str) -> None:
    """Ends the process from inside a callback of the loop."""
    sys.stderr.write(reason + "\n")
    sys.stderr.flush()
    os._exit(1)


async def main() -> None:
    job = json.load(sys.stdin)
    sides = {side: await connect(job, port) for side, port in job["ports"].items()}
    rates = dict.fromkeys(sides, 0.0)
    turns = round(job["seconds"] / _TURN_SECONDS)
    for turn in range(_WARM_UP_TURNS + turns):
        for side, connections in sides.items():
            rate = await take_turn(connections)
            rates[side] += rate / turns if turn >= _WARM_UP_TURNS else 0.0
    print(json.dumps(rates))


async def connect(job: dict[str, Any], port: int) -> list[Connection]:
    connections = []
    for number in range(job["connections"]):
        connection = Connection(job, job["workers"][number] if job["workers"] else None)
        await asyncio.get_running_loop().create_connection(lambda one=connection: one, "127.0.0.1", port)  # type: ignore[misc]
        connections.append(connection)
    return connections


async def take_turn(connections: list[Connection]) -> float:
    """Requests/s of one side in one turn; what is under way at its end is waited for and counts."""
    before, started = sum(one.answered for one in connections), time.perf_counter()
    for one in connections:
        one.begin()
    await asyncio.sleep(_TURN_SECONDS)
    for one in connections:
        one.pause()
    await wait_until(lambda: not any(one.waiting for one in connections), timeout=60, interval=0.002)
    return (sum(one.answered for one in connections) - before) / (time.perf_counter() - started)


if __name__ == "__main__":
    uvloop.run(main())
