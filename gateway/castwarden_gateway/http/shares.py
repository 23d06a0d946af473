# SPDX-License-Identifier: Apache-2.0
"""One process's part of a token bucket that all gateways share. Pure: `buckets.py` draws the tokens."""

import math
from asyncio import Future
from dataclasses import dataclass, field

from castwarden_gateway.http.limits import Verdict

_PARTS = 32  # of a bucket, drawn at once: what idle gateways hold back together stays far below a tenth
_WORTH_DRAWING_AHEAD = 4
_LEAST_PAUSE_SECONDS = 0.05  # an empty bucket is asked no more often, however fast it fills


@dataclass(slots=True, eq=False)
class Share:
    """`limit` requests per `window` seconds; `held` of them have been drawn and not been used yet."""

    limit: int
    window: int
    held: int = 0
    left: float = 0.0  # in the bucket, when it was last asked
    asked_at: float = -math.inf
    empty_until: float = -math.inf
    used_at: float = -math.inf
    waiters: "list[Future[bool]]" = field(default_factory=list)

    @property
    def portion(self) -> int:
        return max(1, -(-self.limit // _PARTS))

    def spend(self, now: float) -> bool:
        """Takes one of those held, if there is one."""
        self.used_at = now
        if self.held == 0:
            return False
        self.held -= 1
        return True

    def wish(self, now: float) -> int:
        """How many to draw now."""
        if now < self.empty_until or not (self.waiters or self.portion >= _WORTH_DRAWING_AHEAD):
            return 0
        most = max(self.portion, len(self.waiters))
        return most - self.held if self.held <= most // 2 else 0

    def drawn(self, given: int, wished: int, left: float, now: float) -> None:
        self.held += given
        self.left, self.asked_at = left, now
        if given < wished:
            refill = (1 - min(left, 1.0)) * self.window / self.limit
            self.empty_until = now + max(refill, _LEAST_PAUSE_SECONDS)

    def idle(self, now: float, seconds: float) -> bool:
        return self.held > 0 and not self.waiters and now - self.used_at > seconds

    def verdict(self, passed: bool, now: float) -> Verdict:
        filled = min(self.limit, max(0.0, self.left) + max(0.0, now - self.asked_at) * self.limit / self.window)
        if passed:
            return Verdict(self.limit, self.window, min(self.limit, self.held + int(filled)), 0)
        return Verdict(self.limit, self.window, 0, max(1, math.ceil(self.empty_until - now)))
