# SPDX-License-Identifier: Apache-2.0
"""The small server beside every process: /healthz (alive), /readyz (ready, or 503 with reasons), /metrics."""

from collections.abc import Callable, Mapping
from typing import Self

from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], str | None]
"""Returns None while all is well, else the reason in a few words."""


class HealthServer:
    """Use as `async with HealthServer(host, port) as health`. Port 0 takes a free one, see `port`."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry = REGISTRY) -> None:
        self.host = host
        self.port = port
        self._registry = registry
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._runner: web.AppRunner | None = None

    def live_while(self, name: str, check: Check) -> None:
        """Adds a liveness check: a reason means that only a restart helps."""
        self._live[name] = check

    def ready_while(self, name: str, check: Check) -> None:
        """Adds a readiness check: a reason means that the process cannot do its work at the moment."""
        self._ready[name] = check

    def add_routes(self, app: web.Application) -> None:
        """Puts the three routes into another application, for a process that has its own listener."""
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)

    async def __aenter__(self) -> Self:
        app = web.Application()
        self.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    def liveness(self) -> web.Response:
        return _answer(_reasons(self._live))

    def readiness(self) -> web.Response:
        return _answer(self.failing())

    def failing(self) -> dict[str, str]:
        """What keeps the process from being ready, by check."""
        return _reasons({**self._live, **self._ready})

    def metrics(self) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, _: web.Request) -> web.Response:
        return self.liveness()

    async def _readyz(self, _: web.Request) -> web.Response:
        return self.readiness()

    async def _metrics(self, _: web.Request) -> web.Response:
        return self.metrics()


def _reasons(checks: Mapping[str, Check]) -> dict[str, str]:
    return {name: reason for name, check in checks.items() if (reason := check())}


def _answer(reasons: Mapping[str, str]) -> web.Response:
    if reasons:
        return web.json_response({"status": "failing", "reasons": reasons}, status=503)
    return web.json_response({"status": "ok"})
