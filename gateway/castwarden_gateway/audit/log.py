# SPDX-License-Identifier: Apache-2.0
"""Writes every change of the REST API down: the one place that all unsafe routes pass.

Most changes are made in Kubernetes, where no transaction of ours reaches. So the entry is committed first, and without
it nothing is changed (503); what became of it follows. That comes from a bounded queue in batches, again until
PostgreSQL takes it. What is lost with the process, or falls out of the queue, leaves the outcome `unknown`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

from aiohttp import hdrs, web
from castwarden_base.logs import get_logger
from prometheus_client import Counter

from castwarden_gateway.audit.store import AuditStore, Entry, Finish
from castwarden_gateway.db import DatabaseUnavailable
from castwarden_gateway.http.clients import client_address
from castwarden_gateway.http.errors import RESPONSE_HEADERS, ToProblem, problem_of
from castwarden_gateway.http.problems import Problem
from castwarden_gateway.http.routes import Route

log = get_logger(__name__)
UNFINISHED = Counter(
    "castwarden_gateway_audit_outcomes_lost_total", "Entries of the audit log whose outcome could not be written"
)
_MOST_WAITING = 10_000
_AT_ONCE = 500
_PAUSE_SECONDS = 1.0
_CLOSE_SECONDS = 5.0
_LONGEST = 256  # characters of what a client chose: an id in a path, a user agent


class Caller(Protocol):
    """Who asks: a `Principal`."""

    @property
    def tenant(self) -> Any: ...
    @property
    def key_id(self) -> UUID: ...
    @property
    def key_name(self) -> str: ...
    @property
    def key_prefix(self) -> str: ...
    @property
    def key_tenant(self) -> str: ...


class AuditLog:
    """A `Witness`. `table` says which problem a subject's exception is."""

    def __init__(
        self, store: AuditStore, table: Mapping[type[Exception], ToProblem], most_waiting: int = _MOST_WAITING
    ) -> None:
        self._store = store
        self._table = table
        self._most = most_waiting
        self._ended: deque[Finish] = deque()
        self._wake = asyncio.Event()

    async def __call__(
        self, http: web.Request, route: Route, caller: Caller, work: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        entry = _entry(http, route, caller)
        await self._store.begin(entry)
        try:
            answer = await work()
        except Exception as error:
            problem = error if isinstance(error, Problem) else problem_of(error, self._table)
            self._end(Finish(entry.id, problem.status if problem else Problem.status, None))
            raise
        made = answer.headers.get(hdrs.LOCATION, "").rpartition("/")[2]
        self._end(Finish(entry.id, answer.status, made or None))
        return answer

    async def run(self) -> None:
        """Writes what became of changes, until cancelled."""
        while True:
            await self._wake.wait()
            try:
                await self._write()
            except DatabaseUnavailable:
                log.warning("audit_outcomes_put_off", waiting=len(self._ended))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        """Writes what is left; nothing ends after this."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._write()
        except (DatabaseUnavailable, TimeoutError):
            self._lost(len(self._ended))

    async def _write(self) -> None:
        self._wake.clear()
        while batch := [self._ended[i] for i in range(min(_AT_ONCE, len(self._ended)))]:
            try:
                await self._store.finish(batch)
            except BaseException:
                self._wake.set()
                raise
            written = {one.id for one in batch}
            while self._ended and self._ended[0].id in written:
                self._ended.popleft()

    def _end(self, ended: Finish) -> None:
        if len(self._ended) >= self._most:
            self._ended.popleft()
            self._lost(1)
        self._ended.append(ended)
        self._wake.set()

    def _lost(self, count: int) -> None:
        if count:
            UNFINISHED.inc(count)
            log.error("audit_outcomes_lost", entries=count)


def _entry(http: web.Request, route: Route, caller: Caller) -> Entry:
    action = route.handler.__name__
    address = client_address(http)
    return Entry(
        caller.tenant.id,
        action,
        action.partition("_")[2],
        f"{route.method} {route.path}",
        _clean(next(iter(http.match_info.values()), None)),
        caller.key_id,
        caller.key_name,
        caller.key_prefix,
        caller.key_tenant,
        None if address is None else str(address),
        _clean(http.headers.get(hdrs.USER_AGENT)),
        http[RESPONSE_HEADERS]["X-Request-Id"],
    )


def _clean(text: str | None) -> str | None:
    """What a client chose, as PostgreSQL can hold it."""
    return None if text is None else text[:_LONGEST].encode("utf-8", "replace").decode().replace("\0", "?")
