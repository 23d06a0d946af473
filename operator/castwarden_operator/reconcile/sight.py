# SPDX-License-Identifier: Apache-2.0
"""Whether a worker that runs can see its source: the gateway's part of `status` tells. Pure.

A Pod of its own is unready when its source cannot be looked at, a shared one cannot be. Here both become the same.
"""

import re
from dataclasses import replace

from castwarden_model.resources import Monitor, StreamState

from .plan import Is, not_ready

_UNSEEN = ("ProbeBlocked", "SourceNotFound", "SourceRefused", "SourceUnsupported")  # reasons of the gateway's Degraded
_RUNS = ("Running", "NotReady", "Starting")


def sighted(monitor: Monitor, pod: Is) -> Is:
    """The Ready condition of a Monitor whose `pod` has this one."""
    if pod.reason not in _RUNS:
        return pod
    if (why := _unseen(monitor)) is not None:
        return why
    if pod.reason == "Starting" and monitor.status.stream is not None:
        said = pod.message.replace("waits for the gateway", "has not said what it sees of its source")
        return replace(pod, message=f"{said}; if that lasts, it cannot reach the gateway: its log says why")
    return pod


def _unseen(monitor: Monitor) -> Is | None:
    """Why nothing is seen of the source, if that is so."""
    for condition in monitor.status.conditions:
        if condition.type == "Degraded" and condition.status == "True" and condition.reason in _UNSEEN:
            return not_ready(condition.reason, condition.message, warning=True)
    stream = monitor.status.stream
    if stream is None or stream.state is not StreamState.UNKNOWN or monitor.spec.schedule:
        return None
    if found := re.fullmatch(r"http_(4\d\d)", stream.reason or ""):
        return not_ready("SourceNotFound", f"the source answers HTTP {found[1]}; check spec.source", warning=True)
    return None
