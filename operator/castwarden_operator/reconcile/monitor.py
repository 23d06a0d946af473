# SPDX-License-Identifier: Apache-2.0
"""A Monitor is one Pod. The kubelet restarts a crashed worker in it; a Pod that is gone or finished is made again here.

Only what the Pod is made from (template, image, settings) rolls it; any other change of the spec reaches the running
worker through its assignment.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from castwarden_model.resources import Monitor

from ..kinds import POD, Object
from ..settings import Settings
from .attempts import ATTEMPT, attempt_of, next_attempt
from .children import named, obstacle, parse_time, strays, terminating_since
from .drift import drifted
from .plan import Apply, Create, Delete, Is, Plan, conditions, not_ready
from .pods import begun, describe, finished, is_ready, why_finished
from .sight import sighted
from .worker import SPEC_HASH, annotation, child_name, owner_reference, pod_template

FRESH = timedelta(seconds=2)
STUCK_AFTER = timedelta(minutes=1)  # beyond its grace period: its node is gone


class Turn(Protocol):
    """Of one Monitor in a rollout."""

    def wait(self) -> float | None:
        """Seconds until its ready Pod may be replaced; None: it will be looked at again."""

    def done(self) -> None:
        """Its Pod is as it should be and ready, or it shall have none."""


def pod_for(monitor: Monitor, settings: Settings, attempt: int = 0) -> Object:
    """The Pod of one Monitor. `attempt` counts the Pods before it that failed early."""
    pod = pod_template(monitor, "monitor", settings, restart="OnFailure")
    metadata = pod["metadata"]
    metadata["annotations"][ATTEMPT] = str(attempt)
    metadata |= {
        "name": child_name("monitor", monitor.metadata.name, 57),
        "namespace": monitor.metadata.namespace,
        "ownerReferences": [owner_reference(monitor)],
    }
    return {"apiVersion": POD.api_version, "kind": POD.name, **pod}


def reconcile(
    monitor: Monitor,
    children: Sequence[Object],
    now: datetime,
    settings: Settings,
    turn: Turn,
    seat_pod: Object | None = None,
) -> Plan:
    """What to do about one Monitor and its Pods. `seat_pod` is the shared Pod that it still has a seat in."""
    wanted = pod_for(monitor, settings)
    name = wanted["metadata"]["name"]
    pod = named(children, POD, name)
    plan = _suspended(pod, turn) if monitor.spec.suspend else _running(monitor, wanted, pod, now, settings, turn)
    fields: dict[str, str | None] = {"podName": name if pod is not None or plan.actions else None}
    seen = plan.conditions
    if not monitor.spec.suspend and seat_pod is not None and _is_alive(seat_pod) and not (pod and begun(pod)):
        fields = {"podName": monitor.status.pod_name, "seat": monitor.status.seat}  # it watches until the Pod runs
        seen = conditions(sighted(monitor, describe(seat_pod)), progressing=True)
    cleaned = strays(children, POD, name, monitor.metadata.uid)
    return Plan((*cleaned, *plan.actions), seen, fields, plan.again_in, plan.quiet)


def _is_alive(pod: Object) -> bool:
    return terminating_since(pod) is None and not finished(pod)


def _suspended(pod: Object | None, turn: Turn) -> Plan:
    turn.done()
    actions = (Delete(pod),) if pod is not None and terminating_since(pod) is None else ()
    why = not_ready("Suspended", "spec.suspend is true; set it to false to go on watching")
    return Plan(actions, conditions(why, progressing=pod is not None, suspended=True))


def _running(
    monitor: Monitor, wanted: Object, pod: Object | None, now: datetime, settings: Settings, turn: Turn
) -> Plan:
    if pod is None:
        return _working(Create(wanted), not_ready("Pending", "the Pod is being created"))
    if (why := obstacle(pod, monitor.metadata.uid)) is not None:
        return _leaving(pod, why, now)
    if finished(pod):
        return _finished(monitor, pod, now, settings)
    if annotation(pod, SPEC_HASH) != wanted["metadata"]["annotations"][SPEC_HASH]:
        return _outdated(monitor, pod, turn)
    if is_ready(pod):
        turn.done()
    wanted = pod_for(monitor, settings, attempt_of(pod))
    seen = sighted(monitor, describe(pod))
    repair = (Apply(wanted),) if pod_drifted(wanted, pod) else ()
    starts = seen.reason in ("Pending", "Starting")
    if starts and not repair and (left := _fresh_for(monitor, pod, now)) > 0:
        return Plan(quiet=True, again_in=left)
    return Plan(repair, conditions(seen, progressing=starts))


def _fresh_for(monitor: Monitor, pod: Object, now: datetime) -> float:
    """Seconds in which the first Pod of a Monitor may yet begin to run, so that its status is written once."""
    if any(condition.type == "Ready" for condition in monitor.status.conditions):
        return 0.0
    made = parse_time(pod["metadata"].get("creationTimestamp"))
    return 0.0 if made is None else (made + FRESH - now).total_seconds()


def _outdated(monitor: Monitor, pod: Object, turn: Turn) -> Plan:
    """A Pod that is not ready watches nothing, so that nothing is lost when it goes at once."""
    wait = turn.wait() if is_ready(pod) else 0.0
    if wait == 0.0:
        return _working(Delete(pod), not_ready("Replacing", "what the Pod is made from has changed"))
    return Plan((), conditions(sighted(monitor, describe(pod))), again_in=wait)


def _working(action: Create | Delete | None, why: Is, again_in: float | None = None) -> Plan:
    return Plan((action,) if action else (), conditions(why, progressing=True), again_in=again_in)


def _leaving(pod: Object, why: Is, now: datetime) -> Plan:
    """A Pod under deletion keeps its name. On a dead node that would be for ever; the gateway fences the old worker."""
    due = terminating_since(pod)
    if due is None:
        return _working(None, why)
    left = (due + STUCK_AFTER - now).total_seconds()
    if left > 0:
        return _working(None, why, again_in=left)
    stuck = f"Pod {pod['metadata']['name']} did not end in time, its node may be gone; it is being removed by force"
    return _working(Delete(pod, grace_seconds=0), not_ready("PodStuck", stuck, warning=True), again_in=60.0)


def _finished(monitor: Monitor, pod: Object, now: datetime, settings: Settings) -> Plan:
    """At once the first time; a Pod that fails early again and again is made again ever more slowly."""
    attempt, left = next_attempt(pod, now)
    why = not_ready("PodFailed", f"Pod {pod['metadata']['name']} ended: {why_finished(pod)}", warning=True)
    if left > 0:
        return Plan((), conditions(why, progressing=True), again_in=left)
    again = Create(pod_for(monitor, settings, attempt))
    return Plan((Delete(pod, grace_seconds=0), again), conditions(why, progressing=True))


def pod_drifted(wanted: Object, pod: Object) -> bool:
    """A Pod's spec cannot be changed but for its image, so labels, annotations, owner and image are all there is."""
    containers = [{"name": c["name"], "image": c["image"]} for c in wanted["spec"]["containers"]]
    visible = {"metadata": wanted["metadata"], "spec": {"containers": containers}}
    return drifted(visible, pod)
