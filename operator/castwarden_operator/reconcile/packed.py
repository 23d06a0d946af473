# SPDX-License-Identifier: Apache-2.0
"""A Packed Monitor is a seat in a Pod of its pool. Here the seat that the pool gave it becomes its `status`. Pure.

Whatever watched it before goes on until the seat is written: the gateway accepts one worker at a time, by the seat.
"""

from collections.abc import Sequence
from datetime import datetime

from castwarden_model.resources import Monitor

from ..kinds import POD, Object
from ..seats import Seat
from .children import terminating_since
from .plan import Delete, Is, Plan, conditions, not_ready
from .pods import describe, finished, why_finished
from .sight import sighted

_PASSING = ("Pending", "Starting", "Replacing")


def reconcile(
    monitor: Monitor,
    seat: Seat | None,
    pod: Object | None,
    refused: Is | None,
    children: Sequence[Object],
    _now: datetime,
) -> Plan:
    """What to do about one Packed Monitor: `pod` is its seat's, `refused` why that Pod cannot be made."""
    own = [child for child in children if child["kind"] == POD.name and terminating_since(child) is None]
    if monitor.spec.suspend:
        why = not_ready("Suspended", "spec.suspend is true; set it to false to go on watching")
        return Plan(tuple(map(Delete, own)), conditions(why, suspended=True))
    if seat is None:
        return _unseated(monitor, own)
    fields = {"podName": seat.pod, "seat": str(seat)}
    seen = sighted(monitor, seat_standing(seat, pod, refused))
    written = (monitor.status.pod_name, monitor.status.seat) == (seat.pod, str(seat))
    return Plan(
        tuple(map(Delete, own)) if written else (), conditions(seen, progressing=seen.reason in _PASSING), fields
    )


def seat_standing(seat: Seat, pod: Object | None, refused: Is | None) -> Is:
    """The Ready condition of whoever has this seat."""
    if pod is None:
        return refused or not_ready("Pending", f"Pod {seat.pod} is being created")
    if terminating_since(pod) is not None:
        return not_ready("Replacing", f"Pod {seat.pod} is ending")
    if finished(pod):
        return not_ready("PodFailed", f"Pod {seat.pod} ended: {why_finished(pod)}", warning=True)
    return describe(pod)


def _unseated(monitor: Monitor, own: Sequence[Object]) -> Plan:
    """Its pool gives everyone a seat at once, but for those whose own Pod goes on until a shared one is ready."""
    if not own:
        why = not_ready("Pending", f"a seat in pool {monitor.spec.pool} is being found")
        return Plan((), conditions(why, progressing=True), quiet=True)
    name = own[0]["metadata"]["name"]
    return Plan((), conditions(sighted(monitor, describe(own[0])), progressing=True), {"podName": name})
