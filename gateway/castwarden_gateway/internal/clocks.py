# SPDX-License-Identifier: Apache-2.0
"""How far the clocks of workers are off ours. Tells of it, corrects nothing: times of events stay as they were seen."""

import math
import time
from collections.abc import Callable

from castwarden_base.logs import get_logger
from castwarden_model.messages import ResourceRef
from prometheus_client import Gauge, Histogram

from castwarden_gateway.facts.known import OFF_SECONDS

log = get_logger(__name__)
OFFSETS = Histogram(
    "castwarden_gateway_worker_clock_offset_seconds",
    "How far the clock of a reporting worker is off ours, either way",
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)
OFF = Gauge("castwarden_gateway_worker_clocks_off", "Resources whose worker's clock is more than 30 s off ours")


class Clocks:
    """`offset` for each report; `forget` when its resource is gone."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._off: set[str] = set()

    def offset(self, ref: ResourceRef, given: str | None) -> float:
        """Seconds that the worker's clock is ahead of ours, given what it says; 0 when it says nothing readable."""
        try:
            found = float(given or "") - self._clock()
        except ValueError:
            return 0.0
        if not math.isfinite(found):
            return 0.0
        OFFSETS.observe(abs(found))
        self._note(ref, found)
        return found

    def forget(self, uid: str) -> None:
        self._off.discard(uid)
        OFF.set(len(self._off))

    def _note(self, ref: ResourceRef, found: float) -> None:
        """Tells once when a clock goes wrong, and once when it is right again."""
        is_off, was_off = abs(found) > OFF_SECONDS, ref.uid in self._off
        if is_off and not was_off:
            log.warning("worker_clock_off", kind=ref.kind, name=ref.name, seconds_ahead=round(found, 1))
            self._off.add(ref.uid)
        elif was_off and not is_off:
            log.info("worker_clock_right_again", kind=ref.kind, name=ref.name)
            self._off.discard(ref.uid)
        OFF.set(len(self._off))
