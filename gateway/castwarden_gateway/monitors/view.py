# SPDX-License-Identifier: Apache-2.0
"""A Monitor as the API shows it: the Stream Tracker's fields, and ours beside them. Pure."""

from collections.abc import Mapping
from typing import Any

from castwarden_model.resources import Monitor, StreamState

from castwarden_gateway.monitors.answers import MonitorView
from castwarden_gateway.monitors.bodies import Status, StreamStatus
from castwarden_gateway.monitors.troubles import broken

_STATUS: dict[StreamState, Status] = {
    StreamState.UNKNOWN: "initializing",
    StreamState.UPCOMING: "waiting",
    StreamState.LIVE: "monitoring",
    StreamState.STALLED: "monitoring",
    StreamState.ENDED: "completed",
    StreamState.PROBE_BLOCKED: "waiting",
}
_STREAM_STATUS: dict[StreamState, StreamStatus] = {
    StreamState.UPCOMING: "scheduled",
    StreamState.LIVE: "live",
    StreamState.STALLED: "live",
    StreamState.ENDED: "ended",
}
ACTIVE = ("initializing", "waiting", "monitoring")


def status_of(monitor: Monitor, status: Mapping[str, Any]) -> Status:
    """The Stream Tracker's word for how the monitor is."""
    if monitor.spec.suspend:
        return "stopped"
    state = _state(status)
    if state != StreamState.ENDED and broken(status):
        return "error"
    return _STATUS[state]


def stream_status_of(status: Mapping[str, Any]) -> StreamStatus:
    return _STREAM_STATUS.get(_state(status), "unknown")


def view(monitor: Monitor, status: Mapping[str, Any]) -> MonitorView:
    """`status` is the resource's, with what is not written yet."""
    meta, spec = monitor.metadata, monitor.spec
    health, statistics = status.get("health", {}), status.get("statistics", {})
    return {
        "monitor_id": meta.name,
        "status": status_of(monitor, status),
        "stream_url": spec.source.page_url,
        "callback_url": spec.webhook_url,
        "stream_status": stream_status_of(status),
        "stream": _snake(status.get("stream", {"state": StreamState.UNKNOWN})),
        "health": {
            "video": health.get("video", "unknown"),
            "audio": health.get("audio", "unknown"),
            "last_check_at": health.get("lastCheckAt"),
        },
        "statistics": {
            "total_segments_analyzed": statistics.get("totalSegmentsAnalyzed", 0),
            "segment_errors": statistics.get("segmentErrors", 0),
            "blackout_events": statistics.get("blackoutEvents", 0),
            "freeze_events": statistics.get("freezeEvents", 0),
            "silence_events": statistics.get("silenceEvents", 0),
        },
        "open_conditions": status.get("openConditions", []),
        "last_event": status.get("lastEvent"),
        "config": _config(monitor),
        "checks": spec.checks.model_dump(mode="json", by_alias=True, exclude_none=True),
        "depth": spec.depth,
        "resolver": spec.resolver,
        "placement": spec.placement,
        "pool": spec.pool,
        "seat": monitor.status.seat,
        "suspend": spec.suspend,
        "metadata": spec.metadata,
        "conditions": status.get("conditions", []),
        "generation": meta.generation,
        "created_at": meta.creation_timestamp,
    }


def _config(monitor: Monitor) -> dict[str, Any]:
    """The Stream Tracker's `config`, with the values that hold."""
    checks, schedule = monitor.spec.checks, monitor.spec.schedule
    return {
        "check_interval_sec": monitor.spec.look_interval.total_seconds(),
        "blackout_threshold_sec": checks.black.raise_after.total_seconds(),
        "silence_threshold_sec": checks.silence.raise_after.total_seconds(),
        "silence_db_threshold": checks.silence.level_db,
        "scheduled_start_time": schedule.start if schedule else None,
        "start_delay_tolerance_sec": schedule.tolerance.total_seconds() if schedule else None,
    }


def _state(status: Mapping[str, Any]) -> StreamState:
    return StreamState(status.get("stream", {}).get("state", StreamState.UNKNOWN))


def _snake(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): item for key, item in value.items()}
