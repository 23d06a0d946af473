# SPDX-License-Identifier: Apache-2.0
"""The kinds of objects that the operator reads and writes, where the API keeps them, how children name their owner."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from castwarden_model.resources import API_VERSION, KINDS

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

MANAGED_BY, COMPONENT = "app.kubernetes.io/managed-by", "app.kubernetes.io/component"
KIND_LABEL, NAME_LABEL, ROLE_LABEL = "castwarden.dev/kind", "castwarden.dev/name", "castwarden.dev/role"
POOL_LABEL, POOL_ROLE = "castwarden.dev/pool", "monitors"
POOL = "Pool"
"""No kind of the API: the key of the Packed Monitors that share Pods, and of those Pods."""
CHILD_LABELS = {MANAGED_BY: "castwarden", COMPONENT: "worker"}
CHILD_SELECTOR = ",".join(f"{key}={value}" for key, value in CHILD_LABELS.items())


class Ref(NamedTuple):
    """Which object: the key of queues and caches."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of namespaced object."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, or of one object, or of one object's subresource."""
        root = "/apis" if "/" in self.api_version else "/api"
        scope = ("namespaces", namespace) if namespace else ()
        return "/".join(part for part in (root, self.api_version, *scope, self.plural, name, subresource) if part)


POD = Kind("v1", "Pod", "pods")
JOB = Kind("batch/v1", "Job", "jobs")
CRON_JOB = Kind("batch/v1", "CronJob", "cronjobs")
EVENT = Kind("v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
RESOURCES = tuple(Kind(API_VERSION, model.KIND, model.PLURAL) for model in KINDS)
CHILDREN = (POD, JOB, CRON_JOB)
BY_NAME = {kind.name: kind for kind in (*RESOURCES, *CHILDREN)}


def ref_of(kind: Kind, obj: Object) -> Ref:
    """The object's own Ref."""
    return Ref(kind.name, obj["metadata"]["namespace"], obj["metadata"]["name"])


def owner_of(child: Object) -> Ref | None:
    """The resource (or the pool) that a child was made for, by its labels."""
    labels = child["metadata"].get("labels") or {}
    if labels.get(POOL_LABEL) and labels.get(ROLE_LABEL) == POOL_ROLE:
        return Ref(POOL, child["metadata"]["namespace"], labels[POOL_LABEL])
    kind, name = labels.get(KIND_LABEL), labels.get(NAME_LABEL)
    return Ref(kind, child["metadata"]["namespace"], name) if kind and name else None


def controller_uid(obj: Object) -> str | None:
    """The uid of the object's controlling owner, if it has one."""
    owners: Iterable[Object] = obj["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def kind_of(obj: Object) -> Kind:
    """The Kind of an object that carries `kind`, as everything we make does."""
    return BY_NAME[obj["kind"]]
