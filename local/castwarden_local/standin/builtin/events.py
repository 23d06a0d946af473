# SPDX-License-Identifier: Apache-2.0
"""Events in their two forms: kept as core/v1, served as events.k8s.io/v1 too."""

from dataclasses import dataclass

from castwarden_local.standin.errors import Cause
from castwarden_local.standin.interface import Object
from castwarden_local.standin.resources import Resource, Strategy
from castwarden_local.standin.validation.schema_checks import invalid

_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
_BACK = {core: new for new, core in _RENAMED.items()}


class EventStrategy(Strategy):
    """Events. They are kept until their namespace goes or they are a certain age; see `housekeeping.py`."""

    field_paths = (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    )

    def default(self, obj: Object) -> None:
        obj.setdefault("type", "Normal")

    def check(self, obj: Object) -> list[Cause]:
        path = "involvedObject" if "involvedObject" in obj else "regarding"
        about = (obj.get(path) or {}).get("namespace") or "default"
        if about != obj["metadata"]["namespace"]:
            return [invalid(f"{path}.namespace", about, "does not match event.namespace")]
        return []

    def fields(self, obj: Object) -> dict[str, str]:
        return super().fields(obj) | {"source": (obj.get("source") or {}).get("component", "")}


@dataclass(frozen=True, slots=True)
class EventsV1Resource(Resource):
    """events.k8s.io/v1: the same objects under other field names."""

    @property
    def storage(self) -> str:
        return "events"

    @property
    def storage_api_version(self) -> str:
        return "v1"

    def to_storage(self, obj: Object) -> Object:
        return {_RENAMED.get(key, key): value for key, value in obj.items()} | {"apiVersion": "v1"}

    def from_storage(self, obj: Object) -> Object:
        return {_BACK.get(key, key): value for key, value in obj.items()} | {"apiVersion": self.api_version}
