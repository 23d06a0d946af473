# SPDX-License-Identifier: Apache-2.0
"""A channel's videos, newest first. Whoever asks has shown that the channel is theirs."""

from datetime import datetime
from uuid import UUID

from asyncpg import Record

from castwarden_gateway.channels.bodies import VideoQuery
from castwarden_gateway.db import Database, statements

SQL = statements(__file__)


class VideoStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    async def page(
        self, tenant_id: UUID, channel_uid: str, query: VideoQuery, before: tuple[datetime, UUID] | None
    ) -> list[Record]:
        """`limit + 1` rows at most."""
        at, id_ = before or (None, None)
        search = None if query.search is None else f"%{_escaped(query.search)}%"
        return await self._db.of(tenant_id).fetch(
            SQL.page, channel_uid, at, id_, query.limit + 1, query.since, query.until, search
        )


def _escaped(text: str) -> str:
    """`text` as LIKE sees it literally."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
