# SPDX-License-Identifier: Apache-2.0
"""The receiver of every delivery: a raw protocol, so that it is not what is measured.

POST answers 200, except below /silent, where nothing ever comes back. GET answers what has come since the last GET:
how many, when the first and the last came, and how long each was under way (its body tells when it was published).
"""

import asyncio
import json
import re
import sys
import time

import uvloop

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_SENT = re.compile(rb'"sent":([0-9]+)')


class Counts:
    def __init__(self) -> None:
        self.paths: dict[bytes, int] = {}
        self.first = self.last = 0
        self.seconds: dict[bytes, list[float]] = {}


class Sink(asyncio.Protocol):
    counts = Counts()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        self._pending = self._pending + data if self._pending else data
        while (length := self._whole()) is not None:
            request, self._pending = self._pending[:length], self._pending[length:]
            self._answer(request)

    def _whole(self) -> int | None:
        """How long the first request is, once all of it is here."""
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._pending[:end].lower()
        at = head.find(b"content-length: ")
        body = int(head[at + 16 :].partition(b"\r\n")[0]) if at >= 0 else 0
        return end + 4 + body if len(self._pending) >= end + 4 + body else None

    def _answer(self, request: bytes) -> None:
        method, path, _ = request.split(b" ", 2)
        if method == b"GET":
            self._tell()
            return
        if path.startswith(b"/silent"):
            return
        now, counts = time.monotonic_ns(), Sink.counts
        counts.first = counts.first or now
        counts.last = now
        counts.paths[path] = counts.paths.get(path, 0) + 1
        if (sent := _SENT.search(request)) is not None:
            counts.seconds.setdefault(path, []).append((now - int(sent[1])) / 1e9)
        self._transport.write(_OK)

    def _tell(self) -> None:
        counts, Sink.counts = Sink.counts, Counts()
        found = {
            "received": {path.decode(): count for path, count in counts.paths.items()},
            "first": counts.first / 1e9,
            "last": counts.last / 1e9,
            "seconds": {path.decode(): seconds for path, seconds in counts.seconds.items()},
        }
        body = json.dumps(found).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=4096)
    sys.stderr.write(json.dumps({"event": "listening", "port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
