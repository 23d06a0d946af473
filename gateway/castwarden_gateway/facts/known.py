# SPDX-License-Identifier: Apache-2.0
"""What is known of one resource, and what a report adds to it. `fold.py` works on it, `store.py` loads and saves it.

`status` is our part of the resource's status, ready to be applied; `private` is what only workers need (validators).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from castwarden_model.events import Event, Subject
from castwarden_model.messages import DownloadAttempt, OpenCondition, ResourceRef, VideoSeen
from castwarden_model.resources import Channel, DownloadJob, Monitor
from castwarden_model.resources.downloadjob import DownloadResult

DEGRADED = "Degraded"
OFF_SECONDS = 30.0
"""A worker's clock that is off by more dates its alerts wrongly, which is worth telling."""
BENEATH = "stream"
"""What a Monitor's stream was when it could still be looked at, while it cannot; in `private`."""
END_REASON = "end_reason"
"""What a stream that has ended was told to have ended by; in `private`."""
_LONGEST_MESSAGE = 4096  # characters; the Kubernetes API would refuse the whole status for more than 32768


@dataclass(slots=True)
class Known:
    """One resource's row."""

    ref: ResourceRef
    tenant_id: UUID
    epoch: int = 0
    seq: int = -1
    pod: str = ""
    status: dict[str, Any] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)
    open: dict[str, OpenCondition] = field(default_factory=dict)
    videos: dict[str, "KnownVideo"] = field(default_factory=dict)  # only those that the report names


@dataclass(frozen=True, slots=True)
class KnownVideo:
    """A video's row, as far as a feed can change it."""

    id: UUID
    title: str
    url: str
    description: str
    thumbnail_url: str | None
    published_at: datetime | None


@dataclass(slots=True)
class Added:
    """What has to be written for one report, beside the row of `Known` itself."""

    events: list[Event] = field(default_factory=list)
    videos: list[tuple[UUID, VideoSeen]] = field(default_factory=list)
    attempts: list[DownloadAttempt] = field(default_factory=list)
    result: DownloadResult | None = None


def subject_of(ref: ResourceRef) -> Subject:
    return Subject(kind=ref.kind, namespace=ref.namespace, name=ref.name, uid=ref.uid)


def source_url(resource: Monitor | Channel | DownloadJob) -> str:
    """What a resource watches, polls or fetches."""
    if isinstance(resource, Channel):
        source = resource.spec.source
        return source.feed_url or f"https://www.youtube.com/channel/{source.youtube_channel_id}"
    return resource.spec.source.page_url


def degrade(known: Known, reason: str | None, message: str, at: datetime, *, otherwise: str = "SourceHealthy") -> None:
    """Sets the condition Degraded: True with a reason, or False (for the reason `otherwise`) when there is none."""
    condition = {
        "type": DEGRADED,
        "status": "False" if reason is None else "True",
        "reason": reason or otherwise,
        "message": message[:_LONGEST_MESSAGE],
    }
    before: dict[str, Any] = next(iter(known.status.get("conditions", [])), {})
    same = before.get("status") == condition["status"]
    since = before["lastTransitionTime"] if same else stamp(at)
    known.status["conditions"] = [{**condition, "lastTransitionTime": since}]


def stamp(at: datetime) -> str:
    """metav1.Time: whole seconds in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"
