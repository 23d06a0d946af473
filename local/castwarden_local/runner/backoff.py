# SPDX-License-Identifier: Apache-2.0
"""When a crashed container may start again. Pure; the kubelet's rule: at once, then 10 s, doubling to 5 min."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class CrashBackoff:
    """One container's memory of its restarts. One that ran for `forget_after` since its last restart starts afresh."""

    first: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(minutes=5)
    forget_after: timedelta = timedelta(minutes=10)
    _delay: timedelta = field(default=timedelta(0), init=False)
    _restarted: datetime | None = field(default=None, init=False)

    def wait(self, finished: datetime, now: datetime) -> timedelta:
        """How much longer a container that ended at `finished` has to wait; zero when it need not."""
        if self._forgotten(finished):
            return timedelta(0)
        return max(finished + self._delay - now, timedelta(0))

    def restarting(self, now: datetime) -> None:
        """To be told of each restart."""
        fresh = not self._delay or self._forgotten(now)
        self._delay = self.first if fresh else min(self._delay * 2, self.longest)
        self._restarted = now

    def _forgotten(self, moment: datetime) -> bool:
        return self._restarted is None or moment - self._restarted > self.forget_after
