# SPDX-License-Identifier: Apache-2.0
"""The attempts of a download. Whoever asks has shown that the download is theirs."""

from typing import Any
from uuid import UUID

from castwarden_gateway.db import Database, statements

SQL = statements(__file__)


class AttemptStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    async def of(self, tenant_id: UUID, uid: str) -> list[dict[str, Any]]:
        """Oldest first."""
        return [dict(row) for row in await self._db.of(tenant_id).fetch(SQL.attempts, uid)]
