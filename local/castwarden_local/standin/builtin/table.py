# SPDX-License-Identifier: Apache-2.0
"""The table of all built-in resources: names, schema, strategy, and the columns that kubectl shows."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from castwarden_local.standin.builtin.batch import CronJobStrategy, JobStrategy
from castwarden_local.standin.builtin.crds import DefinitionStrategy
from castwarden_local.standin.builtin.events import EventStrategy, EventsV1Resource
from castwarden_local.standin.builtin.pods import PodStrategy
from castwarden_local.standin.builtin.small_kinds import (
    ClaimStrategy,
    ConfigMapStrategy,
    LeaseStrategy,
    NamespaceStrategy,
    SecretStrategy,
    ServiceAccountStrategy,
)
from castwarden_local.standin.interface import (
    CONFIG_MAPS,
    CRON_JOBS,
    CUSTOM_RESOURCE_DEFINITIONS,
    EVENTS,
    GVR,
    JOBS,
    LEASES,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from castwarden_local.standin.resources import ALL_VERBS, Column, Resource, Strategy
from castwarden_local.standin.validation.schema import compile_schema

_MODELS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("models.json").read_text("utf-8"))
_AGES = ("Age", "Last Seen", "Created At")
_AGE = Column("Age", "string", ".metadata.creationTimestamp", format="age")
_NAME = Column("Name", "string", ".metadata.name", format="name")


@cache
def model_schema(name: str) -> dict[str, Any]:
    """A built-in kind as one OpenAPI schema without references."""
    resolved: dict[str, Any] = _resolved(_MODELS[name])
    return resolved


def _resolved(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_resolved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        around = {key: value for key, value in schema.items() if key != "$ref"}
        return _resolved(_MODELS[schema["$ref"]]) | around
    return {key: _resolved(value) for key, value in schema.items()}


@dataclass(frozen=True, slots=True)
class _Kind:
    """One line of the table. `columns`: `Name | type | path` per line; a plus marks wide ones, `format!` computes."""

    gvr: GVR
    kind: str
    model: str
    strategy: Strategy
    columns: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: tuple[str, ...] = ALL_VERBS
    make: type[Resource] = Resource

    def resource(self) -> Resource:
        raw = model_schema(self.model)
        return self.make(
            gvr=self.gvr,
            kind=self.kind,
            singular=self.kind.lower(),
            namespaced=self.namespaced,
            schema=compile_schema(raw),
            raw_schema=raw,
            strategy=self.strategy,
            short_names=self.short_names,
            categories=self.categories,
            verbs=self.verbs,
            columns=_columns(self.columns),
            has_status="status" in raw["properties"],
            list_kind=f"{self.kind}List",
        )


def _columns(text: str) -> tuple[Column, ...]:
    found = []
    for line in text.strip().splitlines():
        name, kind, path = (part.strip() for part in line.split("|"))
        format_, _, path = path.rpartition("!")
        found.append(Column(name.removesuffix("+"), kind, path, 1 if name.endswith("+") else 0, format_))
    named = [] if any(column.name == "Name" for column in found) else [_NAME]
    aged = [] if any(column.name in _AGES for column in found) else [_AGE]
    return (*named, *found, *aged)


def built_in_resources() -> list[Resource]:
    """Every built-in resource that holds objects."""
    return [kind.resource() for kind in _KINDS]


_EVENT_COLUMNS = """
    Last Seen | string | last-seen!
    Type | string | .type
    Reason | string | .reason
    Object | string | event-object!
    Source+ | string | event-source!
    Message | string | {}
    Name+ | string | .metadata.name"""
_KINDS = (
    _Kind(
        NAMESPACES,
        "Namespace",
        "V1Namespace",
        NamespaceStrategy(),
        "Status | string | .status.phase",
        short_names=("ns",),
        namespaced=False,
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    ),
    _Kind(
        PODS,
        "Pod",
        "V1Pod",
        PodStrategy(),
        """
        Ready | string | pod-ready!
        Status | string | pod-status!
        Restarts | string | pod-restarts!
        Age | string | age!.metadata.creationTimestamp
        IP+ | string | or-none!.status.podIP
        Node+ | string | or-none!.spec.nodeName""",
        short_names=("po",),
        categories=("all",),
    ),
    _Kind(EVENTS, "Event", "CoreV1Event", EventStrategy(), _EVENT_COLUMNS.format(".message"), short_names=("ev",)),
    _Kind(
        GVR("events.k8s.io", "v1", "events"),
        "Event",
        "EventsV1Event",
        EventStrategy(),
        _EVENT_COLUMNS.format(".note"),
        short_names=("ev",),
        make=EventsV1Resource,
    ),
    _Kind(
        CONFIG_MAPS,
        "ConfigMap",
        "V1ConfigMap",
        ConfigMapStrategy(),
        "Data | string | count!.data",
        short_names=("cm",),
    ),
    _Kind(
        SECRETS,
        "Secret",
        "V1Secret",
        SecretStrategy(),
        """
        Type | string | .type
        Data | string | count!.data""",
    ),
    _Kind(
        SERVICE_ACCOUNTS,
        "ServiceAccount",
        "V1ServiceAccount",
        ServiceAccountStrategy(),
        "Secrets | string | count!.secrets",
        short_names=("sa",),
    ),
    _Kind(
        PERSISTENT_VOLUME_CLAIMS,
        "PersistentVolumeClaim",
        "V1PersistentVolumeClaim",
        ClaimStrategy(),
        """
        Status | string | .status.phase
        Volume | string | .spec.volumeName
        Capacity | string | .status.capacity.storage""",
        short_names=("pvc",),
    ),
    _Kind(
        JOBS,
        "Job",
        "V1Job",
        JobStrategy(),
        """
        Status | string | job-status!
        Completions | string | job-completions!
        Duration | string | job-duration!""",
        categories=("all",),
    ),
    _Kind(
        CRON_JOBS,
        "CronJob",
        "V1CronJob",
        CronJobStrategy(),
        """
        Schedule | string | .spec.schedule
        TimeZone | string | or-none!.spec.timeZone
        Suspend | boolean | .spec.suspend
        Active | integer | count!.status.active
        Last Schedule | string | age!.status.lastScheduleTime""",
        short_names=("cj",),
        categories=("all",),
    ),
    _Kind(
        LEASES,
        "Lease",
        "V1Lease",
        LeaseStrategy(),
        "Holder | string | .spec.holderIdentity",
    ),
    _Kind(
        CUSTOM_RESOURCE_DEFINITIONS,
        "CustomResourceDefinition",
        "V1CustomResourceDefinition",
        DefinitionStrategy(),
        "Created At | string | .metadata.creationTimestamp",
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        namespaced=False,
    ),
)
