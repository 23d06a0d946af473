# SPDX-License-Identifier: Apache-2.0
"""The rules of downloads: off until switched on, one at a time per source and container."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from castwarden_base.http import BlockedAddress, InvalidUrl, check_url
from castwarden_base.settings import Network
from castwarden_model.resources import DownloadJob

from castwarden_gateway.downloads.answers import DownloadView
from castwarden_gateway.downloads.bodies import FIELDS, DownloadCreate, DownloadPatch, DownloadQuery, Status
from castwarden_gateway.http.cursors import decode
from castwarden_gateway.http.etags import IfMatch
from castwarden_gateway.http.operations import Operation
from castwarden_gateway.http.problems import FieldError, Forbidden, InvalidRequest, NotFound, Problem
from castwarden_gateway.kube.changes import change, remove
from castwarden_gateway.kube.errors import refusals_as_problems
from castwarden_gateway.kube.order import read_position
from castwarden_gateway.kube.resources import Resources
from castwarden_gateway.kube.status import StatusWriter
from castwarden_gateway.tenants.principal import Tenant

_STATUS: dict[str, Status] = {
    "Pending": "pending",
    "Running": "processing",
    "Complete": "completed",
    "Failed": "failed",
}
_STANDING = ("pending", "processing", "completed")


class DownloadsDisabled(Forbidden):
    code, title = "downloads-disabled", "Downloads are switched off on this installation"


class TooManyDownloads(Problem):
    status, code, title = 429, "max-downloads-exceeded", "The tenant has as many unfinished downloads as it may have"


class Downloads:
    """What the API can do with the downloads of one tenant. Raises Problems."""

    def __init__(
        self, resources: Resources, statuses: StatusWriter, allow: Iterable[Network], most: int | None
    ) -> None:
        """`most` unfinished downloads may a tenant have; None: downloads are switched off."""
        self._resources = resources
        self._kind = resources.downloads
        self._statuses = statuses
        self._allow = tuple(allow)
        self._most = most
        self._creating: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create(self, tenant: Tenant, body: DownloadCreate, operation: Operation) -> tuple[DownloadJob, bool]:
        """The download, and whether it is new: what is there or on its way in this container is not fetched again."""
        if self._most is None:
            raise DownloadsDisabled(
                "Set DOWNLOADS_ENABLED=true (castwarden up --downloads)"
                " after reading the terms of the sites you fetch from."
            )
        self._check_url(body)
        self._resources.require_synced()
        name = f"dl-{operation.id}"
        async with self._creating[tenant.id]:
            made = await self._kind.fetch(tenant.namespace, name) if operation.resumed else None
            if made is not None:
                return made, True
            if (same := self._same(tenant, body)) is not None:
                return same, False
            if self._unfinished(tenant) >= self._most:
                raise TooManyDownloads(f"At most {self._most}.")
            return await refusals_as_problems(self._kind.create(tenant.namespace, name, body.spec()), FIELDS), True

    def get(self, tenant: Tenant, name: str) -> DownloadJob:
        self._resources.require_synced()
        found = self._kind.get(tenant.namespace, name)
        if found is None:
            raise NotFound(f"There is no download {name}.")
        return found

    def page(self, tenant: Tenant, query: DownloadQuery) -> list[DownloadJob]:
        """Those that match, newest first: one more than the page shows, if there is one."""
        self._resources.require_synced()
        newest = self._kind.newest(tenant.namespace, decode(query.cursor, read_position))
        found = (one for one in newest if query.status in (None, status_of(one, self._status(one))))
        return list(islice(found, query.limit + 1))

    async def update(
        self, tenant: Tenant, name: str, body: DownloadPatch, if_match: IfMatch, operation: Operation
    ) -> DownloadJob:
        find = partial(self.get, tenant, name)
        return await change(self._kind, find, {"suspend": body.suspend}, FIELDS, if_match, operation)

    async def delete(self, tenant: Tenant, name: str, if_match: IfMatch, operation: Operation) -> None:
        await remove(self._kind, partial(self.get, tenant, name), FIELDS, if_match, operation)

    def view(self, job: DownloadJob) -> DownloadView:
        return view(job, self._status(job))

    def _same(self, tenant: Tenant, body: DownloadCreate) -> DownloadJob | None:
        wanted, container = body.source(), body.container_policy or "original"
        for job in self._kind.in_namespace(tenant.namespace):
            source = job.spec.source.model_dump(by_alias=True, exclude_none=True)
            same = source == wanted and job.spec.container == container
            if same and status_of(job, self._status(job)) in _STANDING:
                return job
        return None

    def _unfinished(self, tenant: Tenant) -> int:
        jobs = self._kind.in_namespace(tenant.namespace)
        return sum(status_of(job, self._status(job)) not in ("completed", "failed") for job in jobs)

    def _status(self, job: DownloadJob) -> Mapping[str, Any]:
        meta = job.metadata
        return self._statuses.current(job.kind, meta.namespace, meta.name, meta.uid)

    def _check_url(self, body: DownloadCreate) -> None:
        url = body.source().get("url")
        if url is None:
            return
        try:
            check_url(url, self._allow)
        except (InvalidUrl, BlockedAddress) as error:
            refused = FieldError(str(error), pointer="/url" if body.url else "/entity_id")
            raise InvalidRequest("The URL cannot be fetched; see errors.", errors=[refused]) from error


def status_of(job: DownloadJob, status: Mapping[str, Any]) -> Status:
    """yt-videos-api's word for how the download is. `Failed` of the operator's Job counts as well as ours."""
    state = _STATUS[status.get("state", "Pending")]
    failed = any(
        condition["type"] == "Failed" and condition["status"] == "True" for condition in status.get("conditions", [])
    )
    if state == "completed":
        return state
    if failed:
        return "failed"
    return "cancelled" if job.spec.suspend and state != "failed" else state


def view(job: DownloadJob, status: Mapping[str, Any]) -> DownloadView:
    """A DownloadJob as the API shows it; `status` is the resource's, with what is not written yet."""
    meta, spec, progress, result = job.metadata, job.spec, status.get("progress", {}), status.get("result")
    return {
        "id": meta.name,
        "status": status_of(job, status),
        "entity_type": "video",
        "entity_id": spec.source.youtube_video_id or spec.source.page_url,
        "url": spec.source.page_url,
        "container_policy": spec.container,
        "quality": spec.quality,
        "embed_metadata": spec.embed_metadata,
        "embed_cover_art": spec.embed_cover_art,
        "suspend": spec.suspend,
        "progress": {
            "bytes": progress.get("bytes", 0),
            "total_bytes": progress.get("totalBytes"),
            "percent": progress.get("percent"),
            "bytes_per_second": progress.get("bytesPerSecond"),
        },
        "result": None
        if result is None
        else {
            "path": result["path"],
            "bytes": result["bytes"],
            "sha256": result["sha256"],
            "media_id": result["mediaId"],
            "title": result["title"],
        },
        "error": status.get("error"),
        "last_event": status.get("lastEvent"),
        "metadata": spec.metadata,
        "conditions": status.get("conditions", []),
        "created_at": meta.creation_timestamp,
    }
