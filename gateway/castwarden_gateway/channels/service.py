# SPDX-License-Identifier: Apache-2.0
"""The rules of channels: registering one again finds it, a poll on demand is a Job as `kubectl create job` makes it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from castwarden_base.http import BlockedAddress, InvalidUrl, check_url
from castwarden_base.settings import Network
from castwarden_model.resources import Channel

from castwarden_gateway.channels.answers import ChannelView
from castwarden_gateway.channels.bodies import FIELDS, ChannelCreate, ChannelPatch
from castwarden_gateway.facts.known import source_url
from castwarden_gateway.http.cursors import PageQuery, decode
from castwarden_gateway.http.etags import IfMatch
from castwarden_gateway.http.operations import Operation
from castwarden_gateway.http.problems import Conflict, FieldError, InvalidRequest, NotFound, Problem
from castwarden_gateway.kube.changes import change, remove
from castwarden_gateway.kube.client import Object, Refused, segment
from castwarden_gateway.kube.errors import problem_of, refusals_as_problems
from castwarden_gateway.kube.order import read_position
from castwarden_gateway.kube.resources import Resources
from castwarden_gateway.kube.status import StatusWriter
from castwarden_gateway.tenants.principal import Tenant


class ChannelNotReady(Conflict):
    code, title = "channel-not-ready", "The channel's schedule has not been set up yet"
    final = False


class TooManyChannels(Problem):
    status, code, title = 429, "max-channels-exceeded", "The tenant has as many channels as it may have"


class Channels:
    """What the API can do with the channels of one tenant. Raises Problems."""

    def __init__(self, resources: Resources, statuses: StatusWriter, allow: Iterable[Network], most: int) -> None:
        """`most` channels may a tenant have."""
        self._resources = resources
        self._kind = resources.channels
        self._statuses = statuses
        self._allow = tuple(allow)
        self._most = most
        self._creating: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create(self, tenant: Tenant, body: ChannelCreate, operation: Operation) -> tuple[Channel, bool]:
        """The channel, and whether it is new: one source is one channel."""
        self._check_feed(body)
        self._resources.require_synced()
        name = f"chan-{operation.id}"
        async with self._creating[tenant.id]:
            made = await self._kind.fetch(tenant.namespace, name) if operation.resumed else None
            if made is not None:
                return made, True
            channels = list(self._kind.in_namespace(tenant.namespace))
            for channel in channels:
                source = channel.spec.source
                if (source.youtube_channel_id, source.feed_url) == (body.youtube_id, body.feed_url):
                    return channel, False
            if len(channels) >= self._most:
                raise TooManyChannels(f"At most {self._most}.")
            return await refusals_as_problems(self._kind.create(tenant.namespace, name, body.spec()), FIELDS), True

    def get(self, tenant: Tenant, name: str) -> Channel:
        """By id, or by YouTube's id."""
        self._resources.require_synced()
        found = self._kind.get(tenant.namespace, name)
        if found is None and name.startswith("UC"):
            same = (one for one in self._kind.in_namespace(tenant.namespace))
            found = next((one for one in same if one.spec.source.youtube_channel_id == name), None)
        if found is None:
            raise NotFound(f"There is no channel {name}.")
        return found

    def page(self, tenant: Tenant, query: PageQuery) -> list[Channel]:
        """Newest first: one more than the page shows, if there is one."""
        self._resources.require_synced()
        newest = self._kind.newest(tenant.namespace, decode(query.cursor, read_position))
        return list(islice(newest, query.limit + 1))

    async def update(
        self, tenant: Tenant, name: str, body: ChannelPatch, if_match: IfMatch, operation: Operation
    ) -> Channel:
        find = partial(self.get, tenant, name)
        return await change(self._kind, find, body.spec(), FIELDS, if_match, operation)

    async def delete(self, tenant: Tenant, name: str, if_match: IfMatch, operation: Operation) -> None:
        await remove(self._kind, partial(self.get, tenant, name), FIELDS, if_match, operation)

    async def poll(self, tenant: Tenant, name: str, operation: Operation) -> str:
        """Makes a Job from the CronJob's template; its name."""
        channel = self.get(tenant, name)
        status = self._status(channel)
        cron_job = status.get("cronJobName")
        if not cron_job:
            raise ChannelNotReady("Try again in a moment.")
        base = f"/apis/batch/v1/namespaces/{channel.metadata.namespace}"
        kube = self._resources.reach()
        try:
            template = await kube.get(f"{base}/cronjobs/{segment(cron_job)}")
            job = job_from(template, operation.id.hex[-8:])
            await kube.create(f"{base}/jobs", job)
        except Refused as error:
            if error.code == 404:
                raise ChannelNotReady("Its CronJob is being made again; try in a moment.") from error
            if not (error.code == 409 and operation.resumed):  # else the run before has made it
                raise problem_of(error, FIELDS) from error
        return str(job["metadata"]["name"])

    def view(self, channel: Channel) -> ChannelView:
        return view(channel, self._status(channel))

    def _status(self, channel: Channel) -> Mapping[str, Any]:
        meta = channel.metadata
        return self._statuses.current(channel.kind, meta.namespace, meta.name, meta.uid)

    def _check_feed(self, body: ChannelCreate) -> None:
        if body.feed_url is None:
            return
        try:
            check_url(body.feed_url, self._allow)
        except (InvalidUrl, BlockedAddress) as error:
            refused = FieldError(str(error), pointer="/feed_url")
            raise InvalidRequest("The feed cannot be fetched; see errors.", errors=[refused]) from error


def job_from(cron_job: Object, suffix: str) -> Object:
    """As `kubectl create job --from=cronjob/...`: owned by the CronJob, marked as made by hand."""
    template, meta = cron_job["spec"]["jobTemplate"], cron_job["metadata"]
    given = template.get("metadata", {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{meta['name'][:52]}-{suffix}",
            "namespace": meta["namespace"],
            "labels": given.get("labels", {}),
            "annotations": {**given.get("annotations", {}), "cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "CronJob", "name": meta["name"], "uid": meta["uid"]},
            ],
        },
        "spec": template["spec"],
    }


def view(channel: Channel, status: Mapping[str, Any]) -> ChannelView:
    """A Channel as the API shows it; `status` is the resource's, with what is not written yet."""
    meta, spec, feed = channel.metadata, channel.spec, status.get("feed", {})
    return {
        "id": meta.name,
        "youtube_id": spec.source.youtube_channel_id,
        "feed_url": spec.source.feed_url,
        "url": source_url(channel),
        "title": feed.get("title"),
        "active": not spec.suspend,
        "suspend": spec.suspend,
        "schedule": spec.schedule,
        "time_zone": spec.time_zone,
        "feed": {
            "state": feed.get("state", "Unknown"),
            "last_polled_at": feed.get("lastPolledAt"),
            "http_status": feed.get("httpStatus"),
            "error": feed.get("error"),
        },
        "video_count": status.get("videos", 0),
        "last_video_published_at": status.get("lastVideoPublishedAt"),
        "last_event": status.get("lastEvent"),
        "metadata": spec.metadata,
        "conditions": status.get("conditions", []),
        "generation": meta.generation,
        "created_at": meta.creation_timestamp,
    }
