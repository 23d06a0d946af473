# SPDX-License-Identifier: Apache-2.0
"""The gate of the public listener: credential to principal, tenant header, scope, rate limit."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web
from castwarden_base.logs import get_logger

from castwarden_gateway.db import DatabaseUnavailable
from castwarden_gateway.http.buckets import Buckets
from castwarden_gateway.http.clients import client_address, group_of
from castwarden_gateway.http.errors import RESPONSE_HEADERS
from castwarden_gateway.http.limits import Limiter, Rate, Verdict, exceeds
from castwarden_gateway.http.problems import Forbidden, InvalidTenant, TooManyRequests, Unauthorized
from castwarden_gateway.tenants.keys import hash_of
from castwarden_gateway.tenants.principal import ADMIN, Principal, Tenant
from castwarden_gateway.tenants.store import TenantStore

log = get_logger(__name__)
_REMEMBER_SECONDS = 10.0  # the longest time that a revoked key goes on working on another replica
_REMEMBER_MANY = 10_000
_TENANT_RATE = 10  # times the usual rate of one key: what a tenant's keys may do together, unless one is granted more


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal | None
    until: float


class Authenticator:
    """`await authenticator(request, scope)` gives the principal or raises the problem to answer with."""

    def __init__(
        self,
        store: TenantStore,
        buckets: Buckets,
        rate_limit: int,
        rate_window: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._limit = rate_limit
        self._window = rate_window
        self._clock = clock
        self._buckets = buckets
        self._strangers = Limiter(clock)
        self._keys: dict[str, _Remembered] = {}
        self._tenants: dict[str, tuple[Tenant | None, float]] = {}
        self._used: set[UUID] = set()

    async def __call__(self, request: web.Request, scope: str | None) -> Principal:
        try:
            principal = await self._principal(_credential(request))
        except Unauthorized:
            self._count_stranger(request)
            raise
        await self._count(request, principal)
        slug = request.headers.get("X-Tenant-Id")
        if slug is not None and slug != principal.tenant.slug:
            principal = await self._switched(principal, slug)
        if scope is not None and not principal.allows(scope):
            raise Forbidden(f"This key lacks the scope {scope}.")
        return principal

    async def still_holds(self, request: web.Request) -> bool:
        """Whether the key of a long request is accepted yet. Nobody is cut off for want of an answer."""
        try:
            await self._principal(_credential(request))
        except Unauthorized:
            return False
        except DatabaseUnavailable:
            return True
        return True

    def forget(self, key_hash: str) -> None:
        """A key was revoked: it stops working at once in this process."""
        self._keys.pop(key_hash, None)

    def forget_unknown(self) -> None:
        """The first key has been made: who came with it before that is no longer a stranger."""
        self._keys = {key: known for key, known in self._keys.items() if known.principal}

    def rate(self, limit: int | None, window: int | None) -> Rate:
        """The rate of a key that has this limit and window, where None means the installation's."""
        return self._limit if limit is None else limit, window or self._window

    async def flush_uses(self, every: float = 10.0) -> None:
        """Writes last uses in batches, for as long as the process lives."""
        while True:
            await asyncio.sleep(every)
            used, self._used = self._used, set()
            if used:
                try:
                    await self._store.touch(used)
                except DatabaseUnavailable:
                    log.warning("last_use_not_written", keys=len(used))

    async def _principal(self, key: str) -> Principal:
        key_hash, now = hash_of(key), self._clock()
        known = self._keys.get(key_hash)
        if known is None or known.until <= now:
            known = await self._look_up(key_hash, now)
        if known.principal is None:
            raise Unauthorized("The API key is unknown, expired or revoked.")
        self._used.add(known.principal.key_id)
        return known.principal

    async def _look_up(self, key_hash: str, now: float) -> _Remembered:
        found = await self._store.principal(key_hash)
        seconds = _REMEMBER_SECONDS
        if found and found[1]:
            seconds = min(seconds, (found[1] - datetime.now(UTC)).total_seconds())
        if len(self._keys) >= _REMEMBER_MANY:
            self._keys = {key: known for key, known in self._keys.items() if known.until > now and known.principal}
        known = self._keys[key_hash] = _Remembered(found[0] if found else None, now + seconds)
        return known

    async def _switched(self, principal: Principal, slug: str) -> Principal:
        if not principal.allows(ADMIN):
            raise Forbidden(f"This key belongs to the tenant {principal.tenant.slug}; X-Tenant-Id may repeat that.")
        if not slug.isprintable():
            raise InvalidTenant("X-Tenant-Id is not a tenant's name.")
        tenant, until = self._tenants.get(slug, (None, 0.0))
        if until <= self._clock():
            tenant = await self._store.by_slug(slug)
            self._tenants[slug] = (tenant, self._clock() + _REMEMBER_SECONDS)
        if tenant is None:
            raise InvalidTenant(f"No tenant is called {slug}.")
        return replace(principal, tenant=tenant)

    async def _count(self, request: web.Request, principal: Principal) -> None:
        rate = self.rate(principal.rate_limit, principal.rate_window_seconds)
        if rate[0] == 0:
            return
        verdict = await self._buckets.take(principal.key_id, *rate)
        all_keys = (_TENANT_RATE * self._limit, self._window)
        if verdict.retry_after == 0 and not exceeds(rate, all_keys) and self._limit:
            together = await self._buckets.take(principal.tenant.id, *all_keys)
            verdict = together if together.retry_after else verdict
        _require(request, verdict)

    def _count_stranger(self, request: web.Request) -> None:
        """By address, and in this process alone: strangers shall not fill the database with their addresses."""
        if self._limit:
            client = group_of(client_address(request))
            _require(request, self._strangers.take(client, self._limit, self._window))


def _require(request: web.Request, verdict: Verdict) -> None:
    request[RESPONSE_HEADERS].update(verdict.headers)
    if verdict.retry_after:
        raise TooManyRequests(f"Try again in {verdict.retry_after} seconds.")


def _credential(request: web.Request) -> str:
    authorization = request.headers.get("Authorization", "")
    scheme, _, token = authorization.partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key", "")
    if not key:
        raise Unauthorized("Send Authorization: Bearer <key>, or X-API-Key.")
    return key
