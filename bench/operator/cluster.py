# SPDX-License-Identifier: Apache-2.0
"""A client of the control plane that makes and counts thousands of objects. KUBECONFIG says which."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from castwarden_base.waiting import wait_until
from castwarden_model.crds import all_crds
from castwarden_operator.errors import ApiError
from castwarden_operator.kinds import JOB, POD, RESOURCES, Kind, Object
from castwarden_operator.kube import Api, connect
from castwarden_operator.metrics import Metrics
from prometheus_client import CollectorRegistry

MONITOR = next(kind for kind in RESOURCES if kind.name == "Monitor")
SIMULATED = {"key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule"}
"""What a Pod must bear to run on a simulated node."""
_AT_ONCE = 32


class Cluster:
    """Objects of one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    async def monitors(self, numbers: Iterable[int], **spec: Any) -> None:
        """Makes Monitors as fast as the API server takes them."""
        await self._each(MONITOR, [monitor(self.namespace, number, **spec) for number in numbers])

    async def jobs(self, numbers: Iterable[int]) -> None:
        await self._each(JOB, [job(self.namespace, number) for number in numbers])

    async def patch(self, number: int, spec: Object) -> None:
        path = MONITOR.path(self.namespace, f"m{number:05}")
        await self.api.request("PATCH", path, body={"spec": spec}, content_type="application/merge-patch+json")

    async def count(self, kind: Kind, selector: str = "") -> int:
        """How many there are, without reading them."""
        query = {"limit": "1", **({"labelSelector": selector} if selector else {})}
        page = await self.api.request("GET", kind.path(self.namespace), query)
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)

    async def pods(self, selector: str) -> int:
        """With a selector the API server does not count, so they are read."""
        return len((await self.api.list_all(POD, self.namespace, selector))[0])

    async def _each(self, kind: Kind, objects: list[Object]) -> None:
        waiting = iter(objects)

        async def make() -> None:
            for one in waiting:
                await self.api.create(kind, one)

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(make())


@asynccontextmanager
async def cluster(namespace: str) -> AsyncIterator[Cluster]:
    """A namespace of its own, which is deleted afterwards; the definitions of our kinds stay."""
    async with connect(Metrics(CollectorRegistry()), None) as api:
        for definition in all_crds():
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
            query = {"fieldManager": "bench", "force": "true"}
            await api.request("PATCH", path, query, definition, content_type="application/apply-patch+yaml")
        await api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}})
        found = Cluster(api, namespace)
        await wait_until(lambda: _served(found), 60)
        try:
            yield found
        finally:
            await api.request("DELETE", f"/api/v1/namespaces/{namespace}")


async def _served(found: Cluster) -> bool:
    """New kinds are there a moment after their definitions; a namespace's account is, too."""
    try:
        await found.count(MONITOR)
        await found.api.request("GET", f"/api/v1/namespaces/{found.namespace}/serviceaccounts/default")
    except ApiError:
        return False
    return True


def monitor(namespace: str, number: int, **spec: Any) -> Object:
    packed = spec.get("placement") == "Packed"
    return {
        "apiVersion": MONITOR.api_version,
        "kind": MONITOR.name,
        "metadata": {"name": f"m{number:05}", "namespace": namespace},
        "spec": {
            "source": {"url": f"https://cdn.example.com/{number}.m3u8"},
            **({} if packed else {"template": {"tolerations": [SIMULATED]}}),
            **spec,
        },
    }


def job(namespace: str, number: int) -> Object:
    """What the Job controller makes one Pod for, as large as a worker's."""
    container = {"name": "worker", "image": "localhost/worker:1", "args": ["monitor"]}
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.name,
        "metadata": {"name": f"j{number:05}", "namespace": namespace},
        "spec": {
            "template": {
                "metadata": {"labels": {"bench": "job"}},
                "spec": {"containers": [container], "restartPolicy": "Never", "tolerations": [SIMULATED]},
            }
        },
    }
