# SPDX-License-Identifier: Apache-2.0
"""What the API answers about monitors."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.http.media import example
from castwarden_gateway.monitors.bodies import Status, StreamStatus

_ID = "mon-019a9f3c-5d2e-7c41-9b7a-0f6f3b1c2d4e"


@example(
    monitor_id=_ID,
    status="monitoring",
    stream_url="https://example.com/live/index.m3u8",
    callback_url=None,
    stream_status="live",
    stream={"state": "Live", "started_at": "2026-11-20T11:58:04Z"},
    health={"video": "ok", "audio": "ok", "last_check_at": "2026-11-20T12:00:00Z"},
    statistics={
        "total_segments_analyzed": 29,
        "segment_errors": 0,
        "blackout_events": 0,
        "freeze_events": 0,
        "silence_events": 0,
    },
    open_conditions=[],
    last_event={"type": "stream.started", "at": "2026-11-20T11:58:04Z"},
    config={
        "check_interval_sec": 30.0,
        "blackout_threshold_sec": 10.0,
        "silence_threshold_sec": 30.0,
        "silence_db_threshold": -50,
        "scheduled_start_time": None,
        "start_delay_tolerance_sec": None,
    },
    checks={
        "black": {"enabled": True, "raiseAfter": "10s", "clearAfter": "5s", "luma": 0.1, "area": 0.98},
        "silence": {"enabled": True, "raiseAfter": "30s", "clearAfter": "3s", "levelDb": -50.0},
    },
    depth="Adaptive",
    resolver="Auto",
    placement="Dedicated",
    pool="default",
    seat=None,
    suspend=False,
    metadata={"desk": "7"},
    conditions=[{"type": "Ready", "status": "True", "reason": "Watching", "message": ""}],
    generation=1,
    created_at="2026-11-20T11:58:00Z",
)
class MonitorView(TypedDict):
    """A monitor: the Stream Tracker's fields, and ours beside them."""

    monitor_id: str
    status: Status
    stream_url: str
    callback_url: str | None
    stream_status: StreamStatus
    stream: Annotated[dict[str, Any], Field(description="As in the resource's status.")]
    health: Annotated[dict[str, str | None], Field(description="`video`, `audio`, `last_check_at`.")]
    statistics: Annotated[dict[str, int], Field(description="Counts since the monitor was made.")]
    open_conditions: Annotated[list[str], Field(description="Checks in alert now.")]
    last_event: dict[str, Any] | None
    config: Annotated[dict[str, Any], Field(description="As in the request, with the values that hold.")]
    checks: Annotated[dict[str, Any], Field(description="As in the resource, with the values that hold.")]
    depth: str
    resolver: str
    placement: str
    pool: str
    seat: Annotated[str | None, Field(description="The place of a packed monitor, as Pod/number.")]
    suspend: bool
    metadata: dict[str, str]
    conditions: Annotated[list[dict[str, Any]], Field(description="metav1 conditions.")]
    generation: int
    created_at: datetime | None


@example(monitor_id=_ID, deleted=True, deleted_at="2026-11-20T12:00:00Z")
class MonitorDeleted(TypedDict):
    """What became of the monitor."""

    monitor_id: str
    deleted: bool
    deleted_at: datetime
