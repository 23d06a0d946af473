# SPDX-License-Identifier: Apache-2.0
"""When a shared Pod should be replaced by a fresh one: it is old, made from what has changed, or unready. Pure.

A worker that wants to be replaced (it holds too much memory) stops being ready: it has no other way to say so.
"""

from datetime import datetime, timedelta

from ..kinds import Object
from .children import parse_time, terminating_since
from .pods import finished, unready_since
from .worker import SPEC_HASH, annotation, hash_of

_UNREADY = timedelta(minutes=1)
_SPREAD = 0.2  # of the largest age, so that Pods made together are not replaced together


def worn_at(pod: Object, wanted_hash: str, max_age: timedelta, now: datetime) -> datetime | None:
    """When this Pod's seats should begin to move, as far as is known; None while nothing foretells it."""
    if terminating_since(pod) is not None or finished(pod):
        return None
    if annotation(pod, SPEC_HASH) != wanted_hash:
        return now
    due = []
    unready = unready_since(pod)
    if unready is not None:
        due.append(unready + _UNREADY)
    made = parse_time(pod["metadata"].get("creationTimestamp"))
    if made is not None and max_age:
        share = int(hash_of(pod["metadata"]["uid"])[:4], 16) / 0xFFFF
        due.append(made + max_age * (1.0 - _SPREAD * share))
    return min(due, default=None)
