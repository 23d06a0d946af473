# SPDX-License-Identifier: Apache-2.0
"""Reports made by hand, and what folding them into what is known adds."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from castwarden_base.ids import uuid7
from castwarden_gateway.facts.fold import fold
from castwarden_gateway.facts.known import Added, Known
from castwarden_model.messages import Report, ResourceRef
from castwarden_model.resources import Channel, DownloadJob, Monitor

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
REF = ResourceRef(kind="Monitor", namespace="default", name="one", uid="uid-1")
URL = {"source": {"url": "https://cdn.example.com/x.m3u8"}}
MONITOR = Monitor.model_validate({"spec": {**URL, "metadata": {"show": "news"}}})
CHANNEL = Channel.model_validate({"spec": {"source": {"feedUrl": "https://cdn.example.com/feed"}}})
EPISODES = [uuid7(), uuid7()]
DOWNLOAD = DownloadJob.model_validate({"spec": URL})


def known(**fields: Any) -> Known:
    return Known(REF, uuid7(), **{"epoch": 1, "pod": "pod-1", **fields})


def report(**fields: Any) -> Report:
    return Report.model_validate({"id": uuid7(), "resource": REF, "pod": "pod-1", "epoch": 1, "seq": 1, **fields})


def transition(condition: str, state: str, **fields: Any) -> dict[str, Any]:
    base = {"id": uuid7(), "condition": condition, "state": state, "episode": EPISODES[0], "at": NOW}
    return {**base, "started_at": NOW, "media_time": 1.0, "duration_sec": 31.0, "threshold_sec": 30.0, **fields}


def occurrence(type_: str, **data: Any) -> dict[str, Any]:
    return {"id": uuid7(), "type": type_, "at": NOW, "data": data}


def folded(state: Known, *reports: Report, resource: Any = MONITOR, repeated: set[UUID] | None = None) -> list[Added]:
    return [fold(state, one, resource, repeated or set(), NOW) for one in reports]


def types(added: list[Added]) -> list[str]:
    return [event.type for one in added for event in one.events]
