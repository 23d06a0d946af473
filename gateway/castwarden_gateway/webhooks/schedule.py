# SPDX-License-Identifier: Apache-2.0
"""What becomes of a delivery after an attempt: done, tried again after a wait, or dead. Pure."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

Outcome = Literal["sent", "failed", "dead"]
Policy = Literal["standard", "seed", "custom"]

_MINUTE, _HOUR = 60.0, 3600.0

# Waits in seconds before each further attempt. `standard` is the example schedule of the Standard Webhooks
# specification (10 attempts over 75.6 hours), `seed` is YT Tracker's list.
WAITS: Mapping[str, tuple[float, ...]] = {
    "standard": (
        5,
        5 * _MINUTE,
        30 * _MINUTE,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    ),
    "seed": (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 24 * _HOUR),
}
GONE = 410
_THROTTLING = frozenset({429, 502, 503, 504})
THROTTLED = 5.0  # seconds of rest when the receiver names none
_MAX_PAUSE = _HOUR  # a receiver cannot park the whole endpoint for longer
_MAX_WAIT = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wait`: seconds until the delivery is due again. `pause`: seconds in which the endpoint gets nothing at all."""

    outcome: Outcome
    wait: float = 0.0
    pause: float = 0.0
    disable: bool = False


def jitter() -> float:
    """A factor in [0.8, 1.2], so that deliveries which failed together do not come back together."""
    return random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, protects nothing


def decide(
    policy: Policy,
    attempt: int,
    status: int | None,
    retry_after: float | None = None,
    spread: Callable[[], float] = jitter,
    custom: Sequence[float] = (),
) -> Verdict:
    """The verdict on the `attempt`-th attempt (the first is 1), which was answered with `status` (None: no answer).

    `custom`: the waits of that policy. Only 2xx succeeds; a redirect is a failure. 410 ends delivery and endpoint.
    """
    if status is not None and 200 <= status < 300:
        return Verdict("sent")
    if status == GONE:
        return Verdict("dead", disable=True)
    pause = min(retry_after if retry_after is not None else THROTTLED, _MAX_PAUSE) if status in _THROTTLING else 0.0
    waits = WAITS.get(policy, custom)
    if attempt > len(waits):
        return Verdict("dead", pause=pause)
    wait = max(waits[attempt - 1] * spread(), min(retry_after or 0.0, _MAX_WAIT))
    return Verdict("failed", wait=wait, pause=pause)


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds named by a Retry-After header (RFC 9110 §10.2.3: seconds or a date); None when absent or unreadable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
