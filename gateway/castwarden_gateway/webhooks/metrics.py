# SPDX-License-Identifier: Apache-2.0
"""What the delivery engine tells Prometheus. No endpoint in a label: their number has no bound."""

from prometheus_client import Counter, Gauge, Histogram

DELIVERIES = Counter(
    "castwarden_deliveries_total",
    "Attempts by outcome (sent, failed, dead) and class of the answer (2xx ... 5xx, none)",
    ["outcome", "status_class"],
)
SECONDS = Histogram(
    "castwarden_delivery_seconds",
    "Time of one attempt",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
FIRST_ATTEMPT_SECONDS = Histogram(
    "castwarden_enqueue_to_first_attempt_seconds",
    "From the event's transaction to the first attempt",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
)
DUE = Gauge("castwarden_queue_due", "Deliveries that are due, not leased, and not held")
HELD = Gauge("castwarden_queue_held", "Deliveries that are due to receivers that rest or are paused")
OLDEST_DUE_SECONDS = Gauge("castwarden_queue_oldest_due_seconds", "How long the oldest of them has been due")
IN_FLIGHT = Gauge("castwarden_in_flight", "Attempts under way in this process")
FLUSH_SECONDS = Histogram("castwarden_attempts_flush_seconds", "Time to write one batch of results")
ENGINE_ERRORS = Counter("castwarden_delivery_engine_errors_total", "Failures of the engine itself, by part", ["part"])


def attempted(outcome: str, status: int | None, ms: int) -> None:
    """Counts one attempt."""
    DELIVERIES.labels(outcome, "none" if status is None else f"{status // 100}xx").inc()
    SECONDS.observe(ms / 1000)
