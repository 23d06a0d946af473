# SPDX-License-Identifier: Apache-2.0
"""What a worker is to do, and what is known of its resource. Waits for changes without asking anyone."""

import asyncio

from castwarden_model.messages import (
    Assignment,
    ChannelAssignment,
    DownloadAssignment,
    FeedValidators,
    MonitorAssignment,
    ResourceRef,
)
from castwarden_model.resources import Channel, Monitor, StreamState
from castwarden_model.resources.downloadjob import DownloadResult
from castwarden_model.resources.monitor import Statistics

from castwarden_gateway.db import Database
from castwarden_gateway.facts import store
from castwarden_gateway.facts.errors import Fenced
from castwarden_gateway.facts.known import BENEATH, END_REASON, Known
from castwarden_gateway.http.problems import NotFound, Unavailable
from castwarden_gateway.kube.client import Refused, path_of
from castwarden_gateway.kube.resources import AnyResource, Resources
from castwarden_gateway.tenants.bootstrap import Tenants


class Gone(NotFound):
    code, title = "gone", "The resource is not there, or no longer under this uid"


class Assignments:
    """Resources by reference, and their assignments."""

    def __init__(self, database: Database, resources: Resources, tenants: Tenants) -> None:
        self._db = database
        self._resources = resources
        self._tenants = tenants
        self._draining = False

    def drain(self) -> None:
        """Ends every wait: the workers ask another replica, or come back."""
        self._draining = True
        for kind in self._resources.kinds:
            kind.cache.wake_all()

    async def resource(self, ref: ResourceRef) -> AnyResource:
        """The resource under this uid. Raises Gone, after asking the API when the cache does not know it."""
        if not self._resources.synced:
            raise Unavailable("The resources are still being listed.", retry_after_seconds=1)
        found = self._resources.get(ref.kind, ref.namespace, ref.name)
        if found is None or found.metadata.uid != ref.uid:
            found = await self._look_up(ref)
        if found is None or found.metadata.uid != ref.uid:
            raise Gone(f"{ref.kind} {ref.namespace}/{ref.name} is not there under uid {ref.uid}.")
        return found

    async def next(self, ref: ResourceRef, pod: str, version: str | None, wait: float) -> Assignment | None:
        """The assignment once it differs from `version`; None when `wait` seconds have passed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        resource = await self.resource(ref)
        while _version(resource) == version:
            left = deadline - loop.time()
            cache = self._resources.of(ref.kind).cache
            if left <= 0 or self._draining or not await cache.changed(ref.namespace, ref.name, left):
                return None
            resource = await self.resource(ref)
        return _assignment(resource, await self._known(ref, pod, begins=version is None))

    async def began_last(self, ref: ResourceRef, pod: str) -> bool:
        """Whether nobody has begun after this Pod: then its last words are still welcome, though it must end."""
        known = await self._db.retry(lambda connection: store.read(connection, [ref.uid]))
        return ref.uid in known and known[ref.uid].pod == pod

    async def _known(self, ref: ResourceRef, pod: str, begins: bool) -> Known:
        """What is known. A worker that begins starts the next epoch, which ends those before it."""
        if begins:
            return await store.next_epoch(self._db, self._tenants, ref, pod)
        known = await store.current(self._db, self._tenants, ref, pod)
        if pod and known.pod != pod:
            raise Fenced(f"{known.pod} works for this resource now")
        return known

    async def _look_up(self, ref: ResourceRef) -> AnyResource | None:
        kind = self._resources.of(ref.kind)
        try:
            path = path_of(kind.model.PLURAL, ref.namespace, ref.name)
            found = await self._resources.reach().get(path)
        except Refused:
            return None
        kind.cache.put(found)
        return self._resources.get(ref.kind, ref.namespace, ref.name)


def _version(resource: AnyResource) -> str:
    return str(resource.metadata.generation)


def _stream(known: Known) -> StreamState:
    """Whoever begins while the source cannot be looked at goes on with what the stream was before that."""
    state = StreamState(known.status.get("stream", {}).get("state", StreamState.UNKNOWN))
    blocked = state is StreamState.PROBE_BLOCKED
    return StreamState(known.private.get(BENEATH, StreamState.UNKNOWN)) if blocked else state


def _assignment(resource: AnyResource, known: Known) -> Assignment:
    version, status = _version(resource), known.status
    if isinstance(resource, Monitor):
        return MonitorAssignment(
            resource=known.ref,
            version=version,
            epoch=known.epoch,
            spec=resource.spec,
            stream=_stream(known),
            end_reason=known.private.get(END_REASON),
            open=list(known.open.values()),
            statistics=Statistics.model_validate(status.get("statistics", {})),
        )
    if isinstance(resource, Channel):
        return ChannelAssignment(
            resource=known.ref,
            version=version,
            epoch=known.epoch,
            spec=resource.spec,
            validators=FeedValidators.model_validate(known.private.get("validators", {})),
        )
    return DownloadAssignment(
        resource=known.ref,
        version=version,
        epoch=known.epoch,
        spec=resource.spec,
        result=DownloadResult.model_validate(status["result"]) if "result" in status else None,
    )
