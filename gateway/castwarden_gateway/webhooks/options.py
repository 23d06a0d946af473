# SPDX-License-Identifier: Apache-2.0
"""How the delivery engine works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How the engine works; the defaults suit a gateway with two cores."""

    max_in_flight: int = 4096  # deliveries in hand in this process: waiting, under way or not yet written
    share: int = 3072  # of these, how many one tenant may have waiting or under way
    doubtful: int = 256  # so many without an answer make the engine wary of endpoints that have not answered lately
    batch: int = 500  # deliveries taken in one look
    poll_seconds: float = 1.0  # the queue is looked at this often even when nobody calls
    pass_seconds: float = 0.01  # rest between two looks, or as long as the look took if that is less
    lease_grace_seconds: float = 10.0  # a lease outlasts the endpoint's timeout by this much
    flush_seconds: float = 0.03
    flush_size: int = 500
    stop_seconds: float = 20.0  # how long `stop` waits for attempts under way
    retention_days: int = 30  # of attempts, of the dead and of what is counted
    tidy_seconds: float = 600.0
    gauge_seconds: float = 15.0
    tally_seconds: float = 10.0
    replay_seconds: float = 1.0
