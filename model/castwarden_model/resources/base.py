# SPDX-License-Identifier: Apache-2.0
"""What the three kinds share: camelCase on the outside, metadata, conditions, the Pod template."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from castwarden_model.forms import form_schema, of_form

GROUP = "castwarden.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "castwarden"


def _few(value: object) -> object:
    """Before the values are looked at, of which there may be too many for that."""
    if isinstance(value, dict) and len(value) > 32:
        raise ValueError("there can be at most 32 keys")
    return value


_URL = r"^https?://[^\s/\x00-\x1f\x7f]+[^\x00-\x1f\x7f]*$", "must be an http or https URL"
Url = Annotated[str, Field(max_length=2048), of_form(*_URL), WithJsonSchema(form_schema(*_URL, 2048))]
YoutubeVideoId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{11}$", max_length=11)]
MetadataValue = Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
Metadata = Annotated[dict[str, MetadataValue], Field(max_length=32), BeforeValidator(_few)]
Quantity = Annotated[
    int | str,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
]
FreeObject = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]


class Spec(BaseModel):
    """A part of a resource that people write: unknown fields are refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class OneOf(Spec):
    """A choice: exactly one field is set. The rule `exactly_one_of` tells the API server the same."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        fields = type(self).model_fields
        if sum(getattr(self, name) is not None for name in fields) != 1:
            raise ValueError(f"exactly one of {', '.join(map(to_camel, fields))} must be set")
        return self


class Seen(BaseModel):
    """A part of a resource that we write: unknown fields, left by a newer release, are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class ObjectMeta(BaseModel):
    """The part of Kubernetes' ObjectMeta that our code reads; the rest is kept."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Condition(Seen):
    """metav1.Condition."""

    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(max_length=1024)] = ""
    message: Annotated[str, Field(max_length=32768)] = ""
    last_transition_time: datetime
    observed_generation: Annotated[int, Field(ge=0)] | None = None


Conditions = Annotated[
    list[Condition],
    Field(
        description="Current state as metav1 conditions, one per type.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]


class LastEvent(Seen):
    """The newest event of a resource."""

    type: str
    at: datetime


class ResourceRequirements(Spec):
    """CPU and memory of the worker container."""

    requests: dict[str, Quantity] = Field(default={}, description="Smallest amounts, e.g. cpu: 100m.")
    limits: dict[str, Quantity] = Field(default={}, description="Largest amounts, e.g. memory: 256Mi.")


class EnvVar(Spec):
    """A variable of the worker's environment."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    value: Annotated[str, Field(max_length=32768)] = ""


class Toleration(Spec):
    """Kubernetes' Toleration."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class WorkerTemplate(Spec):
    """What may be chosen about the worker's Pod. A change rolls it."""

    labels: dict[str, str] = Field(default={}, description="Labels added to the Pod.")
    annotations: dict[str, str] = Field(default={}, description="Annotations added to the Pod.")
    resources: ResourceRequirements = Field(
        default_factory=ResourceRequirements, description="CPU and memory; unset parts take the operator's defaults."
    )
    node_selector: dict[str, str] = Field(default={}, description="Labels a node must have.")
    tolerations: Annotated[list[Toleration], Field(max_length=32)] = Field(default=[], description="Taints to bear.")
    affinity: FreeObject | None = Field(default=None, description="Kubernetes' Affinity.")
    env: Annotated[list[EnvVar], Field(max_length=64)] = Field(default=[], description="Variables, e.g. a proxy.")
    priority_class_name: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="PriorityClass of the Pod."
    )


class Resource(BaseModel):
    """One custom resource as the API server stores it. `kind`, `plural` and the rest describe its definition."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    KIND: ClassVar[str]
    PLURAL: ClassVar[str]
    SHORT_NAME: ClassVar[str]
    COLUMNS: ClassVar[tuple["Column", ...]]

    api_version: str = API_VERSION
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)


class Column(BaseModel):
    """A column of `kubectl get`; priority 1 shows with `-o wide` only."""

    name: str
    json_path: str
    type: Literal["string", "integer", "number", "date", "boolean"] = "string"
    priority: int = 0


def condition_column(type_: str, name: str | None = None, field: str = "status", priority: int = 0) -> Column:
    """A column that shows one field of one condition."""
    return Column(name=name or type_, json_path=f'.status.conditions[?(@.type=="{type_}")].{field}', priority=priority)


AGE = Column(name="Age", json_path=".metadata.creationTimestamp", type="date")


def exactly_one_of(*fields: str) -> dict[str, Any]:
    """The CEL rule, for `json_schema_extra`, that exactly one of these camelCase fields is set."""
    count = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    return rule(f"{count} == 1", f"exactly one of {', '.join(fields)} must be set")


def rule(expression: str, message: str) -> dict[str, Any]:
    """One CEL rule for `json_schema_extra`."""
    return {"x-kubernetes-validations": [{"rule": expression, "message": message}]}
