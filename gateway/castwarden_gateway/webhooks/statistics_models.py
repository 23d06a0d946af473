# SPDX-License-Identifier: Apache-2.0
"""How an endpoint does, as the REST API speaks of it."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from castwarden_gateway.webhooks.models import shown_as

_LATENCY: dict[str, Any] = {"mean": 48.1, "p50": 36.0, "p95": 120.5, "p99": 410.0}
_ERROR: dict[str, Any] = {"error": "timeout", "attempts": 12}
_HOUR: dict[str, Any] = {"hour": "2026-11-20T11:00:00Z", "sent": 402, "failed": 12, "dead": 0}


class StatisticsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime | None = Field(default=None, description="Absent: a day before `until`; at most 30 days.")
    until: AwareDatetime | None = Field(default=None, description="Absent: now.")


class Latency(BaseModel):
    """Milliseconds of an attempt, from the connection to the end of the answer; timeouts count as long as they took."""

    model_config = shown_as(**_LATENCY)

    mean: float
    p50: float
    p95: float
    p99: float


class ErrorCount(BaseModel):
    model_config = shown_as(**_ERROR)

    error: str = Field(description="class of the error, as in the attempts of a delivery")
    attempts: int


class HourView(BaseModel):
    model_config = shown_as(**_HOUR)

    hour: datetime
    sent: int
    failed: int
    dead: int


class StatisticsView(BaseModel):
    """Attempts between two whole hours, at most some ten seconds old; and what waits now.

    Counted apart from the deliveries: what a gateway that was killed had counted last is missing here, not there.
    """

    model_config = shown_as(
        since="2026-11-19T12:00:00Z",
        until="2026-11-20T12:00:00Z",
        attempts=414,
        sent=402,
        failed=12,
        dead=0,
        success_rate=0.971014,
        latency_ms=_LATENCY,
        errors=[_ERROR],
        waiting=3,
        waiting_since="2026-11-20T11:59:31Z",
        recoverable=0,
        hours=[_HOUR],
    )

    since: datetime
    until: datetime
    attempts: int
    sent: int
    failed: int = Field(description="and tried again")
    dead: int = Field(description="the last of their delivery")
    success_rate: float | None = Field(description="sent of all attempts; null: there were none")
    latency_ms: Latency | None
    errors: list[ErrorCount] = Field(description="most frequent first")
    waiting: int = Field(description="deliveries that are not finished; 100,000 are counted at most")
    waiting_since: datetime | None = Field(description="when the oldest of them was queued")
    recoverable: int = Field(description="dead deliveries, which `recover` brings back; 100,000 are counted at most")
    hours: list[HourView] = Field(description="hours without attempts are absent")
