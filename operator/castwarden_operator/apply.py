# SPDX-License-Identifier: Apache-2.0
"""Carries plans out: the one place that writes children, `status` and Kubernetes Events."""

import secrets
from datetime import UTC, datetime

from castwarden_base.logs import get_logger

from .cache import Cache
from .errors import ApiError, NameTakenError, RetryError
from .kinds import EVENT, KIND_LABEL, NAME_LABEL, POD, POOL_LABEL, Kind, Object, controller_uid, kind_of, ref_of
from .kube import FIELD_MANAGER, Api
from .reconcile.plan import Action, Apply, Create, Delete, Is
from .reconcile.worker import hash_of

log = get_logger(__name__)

_REMEMBERED_REPAIRS = 1000


class Applier:
    """Writes by server-side apply and takes the answers into the cache, so that the next look sees them."""

    def __init__(self, api: Api, cache: Cache, instance: str) -> None:
        self._api = api
        self._cache = cache
        self._instance = instance
        self._repaired: dict[str, tuple[str, str]] = {}  # uid: what was applied, and the version that it left

    async def act(self, action: Action) -> None:
        """Carry out one action. Raises ApiError, NameTakenError or RetryError."""
        match action:
            case Create(manifest):
                await self._create(manifest)
                log.info("child_created", child=manifest["kind"], resource=_where(manifest))
            case Apply(manifest):
                log.info("child_applied", child=manifest["kind"], resource=_where(manifest))
                answer = await self._apply(manifest)
                self._remember(manifest, answer)
            case Delete(obj, grace_seconds):
                log.info("child_deleted", child=obj["kind"], resource=_where(obj))
                await self._delete(kind_of(obj), obj, grace_seconds)

    def is_futile(self, action: Action) -> bool:
        """Whether this very repair was made before and the object did not change since: something else undoes it."""
        if not isinstance(action, Apply):
            return False
        observed = self._cache.get(ref_of(kind_of(action.manifest), action.manifest))
        if observed is None:
            return False
        metadata = observed["metadata"]
        return self._repaired.get(metadata["uid"]) == (hash_of(action.manifest), metadata["resourceVersion"])

    async def write_status(self, kind: Kind, resource: Object, status: Object) -> None:
        """Apply our part of `status` to this very resource."""
        metadata = {key: resource["metadata"][key] for key in ("name", "namespace", "uid")}
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "status": status}
        self._cache.put(kind, await self._api.apply(kind, body, subresource="status"))

    async def tell(self, kind: Kind, resource: Object, turned: Is) -> None:
        """Make a Kubernetes Event. Best effort: the condition says the same."""
        metadata = resource["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {
                "name": f"{metadata['name'][:220]}.{secrets.token_hex(8)}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "apiVersion": kind.api_version,
                "kind": kind.name,
                **{key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
            },
            "reason": turned.reason,
            "message": turned.message[:1000],
            "type": "Warning" if turned.warning else "Normal",
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._api.create(EVENT, event)
        except ApiError as error:
            log.warning("event_not_made", resource=_where(resource), reason=turned.reason, error=str(error))

    async def _create(self, manifest: Object) -> None:
        """A Pod in one request, where nobody has its name: there are thousands. Little of it is ever applied again."""
        kind = kind_of(manifest)
        if kind == POD:
            try:
                self._cache.put(kind, await self._api.create(kind, manifest))
            except ApiError as error:
                if error.status != 409:
                    raise
            else:
                return
        await self._check_name(manifest)
        await self._apply(manifest)

    async def _check_name(self, manifest: Object) -> None:
        """Server-side apply would take over whatever has the name, so look first."""
        kind, metadata = kind_of(manifest), manifest["metadata"]
        existing = await self._api.get(kind, metadata["namespace"], metadata["name"])
        if existing is None:
            return
        if existing["metadata"].get("deletionTimestamp"):
            raise RetryError(f"{kind.name} {metadata['name']} is still ending")
        if not _is_ours(existing, manifest):
            raise NameTakenError(f"a {kind.name} named {metadata['name']} exists that is not ours; rename or delete it")

    async def _apply(self, manifest: Object) -> Object:
        kind = kind_of(manifest)
        answer = await self._api.apply(kind, manifest)
        self._cache.put(kind, answer)
        return answer

    def _remember(self, manifest: Object, answer: Object) -> None:
        if len(self._repaired) >= _REMEMBERED_REPAIRS:
            self._repaired.clear()
        self._repaired[answer["metadata"]["uid"]] = (hash_of(manifest), answer["metadata"]["resourceVersion"])

    async def _delete(self, kind: Kind, obj: Object, grace_seconds: int | None) -> None:
        answer = await self._api.delete(kind, obj, grace_seconds)
        if answer is None or answer.get("kind") == "Status":  # gone already, or gone now
            self._cache.drop(kind, obj)
        else:  # on its way
            self._cache.put(kind, answer)


def _is_ours(existing: Object, manifest: Object) -> bool:
    """Whether we made it, for the same owner. A shared Pod has none."""
    owner, wanted_owner = controller_uid(existing), controller_uid(manifest)
    if owner is not None:
        return owner == wanted_owner
    labels, wanted = existing["metadata"].get("labels") or {}, manifest["metadata"]["labels"]
    return all(labels.get(key) == wanted[key] for key in (KIND_LABEL, NAME_LABEL, POOL_LABEL) if key in wanted)


def _where(obj: Object) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
