# SPDX-License-Identifier: Apache-2.0
"""Leader election by a Lease, in the manner of client-go: 15 s lease, 10 s to renew it, a try every 2 s.

Only the holder reconciles. Whoever cannot renew in time must stop before another may take over, so `hold` raises.
Other replicas' clocks do not matter: a lease has expired when it was not seen to change for its whole duration.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from castwarden_base.logs import get_logger

from .errors import ApiError, LeaseLostError

log = get_logger(__name__)

Lease = dict[str, Any]


class LeaseStore(Protocol):
    """One Lease in the API. Every call raises ApiError; `replace` with status 409 when somebody else was faster."""

    async def read(self) -> Lease | None: ...
    async def create(self, spec: Lease) -> Lease: ...
    async def replace(self, lease: Lease) -> Lease: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `renew_within` must be shorter than `lease`: the difference is the time a lost leader has to stop."""

    lease: float = 15.0
    renew_within: float = 10.0
    retry: float = 2.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Election:
    """One candidate. `acquire`, then `hold` until it raises or is cancelled, then `release`."""

    def __init__(
        self,
        store: LeaseStore,
        identity: str,
        *,
        timing: Timing | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._store = store
        self._identity = identity
        self._timing = timing or Timing()
        self._now = now
        self._seen: tuple[object, ...] = ()  # the last record seen, and when it was first seen so
        self._seen_at = float("-inf")
        self._renewed_at = float("-inf")

    async def acquire(self) -> None:
        """Return once this candidate holds the lease."""
        log.info("election.waiting", identity=self._identity)
        while not await self._try():  # noqa: ASYNC110 - nobody tells when a lease is free
            await asyncio.sleep(self._timing.retry)
        log.info("election.won", identity=self._identity)

    async def hold(self) -> None:
        """Renew until cancelled. Raises LeaseLostError when no renewal succeeded for `renew_within` seconds."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout_at(self._renewed_at + self._timing.renew_within):
                    await asyncio.sleep(self._timing.retry)
                    while not await self._try():
                        if self._holder_is_another():
                            raise LeaseLostError("another replica took the lease")
                        await asyncio.sleep(self._timing.retry)
            except TimeoutError:
                silent = loop.time() - self._renewed_at
                raise LeaseLostError(f"the lease could not be renewed for {silent:.0f} s") from None

    async def release(self) -> None:
        """Let another candidate take over at once. Best effort: without it, the lease simply expires."""
        try:
            async with asyncio.timeout(self._timing.retry):
                lease = await self._store.read()
                if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
                    lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._store.replace(lease)
        except (ApiError, TimeoutError) as error:
            log.warning("election.not_released", error=str(error))

    async def _try(self) -> bool:
        """One attempt to take or renew the lease. Never longer than half the time left to a leader."""
        asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._timing.renew_within / 2):
                won = await self._take_or_renew()
        except (ApiError, TimeoutError) as error:
            log.warning("election.attempt_failed", error=str(error) or type(error).__name__)
            return False
        if won:
            self._renewed_at = asked_at  # counted from before the request: the server's clock may have started then
        return won

    async def _take_or_renew(self) -> bool:
        lease = await self._store.read()
        if lease is None:
            self._observe(await self._store.create(self._record({})))
            return True
        spec = lease.get("spec") or {}
        self._observe(lease)
        if spec.get("holderIdentity") not in ("", None, self._identity) and not self._expired(spec):
            return False
        lease["spec"] = self._record(spec)
        self._observe(await self._store.replace(lease))
        return True

    def _observe(self, lease: Lease) -> None:
        spec = lease.get("spec") or {}
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, asyncio.get_running_loop().time()

    def _expired(self, spec: Lease) -> bool:
        duration = float(spec.get("leaseDurationSeconds") or self._timing.lease)
        return asyncio.get_running_loop().time() > self._seen_at + duration

    def _holder_is_another(self) -> bool:
        return bool(self._seen) and self._seen[0] not in ("", None, self._identity)

    def _record(self, previous: Lease) -> Lease:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = previous.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._timing.lease),
            "acquireTime": previous.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": int(previous.get("leaseTransitions") or 0) + (0 if ours or not previous else 1),
        }
