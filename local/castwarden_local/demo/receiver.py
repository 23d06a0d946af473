# SPDX-License-Identifier: Apache-2.0
"""A webhook receiver as a user would write one: checks the Standard Webhooks signature, keeps what it got."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web

TOLERANCE = 300  # seconds


@dataclass(frozen=True, slots=True)
class Received:
    """One webhook. `verified` tells whether its signature was right."""

    event: dict[str, Any]
    at: datetime
    verified: bool

    @property
    def type(self) -> str:
        return str(self.event["type"])

    @property
    def subject(self) -> str:
        """Name of the resource that the event is about."""
        return str(self.event["subject"]["name"])


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether `body` was signed with `secret` (whsec_...) in the last five minutes. Source: Standard Webhooks 1.0."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(wanted, given) for given in headers.get("webhook-signature", "").split())


class Receiver:
    """Use as `async with Receiver() as receiver`; give its `url` to the API and its `secret` the API's answer."""

    def __init__(self) -> None:
        self.secret = ""
        self.received: list[Received] = []
        self._seen: set[str] = set()
        self._news = asyncio.Event()
        self._port = 0

    @property
    def url(self) -> str:
        """Where it listens, once entered."""
        return f"http://127.0.0.1:{self._port}/hook"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        message_id = request.headers.get("webhook-id", "")
        if message_id not in self._seen:  # at-least-once: the id tells a repeat
            self._seen.add(message_id)
            verified = verify(self.secret, request.headers, body)
            self.received.append(Received(json.loads(body), datetime.now(UTC), verified))
            self._news.set()
        return web.Response(status=204)

    async def stream(self) -> AsyncIterator[Received]:
        """Every webhook in the order of its arrival, for ever."""
        position = 0
        while True:
            while position < len(self.received):
                yield self.received[position]
                position += 1
            self._news.clear()
            await self._news.wait()
