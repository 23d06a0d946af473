# SPDX-License-Identifier: Apache-2.0
"""Token buckets in memory, and what a request is told of them (draft-ietf-httpapi-ratelimit-headers-11)."""

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_FORGET_ABOVE = 10_000

Rate = tuple[int, int]
"""Requests in so many seconds, which is also the burst; 0 requests: no limit."""


def exceeds(rate: Rate, other: Rate) -> bool:
    """Whether `rate` lets through more than `other`, in the long run or at once."""
    if rate[0] == 0 or other[0] == 0:
        return rate[0] == 0 and other[0] != 0
    return rate[0] > other[0] or rate[0] * other[1] > other[0] * rate[1]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry_after` seconds is 0 when the request may pass."""

    limit: int
    window: int
    remaining: int
    retry_after: int

    @property
    def headers(self) -> dict[str, str]:
        headers = {
            "RateLimit-Policy": f'"default";q={self.limit};w={self.window}',
            "RateLimit": f'"default";r={self.remaining};t={self.retry_after or self.window}',
        }
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        return headers


class Limiter:
    """`limit` requests per `window` seconds, refilled evenly, with the whole limit as burst."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[Hashable, _Bucket] = {}

    def take(self, key: Hashable, limit: int, window: int) -> Verdict:
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            self._forget_full(now, window)
            bucket = self._buckets[key] = _Bucket(limit, now)
        bucket.tokens = min(limit, bucket.tokens + (now - bucket.at) * limit / window)
        bucket.at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return Verdict(limit, window, int(bucket.tokens), 0)
        return Verdict(limit, window, 0, max(1, math.ceil((1 - bucket.tokens) * window / limit)))

    def _forget_full(self, now: float, window: int) -> None:
        """A bucket unused for a whole window is full again, and a full bucket is the same as none."""
        if len(self._buckets) > _FORGET_ABOVE:
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if now - bucket.at < window}
