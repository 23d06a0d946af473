# SPDX-License-Identifier: Apache-2.0
"""Reads a Pod's status: does the worker run, and if not, why and who can help? Pure."""

from datetime import datetime
from typing import Any

from ..kinds import Object
from .children import parse_time
from .plan import Is, not_ready, ready

_ADVICE = {
    "ImagePullBackOff": "check CASTWARDEN_WORKER_IMAGE of the operator and the pull secrets",
    "CreateContainerConfigError": "check the template's env and the worker's ServiceAccount",
    "CrashLoopBackOff": "see `kubectl logs --previous` of the Pod",
}
_SAME_AS = {
    "ErrImagePull": "ImagePullBackOff",
    "InvalidImageName": "ImagePullBackOff",
    "ErrImageNeverPull": "ImagePullBackOff",
    "CreateContainerError": "CreateContainerConfigError",
    "RunContainerError": "CrashLoopBackOff",
}


def finished(pod: Object) -> bool:
    """Whether the Pod has ended for good: failed, evicted or succeeded."""
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def run_times(pod: Object) -> tuple[datetime | None, datetime | None]:
    """When the Pod started and when its last container ended."""
    status = pod.get("status", {})
    ends = [
        parse_time(state.get("terminated", {}).get("finishedAt"))
        for state in (container.get("state", {}) for container in status.get("containerStatuses") or ())
    ]
    return parse_time(status.get("startTime")), max((end for end in ends if end), default=None)


def trouble(pod: Object) -> Is | None:
    """What keeps the worker from running that will not pass by itself, or None."""
    status = pod.get("status", {})
    name = pod["metadata"]["name"]
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = container.get("state", {}).get("waiting", {})
        reason = _SAME_AS.get(waiting.get("reason", ""), waiting.get("reason", ""))
        if reason in _ADVICE:
            why = _last_end(container) if reason == "CrashLoopBackOff" else waiting.get("message", "")
            detail = f" ({why})" if why else ""
            return not_ready(reason, f"Pod {name} cannot run{detail}: {_ADVICE[reason]}", warning=True)
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        why = scheduled.get("message", "no node fits")
        return not_ready("Unschedulable", f"Pod {name} finds no node: {why}", warning=True)
    return None


def describe(pod: Object) -> Is:
    """The Ready condition that follows from a Pod that is neither finished nor being deleted."""
    name = pod["metadata"]["name"]
    if is_ready(pod):
        return ready("Running", f"Pod {name} watches")
    if (found := trouble(pod)) is not None:
        return found
    if _was_ready(pod):
        why = "its worker cannot look at the source or reach the gateway; see the condition Degraded and its log"
        return not_ready("NotReady", f"Pod {name} runs, {why}", warning=True)
    if pod.get("status", {}).get("phase") == "Running":
        return not_ready("Starting", f"Pod {name} runs, its worker still waits for the gateway")
    return not_ready("Pending", f"Pod {name} is being started")


def is_ready(pod: Object) -> bool:
    """Whether its worker works."""
    return bool(_condition(pod, "Ready").get("status") == "True")


def unready_since(pod: Object) -> datetime | None:
    """Since when a running Pod that was ready is so no longer."""
    if is_ready(pod) or not _was_ready(pod):
        return None
    return parse_time(_condition(pod, "Ready").get("lastTransitionTime"))


def begun(pod: Object) -> bool:
    """Whether its worker runs, ready or not."""
    return any(
        "running" in container.get("state", {}) for container in pod.get("status", {}).get("containerStatuses") or ()
    )


def _was_ready(pod: Object) -> bool:
    """Whether a running Pod was ready and is no longer: its condition changed after its worker had begun."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    began = statuses[0].get("state", {}).get("running", {}).get("startedAt", "")
    return bool(began) and str(_condition(pod, "Ready").get("lastTransitionTime", "")) > began


def why_finished(pod: Object) -> str:
    """Why a Pod ended, in the kubelet's words where there are any."""
    status = pod.get("status", {})
    ends = [_last_end(container) for container in status.get("containerStatuses") or ()]
    words = [status.get("reason", ""), status.get("message", ""), *ends]
    return ", ".join(word for word in words if word) or status.get("phase", "Unknown")


def _last_end(container: dict[str, Any]) -> str:
    for state in (container.get("state", {}), container.get("lastState", {})):
        end = state.get("terminated")
        if end:
            return f"{end.get('reason') or 'ended'}, exit code {end.get('exitCode')}"
    return ""


def _condition(pod: Object, type_: str) -> dict[str, Any]:
    found = (c for c in pod.get("status", {}).get("conditions") or () if c.get("type") == type_)
    return next(found, {})
