# SPDX-License-Identifier: Apache-2.0
"""How soon a Pod that ended is made again: at once, and ever more slowly when it ends early again and again. Pure."""

from datetime import datetime, timedelta

from ..kinds import Object
from .pods import run_times
from .worker import annotation

ATTEMPT = "castwarden.dev/attempt"
_STABLE = timedelta(minutes=10)  # a Pod that ran so long starts over with its back-off
_LONGEST_BACKOFF = timedelta(minutes=5)


def attempt_of(pod: Object) -> int:
    """How many Pods before it failed early."""
    text = annotation(pod, ATTEMPT) or "0"
    return min(int(text), 16) if text.isdecimal() else 0


def next_attempt(pod: Object, now: datetime) -> tuple[int, float]:
    """The number of the Pod after this one, which has ended, and in how many seconds it is due."""
    started, ended = run_times(pod)
    stable = started is not None and ended is not None and ended - started >= _STABLE
    attempt = 0 if stable else attempt_of(pod)
    wait = min(_LONGEST_BACKOFF, timedelta(seconds=10 * 2 ** (attempt - 1))) if attempt else timedelta()
    since = ended or started or now
    return attempt + 1, (since + wait - now).total_seconds()
