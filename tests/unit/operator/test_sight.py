# SPDX-License-Identifier: Apache-2.0
"""A Monitor is ready when its source is looked at, in a Pod of its own as on a seat."""

from typing import Any

import pytest
from castwarden_model.resources import Monitor
from castwarden_operator.kinds import Object
from castwarden_operator.reconcile.monitor import pod_for, reconcile
from castwarden_operator.reconcile.packed import reconcile as reconcile_packed
from castwarden_operator.reconcile.plan import Plan
from castwarden_operator.seats import Seat

from .objects import NOW, SETTINGS, Turn, condition, monitor, pod_status, resource, said, stored

SINCE = "2026-11-20T11:59:00Z"


def seen(stream: Object | None, degraded: tuple[str, str, str] | None = None, **spec: Any) -> Monitor:
    """A Monitor as the gateway reports it; `degraded` is status, reason and message."""
    status: Object = {"stream": stream} if stream else {}
    if degraded:
        state, reason, message = degraded
        fault = {"type": "Degraded", "status": state, "reason": reason, "message": message}
        status["conditions"] = [{**fault, "lastTransitionTime": SINCE}]
    return Monitor.model_validate(resource("Monitor", status=status, **spec))


def dedicated(found: Monitor, *, ready: bool) -> Plan:
    pod = stored(pod_for(monitor(), SETTINGS), pod_status("Running", ready=ready))
    return reconcile(found, [pod], NOW, SETTINGS, Turn())


def packed(found: Monitor) -> Plan:
    pod = {"kind": "Pod", "metadata": {"name": "monitors-default-0"}, "status": pod_status("Running", ready=True)}
    return reconcile_packed(found, Seat("monitors-default-0", 3), pod, None, [], NOW)


BLOCKED = ({"state": "ProbeBlocked"}, ("True", "ProbeBlocked", "cannot look at the source: HTTP 403"))
REFUSED = ({"state": "Unknown", "reason": "blocked_address"}, ("True", "SourceRefused", "10.0.0.1 is private"))
NOT_FOUND = ({"state": "Unknown", "reason": "http_404"}, ("False", "SourceNotSeen", "not seen yet"))


@pytest.mark.parametrize(
    ("known", "reason", "words"),
    [
        (BLOCKED, "ProbeBlocked", "HTTP 403"),
        (REFUSED, "SourceRefused", "10.0.0.1 is private"),
        (NOT_FOUND, "SourceNotFound", "HTTP 404"),
    ],
)
def test_a_source_that_is_not_seen_makes_a_monitor_unready_wherever_it_runs(
    known: tuple[Object, tuple[str, str, str]], reason: str, words: str
) -> None:
    found = seen(*known)
    for plan in (dedicated(found, ready=True), dedicated(found, ready=False), packed(found)):
        assert said(plan) == (False, reason)
        assert words in condition(plan, "Ready").message
        assert not condition(plan, "Progressing").status


@pytest.mark.parametrize(
    ("stream", "spec"),
    [
        ({"state": "Live"}, {}),
        ({"state": "Ended", "reason": "http_404"}, {}),
        ({"state": "Unknown", "reason": "not_live"}, {}),
        ({"state": "Unknown", "reason": "http_404"}, {"schedule": {"start": "2026-11-21T12:00:00Z"}}),
        (None, {}),
    ],
)
def test_a_stream_that_is_awaited_watched_or_over_leaves_a_monitor_ready(stream: Object | None, spec: Any) -> None:
    found = seen(stream, ("True", "ConditionsOpen", "open: black"), **spec)
    assert said(dedicated(found, ready=True)) == (True, "Running")
    assert said(packed(found)) == (True, "Running")


def test_a_worker_that_starts_waits_for_the_gateway_or_says_that_it_was_heard_of() -> None:
    new, known = seen(None), seen({"state": "Live"})
    assert condition(dedicated(new, ready=False), "Ready").message.endswith("its worker still waits for the gateway")
    assert "has not said what it sees of its source" in condition(dedicated(known, ready=False), "Ready").message


def test_a_pod_that_cannot_run_says_so_whatever_was_seen_before() -> None:
    pod = stored(pod_for(monitor(), SETTINGS), pod_status("Running", waiting="CrashLoopBackOff"))
    assert said(reconcile(seen(*BLOCKED), [pod], NOW, SETTINGS, Turn())) == (False, "CrashLoopBackOff")
