# SPDX-License-Identifier: Apache-2.0
"""The body of a delivery in each format. The same event always gives the same bytes, so retries are repeats. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

import orjson

Payload = Literal["castwarden", "cloudevents", "stream-tracker", "yt-tracker"]
CONTENT_TYPES: Mapping[Payload, str] = {"cloudevents": "application/cloudevents+json"}  # else application/json

_VIDEO_FIELDS = ("video_id", "youtube_id", "title", "published_at")


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as its row holds it. `source_url` is what the resource watches."""

    id: UUID
    type: str
    kind: str
    namespace: str
    name: str
    uid: str
    occurred_at: datetime
    data: dict[str, Any]
    metadata: dict[str, str]
    source_url: str


def body(payload: Payload, event: StoredEvent) -> bytes:
    """The JSON bytes that are signed and sent."""
    return orjson.dumps(_SHAPES[payload](event), option=orjson.OPT_UTC_Z)


def _castwarden(event: StoredEvent) -> Mapping[str, Any]:
    """`castwarden_model.events.Event`."""
    return {
        "id": str(event.id),
        "type": event.type,
        "timestamp": event.occurred_at,
        "subject": {"kind": event.kind, "namespace": event.namespace, "name": event.name, "uid": event.uid},
        "data": event.data,
        "metadata": event.metadata,
    }


def _cloudevents(event: StoredEvent) -> Mapping[str, Any]:
    """CloudEvents 1.0 in structured mode. `source` and `id` together are one event's. No attribute is ever empty."""
    where = "/".join(quote(part or "-", safe="") for part in (event.namespace, event.kind, event.uid))
    found = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": f"/castwarden/{where}",
        "type": f"dev.castwarden.{event.type}",
        "subject": event.name,
        "time": event.occurred_at,
        "datacontenttype": "application/json",
        "data": event.data,
        "castwardenmetadata": orjson.dumps(event.metadata).decode() if event.metadata else "",
    }
    return {name: value for name, value in found.items() if value != ""}


def _stream_tracker(event: StoredEvent) -> Mapping[str, Any]:
    """The Stream Tracker's envelope; it leaves empty metadata out."""
    envelope = {
        "event_type": event.type,
        "monitor_id": event.name,
        "stream_url": event.source_url,
        "timestamp": event.occurred_at,
        "data": event.data,
    }
    return {**envelope, "metadata": event.metadata} if event.metadata else envelope


def _yt_tracker(event: StoredEvent) -> Mapping[str, Any]:
    """YT Tracker's flat body: four fields of a video; of any other event, which it did not have, the data as it is."""
    if event.type.startswith("video."):
        return {field: event.data.get(field) for field in _VIDEO_FIELDS}
    return event.data


_SHAPES: Mapping[Payload, Callable[[StoredEvent], Mapping[str, Any]]] = {
    "castwarden": _castwarden,
    "cloudevents": _cloudevents,
    "stream-tracker": _stream_tracker,
    "yt-tracker": _yt_tracker,
}
