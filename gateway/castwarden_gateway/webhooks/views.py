# SPDX-License-Identifier: Apache-2.0
"""Rows of webhooks as the API shows them, and what their routes have in common."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from asyncpg import Record
from castwarden_base.ids import ms_of
from pydantic import BaseModel

from castwarden_gateway.http.cursors import encode
from castwarden_gateway.http.problems import NotFound
from castwarden_gateway.http.routes import Request
from castwarden_gateway.tenants.principal import Principal
from castwarden_gateway.webhooks.delivery_models import AttemptView, DeliveryView, PingResult
from castwarden_gateway.webhooks.models import EndpointView
from castwarden_gateway.webhooks.replay_models import ReplayView
from castwarden_gateway.webhooks.send import Answer
from castwarden_gateway.webhooks.service import Webhooks
from castwarden_gateway.webhooks.signing import active

WEBHOOKS = web.AppKey("webhooks", Webhooks)
ENDPOINTS = "/api/v1/webhooks/endpoints"


def data(view: BaseModel) -> Mapping[str, Any]:
    return {"data": view}


def id_of(request: Request[Principal]) -> UUID:
    try:
        return UUID(request.params["id"])
    except ValueError as error:
        raise NotFound("Ids of webhooks are UUIDs.") from error


def cursor(row: Record) -> str:
    return encode(str(row["id"]))


def endpoint(row: Record) -> EndpointView:
    values = {name: row[name] for name in EndpointView.model_fields if name in row}
    now = datetime.now(UTC)
    if row["resting_until"] is not None and row["resting_until"] <= now:
        values["resting_until"] = None
    if row["held_until"] is not None and row["held_until"] <= now:
        values["held_since"] = values["held_until"] = None
    return EndpointView.model_validate(
        {
            **values,
            "signature": "v1a" if row["public_key"] else "v1",
            "old_secrets_until": sorted(until for _, until in active(row)),
            "client_certificate": row["certificate_info"],
        }
    )


def delivery(row: Record) -> DeliveryView:
    return DeliveryView(
        id=row["id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        endpoint_id=row["endpoint_id"],
        status=row["state"],
        attempts=row["attempt"],
        in_flight=row["in_flight"],
        next_attempt_at=None if row["in_flight"] else row["next_attempt_at"],
        last_status_code=row["status"],
        last_error=row["error"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


def attempt(row: Record) -> AttemptView:
    return AttemptView(
        attempt=row["attempt"],
        at=row["at"],
        outcome=row["outcome"],
        status_code=row["status"],
        ms=row["ms"],
        error=row["error"],
        detail=row["detail"],
        response_headers=row["response_headers"],
        response_body=row["response_body"].decode("utf-8", "replace"),
    )


def replay(row: Record) -> ReplayView:
    since, until = row["since"].timestamp() * 1000, row["until"].timestamp() * 1000
    done = row["state"] == "completed"
    return ReplayView(
        **{name: row[name] for name in ("id", "endpoint_id", "since", "until", "reason", "created_at", "finished_at")},
        status=row["state"],
        progress=1.0 if done else round(min(1.0, max(0.0, (ms_of(row["cursor"]) - since) / (until - since))), 4),
        events=row["looked_at"],
        queued=row["queued"],
    )


def ping_result(answer: Answer) -> PingResult:
    return PingResult(
        delivered=answer.error is None,
        status_code=answer.status,
        error=answer.error,
        detail=answer.detail,
        ms=answer.ms,
        response_body=answer.body.decode("utf-8", "replace"),
    )
