# SPDX-License-Identifier: Apache-2.0
"""What `kubectl get` prints: one row per object, one cell per column."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from castwarden_local.standin.http.jsonpath import find
from castwarden_local.standin.interface import Object
from castwarden_local.standin.json_values import dig, parse_time
from castwarden_local.standin.resources import Column, Resource
from castwarden_local.standin.validation.schema_checks import shown

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def column_definitions(resource: Resource) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": "name" if column.format == "name" else "" if column.format in _COMPUTED else column.format,
            "description": column.description or f"JSONPath: {column.path}",
            "priority": column.priority,
        }
        for column in resource.columns
    ]


def cells(resource: Resource, obj: Object, now: datetime) -> list[Any]:
    return [_cell(column, obj, now) for column in resource.columns]


def _cell(column: Column, obj: Object, now: datetime) -> Any:
    compute = _COMPUTED.get(column.format)
    if compute is not None:
        return compute(obj, column.path, now)
    found = find(column.path, obj)
    if not found or found[0] is None:
        return None
    return _typed(column.type, found[0], now)


def _typed(kind: str, value: Any, now: datetime) -> Any:
    if kind == "date":
        return _since(value, now)
    if kind == "string":
        return value if isinstance(value, str) else shown(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if kind == "integer" else float(value)


def human_duration(seconds: float) -> str:
    """Two units at most, fewer the longer it is, as kubectl writes ages."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    for limit, unit, below in ((2 * _MINUTE, 1, 0), (10 * _MINUTE, _MINUTE, 1), (3 * _HOUR, _MINUTE, 0)):
        if whole < limit:
            return _units(whole, unit, below)
    for limit, unit, below in ((8 * _HOUR, _HOUR, _MINUTE), (2 * _DAY, _HOUR, 0), (8 * _DAY, _DAY, _HOUR)):
        if whole < limit:
            return _units(whole, unit, below)
    if whole < 2 * _YEAR:
        return _units(whole, _DAY, 0)
    return _units(whole, _YEAR, _DAY if whole < 8 * _YEAR else 0)


def _units(seconds: int, unit: int, below: int) -> str:
    names = {1: "s", _MINUTE: "m", _HOUR: "h", _DAY: "d", _YEAR: "y"}
    first, rest = divmod(seconds, unit)
    second = rest // below if below else 0
    return f"{first}{names[unit]}" + (f"{second}{names[below]}" if second else "")


def _since(value: Any, now: datetime) -> str:
    if value is None:
        return "<unknown>"
    try:
        return human_duration((now - parse_time(str(value))).total_seconds())
    except ValueError:
        return "<invalid>"


def _age(obj: Object, path: str, now: datetime) -> str:
    found = find(path, obj)
    if not found and "creationTimestamp" not in path:
        return "<none>"
    return _since(found[0] if found else None, now)


def _count(obj: Object, path: str, _now: datetime) -> int:
    found = find(path, obj)
    return len(found[0]) if found and found[0] else 0


def _or_none(obj: Object, path: str, _now: datetime) -> str:
    found = find(path, obj)
    return str(found[0]) if found and found[0] else "<none>"


def _pod_ready(obj: Object, _path: str, _now: datetime) -> str:
    statuses = dig(obj, "status", "containerStatuses") or []
    ready = sum(bool(each.get("ready")) for each in statuses)
    return f"{ready}/{len(obj['spec'].get('containers') or [])}"


def _pod_restarts(obj: Object, _path: str, now: datetime) -> str:
    statuses = dig(obj, "status", "containerStatuses") or []
    count = sum(int(each.get("restartCount") or 0) for each in statuses)
    ended = [str(at) for each in statuses if (at := dig(each, "lastState", "terminated", "finishedAt"))]
    return f"{count} ({_since(max(ended), now)} ago)" if count and ended else str(count)


def _pod_status(obj: Object, _path: str, _now: datetime) -> str:
    status = obj.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "Unknown")
    for container in status.get("containerStatuses") or []:
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended.get("reason"):
            reason = ended["reason"]
        elif ended:
            signal = ended.get("signal")
            reason = f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}"
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else reason


def _event_object(obj: Object, _path: str, _now: datetime) -> str:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _event_source(obj: Object, _path: str, _now: datetime) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    component = source.get("component") or obj.get("reportingComponent") or obj.get("reportingController") or ""
    where = source.get("host") or obj.get("reportingInstance") or ""
    return ", ".join(part for part in (component, where) if part)


def _last_seen(obj: Object, _path: str, now: datetime) -> str:
    moments = (
        dig(obj, "series", "lastObservedTime"),
        obj.get("lastTimestamp"),
        obj.get("deprecatedLastTimestamp"),
        obj.get("eventTime"),
        obj["metadata"].get("creationTimestamp"),
    )
    return _since(next((moment for moment in moments if moment), None), now)


def _job_status(obj: Object, _path: str, _now: datetime) -> str:
    conditions = {each["type"] for each in dig(obj, "status", "conditions") or [] if each.get("status") == "True"}
    for kind, text in (
        ("Complete", "Complete"),
        ("Failed", "Failed"),
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
    ):
        if kind in conditions:
            return text
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else "Running"


def _job_completions(obj: Object, _path: str, _now: datetime) -> str:
    done, wanted = dig(obj, "status", "succeeded") or 0, obj["spec"].get("completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = obj["spec"].get("parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(obj: Object, _path: str, now: datetime) -> str:
    started, ended = dig(obj, "status", "startTime"), dig(obj, "status", "completionTime")
    if not started:
        return ""
    return human_duration(((parse_time(ended) if ended else now) - parse_time(started)).total_seconds())


_COMPUTED: dict[str, Callable[[Object, str, datetime], Any]] = {
    "age": _age,
    "count": _count,
    "or-none": _or_none,
    "pod-ready": _pod_ready,
    "pod-restarts": _pod_restarts,
    "pod-status": _pod_status,
    "event-object": _event_object,
    "event-source": _event_source,
    "last-seen": _last_seen,
    "job-status": _job_status,
    "job-completions": _job_completions,
    "job-duration": _job_duration,
}


def table(resource: Resource, rows: Sequence[tuple[Object, Any]], meta: Object, *, headed: bool = True) -> Object:
    """A meta.k8s.io/v1 Table; each row is an object and what the client wants to see of it."""
    now = datetime.now(UTC)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": column_definitions(resource) if headed else None,
        "rows": [{"cells": cells(resource, obj, now), "object": shown} for obj, shown in rows],
    }
