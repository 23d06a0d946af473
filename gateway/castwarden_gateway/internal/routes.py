# SPDX-License-Identifier: Apache-2.0
"""The calls of workers. See docs/architecture.md, "Worker ↔ gateway"."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from aiohttp import web
from castwarden_base.ids import uuid7
from castwarden_model.messages import TIME_HEADER, Assignment, MonitorObservation, Report, ReportAck, ResourceRef, Seats
from castwarden_model.resources import Health, Monitor, StreamState
from castwarden_model.resources.monitor import Statistics
from pydantic import BaseModel, ConfigDict, Field

from castwarden_gateway.facts.errors import Fenced, InvalidReport
from castwarden_gateway.facts.taker import Taker, ref_of
from castwarden_gateway.http.problems import Conflict, Forbidden, InvalidRequest, NotFound, Problem
from castwarden_gateway.http.routes import Reply, Request, Routes, no_content
from castwarden_gateway.internal.assignments import Assignments, Gone
from castwarden_gateway.internal.auth import Worker
from castwarden_gateway.internal.clocks import Clocks
from castwarden_gateway.internal.seats import FencedOff, Seating
from castwarden_gateway.kube.resources import Resources

CLOCKS = web.AppKey("clocks", Clocks)
ASSIGNMENTS = web.AppKey("assignments", Assignments)
TAKER = web.AppKey("taker", Taker)
RESOURCES = web.AppKey("resources", Resources)
SEATING = web.AppKey("seating", Seating)
routes = Routes()

PROBLEMS: dict[type[Exception], Callable[[Exception], Problem]] = {
    Fenced: lambda error: FencedOff(str(error)),
    InvalidReport: lambda error: InvalidRequest(str(error)),
}
_STREAM_STATES = {
    "unknown": StreamState.UNKNOWN,
    "scheduled": StreamState.UPCOMING,
    "live": StreamState.LIVE,
    "ended": StreamState.ENDED,
}


class AssignmentQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    uid: str = Field(min_length=1, max_length=128)
    version: str | None = Field(default=None, max_length=128, description="The version at hand; none begins an epoch.")
    wait: float = Field(default=0, ge=0, le=60, description="Seconds to wait for another version.")


class SeatsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: str | None = Field(default=None, max_length=128, description="The version at hand.")
    wait: float = Field(default=0, ge=0, le=60, description="Seconds to wait for another version.")
    namespace: str = Field(default="", max_length=253, description="Of the Pod, for the internal key only.")
    pod: str = Field(default="", max_length=253, description="Its name, for the internal key only.")


class SeedHealth(BaseModel):
    video: Health = Health.UNKNOWN
    audio: Health = Health.UNKNOWN
    last_check_at: datetime | None = None


class StatusUpdate(BaseModel):
    """The Stream Tracker's body."""

    status: Literal["initializing", "waiting", "monitoring", "completed", "stopped", "error"]
    stream_status: Literal["unknown", "scheduled", "live", "ended"] | None = None
    health: SeedHealth = SeedHealth()
    statistics: Statistics | None = None


@routes.get(
    "/internal/v1/assignments/{kind}/{namespace}/{name}",
    query=AssignmentQuery,
    returns={200: Assignment, 204: None},
    problems=[Gone, FencedOff],
)
async def get_assignment(request: Request[Worker], query: AssignmentQuery) -> Any:
    """What the worker of this resource is to do; 204 when nothing has changed while it waited."""
    params = request.params
    if params["kind"] not in ("Monitor", "Channel", "DownloadJob"):
        raise NotFound(f"There is no kind {params['kind']}.")
    ref = ResourceRef.model_validate({**params, "uid": query.uid})
    request.principal.require(ref)
    assignments = request.app[ASSIGNMENTS]
    found = await assignments.next(ref, request.principal.pod, query.version or None, query.wait)
    return no_content() if found is None else Reply(found.model_dump_json(by_alias=True).encode())


@routes.get("/internal/v1/seats", query=SeatsQuery, returns={200: Seats, 204: None}, problems=[InvalidRequest])
async def get_seats(request: Request[Worker], query: SeatsQuery) -> Any:
    """The Monitors that have their seat in this shared Pod; 204 when nothing has changed while it waited."""
    worker = request.principal
    if worker.pod and not worker.shared:
        raise Forbidden("This Pod has no seats.")
    namespace, pod = (worker.namespace, worker.pod) if worker.pod else (query.namespace, query.pod)
    if not namespace or not pod:
        raise InvalidRequest("With the internal key, name the Pod: ?namespace=…&pod=…")
    found = await request.app[SEATING].list(namespace, pod, query.version or None, query.wait)
    return no_content() if found is None else Reply(found.model_dump_json().encode())


@routes.post("/internal/v1/reports", body=Report, returns={200: ReportAck}, problems=[Gone, FencedOff, InvalidRequest])
async def post_report(request: Request[Worker], body: Report) -> Any:
    """Takes what a worker saw; once it is answered, it is kept."""
    try:
        request.principal.require(body.resource)
    except FencedOff:
        if not await request.app[ASSIGNMENTS].began_last(body.resource, request.principal.pod):
            raise
    if request.principal.pod:
        body.pod = request.principal.pod
    body.clock_offset = request.app[CLOCKS].offset(body.resource, request.http.headers.get(TIME_HEADER))
    resource = await request.app[ASSIGNMENTS].resource(body.resource)
    repeated = await request.app[TAKER].take(body, resource)
    return Reply(b'{"id":"%s","duplicate":%s}' % (str(body.id).encode(), b"true" if repeated else b"false"))


class StatusTaken(BaseModel):
    monitor_id: str
    status: str


@routes.put(
    "/internal/v1/monitors/{id}/status",
    body=StatusUpdate,
    returns={200: StatusTaken},
    problems=[NotFound, Conflict, FencedOff, InvalidRequest],
)
async def put_monitor_status(request: Request[Worker], body: StatusUpdate) -> Any:
    """The Stream Tracker's call, folded into the same state as a report's snapshot."""
    monitor = _named(request)
    ref = ref_of(monitor)
    request.principal.require(ref)
    taker = request.app[TAKER]
    known = await taker.known(ref, request.principal.pod)
    stream = _STREAM_STATES[body.stream_status or ("ended" if body.status == "completed" else "unknown")]
    if body.stream_status is None and body.status != "completed":
        stream = StreamState(known.status.get("stream", {}).get("state", StreamState.UNKNOWN))
    seen = MonitorObservation(
        stream=stream,
        video=body.health.video,
        audio=body.health.audio,
        last_check_at=body.health.last_check_at or datetime.now(UTC),
        statistics=body.statistics or Statistics.model_validate(known.status.get("statistics", {})),
    )
    report = Report(
        id=uuid7(), resource=ref, pod=request.principal.pod, epoch=known.epoch, seq=known.seq + 1, monitor=seen
    )
    await taker.take(report, monitor)
    return StatusTaken(monitor_id=ref.name, status=body.status)


def _named(request: Request[Worker]) -> Monitor:
    """The Monitor of this name: in the Pod's namespace, or the only one."""
    name = request.params["id"]
    worker, monitors = request.principal, request.app[RESOURCES].monitors
    if worker.pod:
        found = monitors.get(worker.namespace, name)
        candidates = [found] if found else []
    else:
        candidates = monitors.named(name)
    if not candidates:
        raise NotFound(f"There is no monitor {name}.")
    if len(candidates) > 1:
        raise Conflict(f"More than one namespace has a monitor {name}.")
    return candidates[0]
