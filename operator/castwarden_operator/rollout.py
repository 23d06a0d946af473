# SPDX-License-Identifier: Apache-2.0
"""How fast a new image or setting reaches the Pods of Dedicated Monitors: a few at a time, for while a Pod is replaced
nobody watches its stream. Where the new Pods do not become ready, the others stay as they are.
"""

import math
import time
from collections.abc import Callable
from itertools import islice

from .kinds import Ref

SHARE = 0.05  # of all Monitors, which may be without their Pod at once; at least one
PER_SECOND = 20.0
STUCK_SECONDS = 600.0  # a Pod that is not ready by then holds nobody up any more


class Rollout:
    """Whose turn it is. `monitors` counts them all; `call` has one looked at again, for its turn may have come."""

    def __init__(
        self, monitors: Callable[[], int], call: Callable[[Ref], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._monitors = monitors
        self._call = call
        self._clock = clock
        self._begun: dict[Ref, float] = {}  # and when, which may be a moment ahead
        self._waiting: dict[Ref, None] = {}  # in the order in which they came
        self._next = -math.inf

    def wait(self, monitor: Ref) -> float | None:
        """Seconds until its Pod may be replaced; 0.0: now. None: not yet, it is called."""
        now = self._clock()
        self._begun = {ref: at for ref, at in self._begun.items() if now - at < STUCK_SECONDS}
        if monitor not in self._begun:
            if len(self._begun) >= self._most():
                self._waiting[monitor] = None
                return None
            self._waiting.pop(monitor, None)
            self._next = max(now, self._next + 1 / PER_SECOND)
            self._begun[monitor] = self._next
        return max(0.0, self._begun[monitor] - now)

    def done(self, monitor: Ref) -> None:
        """Its Pod is as it should be and ready, or it shall have none."""
        self._waiting.pop(monitor, None)
        if self._begun.pop(monitor, None) is None:
            return
        for ref in list(islice(self._waiting, self._most() - len(self._begun))):
            self._call(ref)

    def _most(self) -> int:
        return max(1, int(self._monitors() * SHARE))
