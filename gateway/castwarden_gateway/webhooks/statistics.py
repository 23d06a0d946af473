# SPDX-License-Identifier: Apache-2.0
"""How an endpoint does: the hours that the gateways added up, folded into what the API shows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Record

from castwarden_gateway.db import Connection, Database
from castwarden_gateway.http.problems import FieldError, InvalidRequest
from castwarden_gateway.webhooks import store
from castwarden_gateway.webhooks.errors import found
from castwarden_gateway.webhooks.statistics_models import ErrorCount, HourView, Latency, StatisticsView
from castwarden_gateway.webhooks.tallies import SQL, Tally

MOST_COUNTED = 100_000
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_OUTCOMES = ("sent", "failed", "dead")


class Statistics:
    """Of one tenant's endpoints. Raises Problems. Hours are known for `retention_days`."""

    def __init__(self, database: Database, retention_days: int) -> None:
        self._database = database
        self._longest = timedelta(days=retention_days)

    async def of(
        self, tenant_id: UUID, endpoint_id: UUID, since: datetime | None, until: datetime | None
    ) -> StatisticsView:
        """From `since` (else a day before) until `until` (else now), to whole hours."""
        until = until or datetime.now(UTC)
        since = since or until - _DAY
        if not since < until <= since + self._longest:
            detail = f"must be before until, by {self._longest.days} days at most"
            raise InvalidRequest(errors=[FieldError(detail, parameter="since")])
        first, end = _floor(since), _floor(until - timedelta(microseconds=1)) + _HOUR

        async def work(connection: Connection) -> StatisticsView:
            found(await store.endpoint(connection, tenant_id, endpoint_id))
            hours = await connection.fetch(SQL.of_endpoint, tenant_id, endpoint_id, first, end)
            backlog = found(await connection.fetchrow(SQL.backlog, tenant_id, endpoint_id, MOST_COUNTED))
            return fold(hours, backlog, first, end)

        return await self._database.of(tenant_id).retry(work)


def fold(
    hours: Iterable[Record | Mapping[str, Any]], backlog: Mapping[str, Any] | Record, since: datetime, until: datetime
) -> StatisticsView:
    """`hours`: rows of `of_endpoint`, from `since` to `until`."""
    whole = Tally()
    outcomes: dict[str, int] = defaultdict(int)
    errors: dict[str, int] = defaultdict(int)
    each: dict[datetime, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_OUTCOMES, 0))
    for row in hours:
        whole.join(row["attempts"], row["ms"], row["buckets"])
        outcomes[row["outcome"]] += row["attempts"]
        each[row["hour"]][row["outcome"]] += row["attempts"]
        if row["error"]:
            errors[row["error"]] += row["attempts"]
    return StatisticsView(
        since=since,
        until=until,
        attempts=whole.attempts,
        sent=outcomes["sent"],
        failed=outcomes["failed"],
        dead=outcomes["dead"],
        success_rate=round(outcomes["sent"] / whole.attempts, 6) if whole.attempts else None,
        latency_ms=_latency(whole),
        errors=[
            ErrorCount(error=error, attempts=count) for error, count in sorted(errors.items(), key=lambda it: -it[1])
        ],
        waiting=backlog["waiting"],
        waiting_since=backlog["waiting_since"],
        recoverable=backlog["dead"],
        hours=[HourView(hour=hour, **counts) for hour, counts in sorted(each.items())],
    )


def _latency(whole: Tally) -> Latency | None:
    if not whole.attempts:
        return None
    p50, p95, p99 = (whole.quantile(share) or 0.0 for share in (0.5, 0.95, 0.99))
    return Latency(mean=round(whole.ms / whole.attempts, 1), p50=p50, p95=p95, p99=p99)


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
