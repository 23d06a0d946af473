# SPDX-License-Identifier: Apache-2.0
"""What controllers and the Pod runner see of the stand-in: plain dicts in, plain dicts out, the same admission as HTTP.

    standin = Standin(database_url, data_dir); await standin.start(); api = standin.api     # an `Api`
    job = await api.create(JOBS, {"metadata": {"name": "x", "namespace": "n"}, "spec": {...}})
    pods = await api.list(PODS, "n", label_selector="batch.kubernetes.io/controller-uid=" + job["metadata"]["uid"])
    await api.patch(PODS, "x-1", {"status": {"phase": "Running"}}, "n", subresource="status")    # merge patch
    async for event in api.watch(PODS):         # ADDED for all that exist, then every change, for ever
        event.type, event.object                # "ADDED" | "MODIFIED" | "DELETED", dict

The kinds of refusal are classes of `errors.py` (NotFound, AlreadyExists, Conflict, Invalid, Expired …), all `ApiError`.
Every dict handed out is the caller's own copy. `apiVersion` and `kind` may be left out of what is handed in.

A watch started without `resource_version` never has to be started again by its reader: it lists, follows, survives a
PostgreSQL restart, and ends only when the stand-in stops (or the reader leaves). One that falls too far behind raises
`Expired`.

Pods: a Pod is "scheduled" by `api.bind`, which sets `spec.nodeName`. Deleting a bound Pod that still runs only sets
`metadata.deletionTimestamp`/`deletionGracePeriodSeconds`; the runner ends the process and then calls
`api.delete(PODS, name, namespace, grace_seconds=0, uid=uid)`, which removes the object. An unbound or finished Pod goes
at once. Owners' dependents are collected by the stand-in itself.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

Object = dict[str, Any]
PatchType = Literal["merge", "json", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]


class GVR(NamedTuple):
    """Group, version and plural of a resource; the group is empty for the core group."""

    group: str
    version: str
    plural: str


NAMESPACES = GVR("", "v1", "namespaces")
PODS = GVR("", "v1", "pods")
EVENTS = GVR("", "v1", "events")
CONFIG_MAPS = GVR("", "v1", "configmaps")
SECRETS = GVR("", "v1", "secrets")
SERVICE_ACCOUNTS = GVR("", "v1", "serviceaccounts")
PERSISTENT_VOLUME_CLAIMS = GVR("", "v1", "persistentvolumeclaims")
JOBS = GVR("batch", "v1", "jobs")
CRON_JOBS = GVR("batch", "v1", "cronjobs")
LEASES = GVR("coordination.k8s.io", "v1", "leases")
CUSTOM_RESOURCE_DEFINITIONS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change as a watcher sees it: an object that stops matching the watcher's selector is DELETED for it."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Object


@dataclass(frozen=True, slots=True)
class ObjectList:
    """Objects as of one moment; a watch from `resource_version` misses nothing that came after."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What `kubectl logs` asks for; `container` is empty when the Pod has only one."""

    namespace: str
    pod: str
    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    limit_bytes: int | None = None


LogSource = Callable[[LogRequest], AsyncIterator[bytes]]
"""Given to `Standin.serve_logs` by the Pod runner; may raise an `ApiError` before its first chunk."""


class Api(Protocol):
    """The object API. `namespace` is given for namespaced resources (or taken from the object), else left out."""

    async def get(self, gvr: GVR, name: str, namespace: str = "") -> Object:
        """Raises NotFound."""

    async def list(
        self, gvr: GVR, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> ObjectList:
        """All that match, of all namespaces when none is given."""

    def watch(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Without a `resource_version`: everything that exists as ADDED, then changes. Raises Expired (see above)."""

    async def create(self, gvr: GVR, obj: Object, namespace: str = "", *, manager: str = "") -> Object:
        """Raises AlreadyExists, Invalid, NotFound (no such namespace), Forbidden (namespace is terminating)."""

    async def update(self, gvr: GVR, obj: Object, *, manager: str = "", subresource: str = "") -> Object:
        """Replaces the object. With `metadata.resourceVersion` in it, raises Conflict when it has changed since."""

    async def update_status(self, gvr: GVR, obj: Object, *, manager: str = "") -> Object:
        """Replaces only `status`; otherwise as `update`."""

    async def patch(
        self,
        gvr: GVR,
        name: str,
        patch: Any,
        namespace: str = "",
        *,
        kind: PatchType = "merge",
        subresource: str = "",
        manager: str = "",
    ) -> Object:
        """A merge patch (dict), JSON patch (list) or strategic merge patch (dict). A no-op writes nothing."""

    async def apply(self, gvr: GVR, obj: Object, *, manager: str, force: bool = False, subresource: str = "") -> Object:
        """Server-side apply: creates or merges, and removes what `manager` applied before and no longer does."""

    async def delete(
        self,
        gvr: GVR,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> Object:
        """Deletes, or marks for deletion when finalizers or a grace period hold it. Raises NotFound, Conflict (uid)."""

    async def bind(self, namespace: str, name: str, node: str) -> Object:
        """Assigns a Pod to a node: sets `spec.nodeName` and the condition PodScheduled. Raises Conflict when bound."""


class TokenMint(Protocol):
    """`standin.mint_token`: makes ServiceAccount tokens as the API server's TokenRequest does."""

    def __call__(
        self,
        namespace: str,
        service_account: str,
        audiences: Sequence[str],
        expires_in: int,
        *,
        pod: Object | None = None,
    ) -> Awaitable[str]:
        """A JWT bound to `pod` (the Pod as a dict) when given. Raises NotFound without such a ServiceAccount."""
