# SPDX-License-Identifier: Apache-2.0
"""Looks as rows: kept by the uid of their resource, the newest alone, and dropped with it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from castwarden_model.messages import WIDEST_THUMBNAIL, Look

from castwarden_gateway.db import Database, DatabaseUnavailable, statements
from castwarden_gateway.facts.errors import Fenced, InvalidReport
from castwarden_gateway.looks.jpeg import NotAJpeg, dimensions
from castwarden_gateway.tenants.bootstrap import Tenants

SQL = statements(__file__)
_KEEP = timedelta(days=7)
_RETRY_SECONDS = 5.0
_PRUNE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A JPEG and when it was seen."""

    jpeg: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Measurements:
    """The last ten minutes as JSON, oldest first, and until when they go."""

    taken_at: datetime
    strip: list[dict[str, Any]]


class LookStore:
    """`keep` what workers send, read it back by uid. `run` drops what belongs to nobody any more."""

    def __init__(self, database: Database, tenants: Tenants) -> None:
        self._db = database
        self._tenants = tenants
        self._all = database.of_all()
        self._gone: asyncio.Queue[str] = asyncio.Queue()

    async def keep(self, look: Look) -> None:
        """Raises InvalidReport when the thumbnail is no small JPEG, Fenced when another worker has taken over."""
        if look.thumbnail is not None:
            _check(look.thumbnail)
        strip = [point.model_dump(mode="json", exclude_none=True) for point in look.strip]
        tenant = await self._tenants.of_namespace(look.resource.namespace)
        values = (look.resource.uid, look.epoch, look.taken_at, look.thumbnail, strip, tenant.id)
        epoch = await self._all.fetchval(SQL.keep, *values)
        if epoch is not None and epoch > look.epoch:
            raise Fenced(f"epoch {look.epoch} is over")

    async def thumbnail_at(self, tenant_id: UUID, uid: str) -> datetime | None:
        """When the thumbnail was seen; None when there is none."""
        at: datetime | None = await self._db.of(tenant_id).fetchval(SQL.thumbnail_at, uid)
        return at

    async def thumbnail(self, tenant_id: UUID, uid: str) -> Thumbnail | None:
        row = await self._db.of(tenant_id).fetchrow(SQL.thumbnail, uid)
        return None if row is None else Thumbnail(row["thumbnail"], row["at"])

    async def measurements(self, tenant_id: UUID, uid: str) -> Measurements | None:
        row = await self._db.of(tenant_id).fetchrow(SQL.measurements, uid)
        return None if row is None else Measurements(row["taken_at"], row["strip"])

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._gone.put_nowait(uid)

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._drop_gone())
            group.create_task(self._prune())

    async def _drop_gone(self) -> None:
        gone: list[str] = []
        while True:
            gone = gone or [await self._gone.get()]
            while not self._gone.empty():
                gone.append(self._gone.get_nowait())
            try:
                await self._all.execute(SQL.drop, gone)
                gone = []
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _prune(self) -> None:
        while True:
            with suppress(DatabaseUnavailable):
                await self._all.execute(SQL.prune, _KEEP)
            await asyncio.sleep(_PRUNE_SECONDS)


def _check(jpeg: bytes) -> None:
    try:
        largest = max(dimensions(jpeg))
    except NotAJpeg as error:
        raise InvalidReport(f"The thumbnail is no JPEG: {error}.") from error
    if largest > WIDEST_THUMBNAIL:
        raise InvalidReport(f"The thumbnail is {largest} pixels wide or high; at most {WIDEST_THUMBNAIL} are taken.")
