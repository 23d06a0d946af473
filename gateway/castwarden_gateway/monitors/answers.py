# SPDX-License-Identifier: Apache-2.0
"""What the API answers about monitors."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.monitors.bodies import Status, StreamStatus


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


class MonitorDeleted(TypedDict):
    """What became of the monitor."""

    monitor_id: str
    deleted: bool
    deleted_at: datetime
