# SPDX-License-Identifier: Apache-2.0
"""The two listeners: what every request to them passes, and their sockets."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from castwarden_gateway.http.clients import TRUSTED
from castwarden_gateway.http.connections import Runner
from castwarden_gateway.http.cors import cors
from castwarden_gateway.http.errors import problems
from castwarden_gateway.http.idempotency import Idempotency
from castwarden_gateway.http.routes import Gate, Routes, Witness, mount
from castwarden_gateway.http.text import CONTROLS, NUL
from castwarden_gateway.internal import routes as internal
from castwarden_gateway.kube.errors import PROBLEMS as KUBERNETES_PROBLEMS
from castwarden_gateway.settings import GatewaySettings

PROBLEMS = {**KUBERNETES_PROBLEMS, **internal.PROBLEMS}
"""Which problem a subject's exception is."""
_PUBLIC_BODY = 1024 * 1024
_INTERNAL_BODY = 8 * 1024 * 1024  # a poll may tell of hundreds of videos with their descriptions
_SHUTDOWN_SECONDS = 30.0


class Listeners:
    """`draining` says whether answers close their connections."""

    def __init__(self, settings: GatewaySettings, draining: Callable[[], bool]) -> None:
        self._settings = settings
        self._draining = draining
        self._runners: list[web.AppRunner] = []

    def public(
        self, routes: tuple[Routes, ...], gate: Gate[object], idempotency: Idempotency, witness: Witness
    ) -> web.Application:
        app = self._application("public", _PUBLIC_BODY, cors(self._settings.allow_origins))
        for each in routes:
            mount(app, each, gate, CONTROLS, idempotency, witness)
        return app

    def internal(self, routes: tuple[Routes, ...], gate: Gate[object]) -> web.Application:
        app = self._application("internal", _INTERNAL_BODY)
        for each in routes:
            mount(app, each, gate, NUL)
        return app

    async def listen(self, app: web.Application, port: int) -> int:
        """Opens the socket; the port that it got."""
        runner = Runner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, keepalive_timeout=75)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, self._settings.host, port, backlog=1024).start()
        actual: int = runner.addresses[0][1]
        return actual

    async def close(self) -> None:
        """No new connections; requests under way end."""
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))

    def _application(self, listener: str, body: int, *more: Middleware) -> web.Application:
        app = web.Application(middlewares=[problems(listener, PROBLEMS, self._draining), *more], client_max_size=body)
        app[TRUSTED] = self._settings.trusted_proxies
        return app
