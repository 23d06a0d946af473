# SPDX-License-Identifier: Apache-2.0
"""The cached kinds and the paths to write them: the one object that subjects use to reach the Kubernetes API."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from castwarden_base.logs import get_logger
from castwarden_base.tasks import Supervisor
from castwarden_model.resources import API_VERSION, Channel, DownloadJob, Monitor, Resource
from pydantic import ValidationError

from castwarden_gateway.kube.cache import Cache, Object
from castwarden_gateway.kube.client import Kube, KubernetesUnavailable, Refused, path_of
from castwarden_gateway.kube.order import ByAge, Position
from castwarden_gateway.kube.watcher import Watcher

log = get_logger(__name__)
R = TypeVar("R", bound=Resource)
AnyResource = Monitor | Channel | DownloadJob
WORKER_PODS = "app.kubernetes.io/component=worker"


class Kind(Generic[R]):
    """One custom resource: typed reads from the cache, writes whose answers go back into it."""

    def __init__(self, model: type[R]) -> None:
        self.model = model
        self.cache = Cache(model.KIND)
        self._parsed: dict[str, tuple[str, R]] = {}  # uid -> (version, parsed)
        self._by_age = ByAge()
        self._kube: Kube | None = None
        self.cache.subscribe(self._forget)
        self.cache.subscribe(self._by_age.changed)

    def connect(self, kube: Kube) -> None:
        self._kube = kube

    def get(self, namespace: str, name: str) -> R | None:
        """The resource, unless it is being deleted or cannot be read (its definition is from another release)."""
        found = self.cache.get(namespace, name)
        return None if found is None else self.parse(found)

    def in_namespace(self, namespace: str) -> Iterable[R]:
        for found in self.cache.in_namespace(namespace):
            if (parsed := self.parse(found)) is not None:
                yield parsed

    def newest(self, namespace: str, before: Position | None) -> Iterator[R]:
        """Newest first, from behind `before`. To be read at once, before anything changes."""
        for name in self._by_age.names(namespace, before):
            if (found := self.get(namespace, name)) is not None:
                yield found

    def named(self, name: str) -> list[R]:
        """Every namespace's resource of this name."""
        return [parsed for found in self.cache if found["metadata"]["name"] == name and (parsed := self.parse(found))]

    def parse(self, found: Object) -> R | None:
        meta = found["metadata"]
        if meta.get("deletionTimestamp"):
            return None
        known = self._parsed.get(meta["uid"])
        if known is not None and known[0] == meta["resourceVersion"]:
            return known[1]
        try:
            parsed = self.model.model_validate(found)
        except ValidationError as error:
            log.warning("resource_unreadable", kind=self.model.KIND, name=meta["name"], reason=str(error))
            return None
        self._parsed[meta["uid"]] = (meta["resourceVersion"], parsed)
        return parsed

    async def fetch(self, namespace: str, name: str) -> R | None:
        """The resource as it is now, for whoever cannot trust the cache to have seen the newest."""
        try:
            found = await self._reach().get(path_of(self.model.PLURAL, namespace, name))
        except Refused as error:
            if error.code == 404:
                return None
            raise
        self.cache.put(found)
        return self.parse(found)

    async def create(self, namespace: str, name: str, spec: Object) -> R:
        body = {
            "apiVersion": API_VERSION,
            "kind": self.model.KIND,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
        return self._keep(await self._reach().apply(path_of(self.model.PLURAL, namespace, name), body))

    async def patch(self, resource: R, spec: Object, version: str | None = None) -> R:
        """Merge-patches `spec`. With `version`, only if nobody else has written since (Refused with 409 otherwise)."""
        meta = resource.metadata
        body: Object = {"metadata": {"uid": meta.uid}, "spec": spec}
        if version is not None:
            body["metadata"]["resourceVersion"] = version
        return self._keep(await self._reach().patch(path_of(self.model.PLURAL, meta.namespace, meta.name), body))

    def has(self, resource: R, spec: Object) -> bool:
        """Whether merge-patching `spec` would change nothing, as far as the cache knows."""
        meta = resource.metadata
        found = self.cache.get(meta.namespace, meta.name)
        return found is not None and _holds(found.get("spec", {}), spec)

    async def delete(self, resource: R, version: str | None = None) -> None:
        """With `version`, only if nobody has written since (Refused with 409 otherwise)."""
        meta = resource.metadata
        await self._reach().delete(path_of(self.model.PLURAL, meta.namespace, meta.name), meta.uid, version)
        self.cache.deleted_by_us({"metadata": {"uid": meta.uid, "namespace": meta.namespace, "name": meta.name}})

    async def refresh(self, namespace: str, name: str) -> None:
        """Takes the present object into the cache, for whoever cannot wait for the watch."""
        self.cache.put(await self._reach().get(path_of(self.model.PLURAL, namespace, name)))

    def _keep(self, answer: Object) -> R:
        self.cache.put(answer)
        return self.model.model_validate(answer)

    def _reach(self) -> Kube:
        if self._kube is None:
            raise KubernetesUnavailable("not connected yet")
        return self._kube

    def _forget(self, before: Object | None, after: Object | None) -> None:
        if before is not None and (after is None or before["metadata"]["uid"] != after["metadata"]["uid"]):
            self._parsed.pop(before["metadata"]["uid"], None)


def _holds(base: Object, patch: Object) -> bool:
    """Whether a merge patch (RFC 7396) has been applied already."""
    for key, value in patch.items():
        there = base.get(key)
        if isinstance(value, dict):
            if not isinstance(there, dict) or not _holds(there, value):
                return False
        elif there != value:
            return False
    return True


class Resources:
    """All that the gateway knows of the Kubernetes API."""

    def __init__(self) -> None:
        self.monitors = Kind(Monitor)
        self.channels = Kind(Channel)
        self.downloads = Kind(DownloadJob)
        self.kinds = (self.monitors, self.channels, self.downloads)
        self.pods = Cache("Pod")
        self.kube: Kube | None = None
        self._watchers: list[Watcher] = []
        self._synced = False
        self._by_name = {kind.model.KIND: kind for kind in self.kinds}

    def start(self, kube: Kube, namespaces: Iterable[str], tasks: Supervisor) -> None:
        """Connects and begins to watch."""
        self.kube = kube
        for kind in self.kinds:
            kind.connect(kube)
        for namespace in tuple(namespaces) or (None,):
            for kind in self.kinds:
                path = path_of(kind.model.PLURAL, namespace)
                self._watchers.append(Watcher(kube, kind.cache, path, namespace))
            pods = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
            self._watchers.append(Watcher(kube, self.pods, pods, namespace, WORKER_PODS))
        for watcher in self._watchers:
            tasks.start(f"watch {watcher.path}", watcher.run())

    @property
    def synced(self) -> bool:
        """Whether everything has been listed once."""
        if not self._synced:
            self._synced = bool(self._watchers) and all(watcher.synced.is_set() for watcher in self._watchers)
        return self._synced

    async def wait_synced(self) -> None:
        for watcher in self._watchers:
            await watcher.synced.wait()

    def require_synced(self) -> None:
        """Raises KubernetesUnavailable until then: what is not listed yet must not look deleted."""
        if not self.synced:
            raise KubernetesUnavailable("the resources are still being listed")

    def reach(self) -> Kube:
        if self.kube is None:
            raise KubernetesUnavailable("not connected yet")
        return self.kube

    def of(self, kind: str) -> Kind[Monitor] | Kind[Channel] | Kind[DownloadJob]:
        return self._by_name[kind]

    def get(self, kind: str, namespace: str, name: str) -> AnyResource | None:
        return self.of(kind).get(namespace, name)
