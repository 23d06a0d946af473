# SPDX-License-Identifier: Apache-2.0
"""What a row of looks at a source means: how long to wait, whether the stream is over, whether we are shut out. Pure.

One look that finds nothing proves nothing, and a look that could not be taken proves less.
"""

from dataclasses import dataclass
from datetime import datetime

from ..outcomes import Blocked, Ended, Live, NotLive, Outcome, Unsupported, Upcoming

SURE_AFTER = 60.0
"""Seconds between two looks that together prove the end of a stream that was live."""
_LONGEST_WAIT = 600.0
_ENDED_WAIT = 300.0
_UNSUPPORTED_WAIT = 600.0
_RETRY_WAIT = 2.0
_IN_DOUBT_WAIT = 10.0
_SHUT_OUT_AFTER = 10.0


@dataclass(slots=True)
class Looks:
    """Times are seconds of any steady clock, except `start`, which is compared with `today`."""

    absent_since: float | None = None
    blocked_since: float | None = None
    _blocked: int = 0
    _quiet: int = 0

    def took(self, outcome: Outcome | None, now: float) -> None:
        """Remembers one look. None means that the stream was watched and is worth another look at once."""
        if isinstance(outcome, Blocked):
            self.blocked_since = now if self.blocked_since is None else self.blocked_since
            self._blocked += 1
            return
        self.blocked_since, self._blocked = None, 0
        if isinstance(outcome, (Ended, NotLive)):
            self.absent_since = now if self.absent_since is None else self.absent_since
            self._quiet += 1
        else:
            self.absent_since, self._quiet = None, 0

    def is_over(self, now: float) -> bool:
        """Whether two looks, at least a minute apart and with nothing live between them, found nothing."""
        return self.absent_since is not None and now - self.absent_since >= SURE_AFTER

    def is_shut_out(self, now: float) -> bool:
        """Whether more than a passing trouble keeps us from looking."""
        return self.blocked_for(now) >= _SHUT_OUT_AFTER

    def blocked_for(self, now: float) -> float:
        """Seconds since the first look of those, up to the last one, that were not possible."""
        return 0.0 if self.blocked_since is None else now - self.blocked_since

    def wait(self, outcome: Outcome | None, interval: float, now: float, today: datetime, *, doubted: bool) -> float:
        """Seconds until the next look. `doubted`: it was live, and whether it is over is not settled."""
        match outcome:
            case None | Live():
                return _RETRY_WAIT
            case Blocked():
                soon = min(interval, _IN_DOUBT_WAIT) if doubted else interval
                return _doubled(soon, self._blocked - 2, _LONGEST_WAIT)
            case Unsupported():
                return _UNSUPPORTED_WAIT
            case Upcoming(start=start) if start is not None:
                return min(max(interval, (start - today).total_seconds() / 4), _LONGEST_WAIT)
            case Ended() | NotLive() if doubted and self.absent_since is not None:
                return max(1.0, min(interval, _IN_DOUBT_WAIT, self.absent_since + SURE_AFTER - now))
            case Ended():
                return _doubled(interval, self._quiet, _ENDED_WAIT)
            case _:
                return interval


def _doubled(interval: float, times: int, longest: float) -> float:
    """`interval`, doubled up to `longest`; never shorter than `interval` itself."""
    return max(interval, min(longest, interval * float(2 ** min(max(times, 0), 16))))
