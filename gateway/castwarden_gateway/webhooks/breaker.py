# SPDX-License-Identifier: Apache-2.0
"""A breaker per endpoint: after failures in a row it rests the endpoint, then lets a single probe through. Pure.

It delays deliveries and never fails them: what waits behind an open breaker uses up no attempt.
"""

from dataclasses import dataclass, field

_THRESHOLD = 5  # failures in a row
_FIRST_REST = 5.0  # seconds
_LONGEST_REST = 60.0


@dataclass(slots=True)
class Breaker:
    """Times are seconds of one monotonic clock, given by the caller."""

    failures: int = 0
    _rest: float = field(default=_FIRST_REST)
    _rests_until: float = 0.0

    def limit(self, now: float, usual: int) -> int:
        """How many deliveries may be in flight now."""
        if self.failures < _THRESHOLD:
            return usual
        return 1 if now >= self._rests_until else 0

    def succeeded(self) -> None:
        self.failures = 0
        self._rest = _FIRST_REST

    def failed(self, now: float) -> None:
        """The receiver gave no answer, or one that says that it is broken.

        Failures of deliveries that were in flight together count, but lengthen the rest only once.
        """
        self.failures += 1
        if self.failures >= _THRESHOLD and now >= self._rests_until:
            self._rests_until = now + self._rest
            self._rest = min(self._rest * 2, _LONGEST_REST)

    def rests_for(self, now: float) -> float:
        """Seconds of rest that are left."""
        return max(0.0, self._rests_until - now) if self.failures >= _THRESHOLD else 0.0

    @property
    def is_open(self) -> bool:
        """Whether it rests, or lets single probes through."""
        return self.failures >= _THRESHOLD

    @property
    def clean(self) -> bool:
        """Nothing to remember."""
        return self.failures == 0
