# SPDX-License-Identifier: Apache-2.0
"""The gate of the internal listener: a worker's projected token, bound to its Pod and through it to one resource."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from castwarden_model.messages import AUDIENCE, INTERNAL_KEY_HEADER, ResourceRef

from castwarden_gateway.http.problems import Forbidden, Unauthorized
from castwarden_gateway.internal.seats import Seating
from castwarden_gateway.kube.cache import Object
from castwarden_gateway.kube.client import KubernetesUnavailable, Refused
from castwarden_gateway.kube.resources import Resources

_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_SERVICE_ACCOUNT = "system:serviceaccount:"
_SHARED_ROLE = "monitors"
_TRUST_SECONDS = 60.0
_DISTRUST_SECONDS = 5.0
_MANY = 20_000


@dataclass(frozen=True, slots=True)
class Worker:
    """Who calls: a Pod that works for one resource, or for all that have a seat in it (`shared`), or (`pod` is empty)
    the holder of the internal key."""

    seating: Seating
    pod: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    shared: bool = False

    def require(self, ref: ResourceRef) -> None:
        """Raises Forbidden for what can never be its own, FencedOff or Unavailable for what is not at the moment."""
        if not self.pod:
            return
        if self.shared and ref.namespace != self.namespace:
            raise Forbidden(f"This Pod works in namespace {self.namespace}.")
        if not self.shared and (self.kind, self.namespace, self.name) != (ref.kind, ref.namespace, ref.name):
            raise Forbidden(f"This Pod works for {self.kind} {self.name}.")
        self.seating.require(ref, self.pod, shared=self.shared)


@dataclass(frozen=True, slots=True)
class _Reviewed:
    """A TokenReview's outcome: the Pod that the token is bound to, or None when it was not accepted."""

    pod: tuple[str, str, str] | None  # namespace, name, uid
    until: float
    expires: float  # of the token itself, on the wall clock


class WorkerGate:
    """`await gate(request, scope)` gives the worker or raises the problem to answer with."""

    def __init__(
        self,
        resources: Resources,
        seating: Seating,
        internal_key: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resources = resources
        self._seating = seating
        self._internal_key = internal_key
        self._clock = clock
        self._reviewed: dict[bytes, _Reviewed] = {}

    async def __call__(self, request: web.Request, scope: str | None) -> Worker:
        key = request.headers.get(INTERNAL_KEY_HEADER)
        if key is not None:
            if self._internal_key and hmac.compare_digest(_bytes(key), _bytes(self._internal_key)):
                return Worker(self._seating)
            raise Unauthorized("The internal API key is wrong, or none is set.")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("Send the Pod's projected token as Authorization: Bearer.")
        reviewed = await self._review(token.strip())
        if reviewed.pod is None:
            raise Unauthorized("The token is not valid for this audience, or not bound to a Pod.")
        return await self._worker(*reviewed.pod)

    async def _review(self, token: str) -> _Reviewed:
        digest, now = hashlib.sha256(_bytes(token)).digest(), self._clock()
        known = self._reviewed.get(digest)
        if known is not None and known.until > now:
            return known
        try:
            status = await self._resources.reach().review_token(token)
        except KubernetesUnavailable:
            if known is not None and known.pod is not None and known.expires > time.time():
                return known  # the control plane is away: what it vouched for holds until the token expires
            raise
        pod = _bound_pod(status)
        if len(self._reviewed) >= _MANY:
            self._reviewed = {key: one for key, one in self._reviewed.items() if one.until > now}
        until = now + (_TRUST_SECONDS if pod else _DISTRUST_SECONDS)
        found = self._reviewed[digest] = _Reviewed(pod, until, _expiry(token))
        return found

    async def _worker(self, namespace: str, name: str, uid: str) -> Worker:
        pod = self._resources.pods.get(namespace, name)
        if pod is None or pod["metadata"]["uid"] != uid:
            pod = await self._look_up(namespace, name)
        if pod is None or pod["metadata"]["uid"] != uid:
            raise Unauthorized("The Pod of this token is gone.")
        labels = pod["metadata"].get("labels") or {}
        if labels.get("castwarden.dev/role") == _SHARED_ROLE:
            return Worker(self._seating, name, namespace=namespace, shared=True)
        kind, of = labels.get("castwarden.dev/kind", ""), labels.get("castwarden.dev/name", "")
        return Worker(self._seating, name, kind, namespace, of)

    async def _look_up(self, namespace: str, name: str) -> Object | None:
        """A Pod that the watch has not told of yet."""
        try:
            return await self._resources.reach().get(f"/api/v1/namespaces/{namespace}/pods/{name}")
        except Refused:
            return None


def _bytes(header: str) -> bytes:
    return header.encode(errors="surrogateescape")  # as they came: they need not be UTF-8


def _bound_pod(status: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if not status.get("authenticated") or AUDIENCE not in status.get("audiences", []):
        return None
    user = status.get("user", {})
    name, extra = str(user.get("username", "")), user.get("extra") or {}
    if not name.startswith(_SERVICE_ACCOUNT) or not extra.get(_POD_NAME) or not extra.get(_POD_UID):
        return None
    return name.removeprefix(_SERVICE_ACCOUNT).partition(":")[0], extra[_POD_NAME][0], extra[_POD_UID][0]


def _expiry(token: str) -> float:
    """`exp` of a token whose signature somebody else has checked; 0 when it names none."""
    try:
        payload = token.split(".")[1]
        return float(orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return 0.0
