# SPDX-License-Identifier: Apache-2.0
"""The Lease in the API, as `election.py` wants it."""

from .election import Lease
from .kinds import LEASE
from .kube import Api


class ApiLease:
    """One Lease. Its requests take no tokens: a busy leader must still be able to renew."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name

    async def read(self) -> Lease | None:
        return await self._api.get(LEASE, self._namespace, self._name)

    async def create(self, spec: Lease) -> Lease:
        metadata = {"name": self._name, "namespace": self._namespace}
        lease = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
        return await self._api.create(LEASE, lease)

    async def replace(self, lease: Lease) -> Lease:
        return await self._api.replace(LEASE, lease)
