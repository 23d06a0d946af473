# SPDX-License-Identifier: Apache-2.0
"""The second wall between tenants: PostgreSQL shows a connection only the rows of the tenant that it is set to.

Row-level security reads the setting `castwarden.tenant`: a tenant's id, `*` for all, anything else for none. It guards
against a statement that forgets its tenant, not against SQL that a stranger writes: whoever can do that can set it.
"""

from typing import TYPE_CHECKING, Any, cast

import asyncpg
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

SETTING = "castwarden.tenant"
ALL = "*"
NONE = ""
_BEHIND_A_POOLER = "select pg_backend_pid() <> $1"
_IGNORED = "select rolsuper or rolbypassrls from pg_roles where rolname = current_user"


if TYPE_CHECKING:
    _Connection = asyncpg.Connection[Record]
else:
    _Connection = asyncpg.Connection


class Walled(_Connection):
    """Remembers what its session is set to, so that it is set again only for another tenant.

    A pooler such as PgBouncer hands the session to others between transactions: there a setting must not outlast one.
    """

    __slots__ = ("pooled", "shown")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.pooled = False
        self.shown: str | None = NONE

    async def look_for_pooler(self) -> None:
        """A pooler makes up the process id that it gives out when a client connects."""
        self.pooled = await self.fetchval(_BEHIND_A_POOLER, self.get_server_pid())

    async def show(self, tenant: str) -> None:
        """Sets the session, unless it is so set."""
        if self.shown != tenant:
            self.shown = None  # not known, should this be cut short
            await self.execute(f"set {SETTING} = '{tenant}'")
            self.shown = tenant

    async def show_until_commit(self, tenant: str) -> None:
        """Sets the transaction that is open."""
        await self.execute(f"set local {SETTING} = '{tenant}'")


def walled(connection: "PoolConnectionProxy[Record]") -> Walled:
    """The pool's proxy passes on what it does not know."""
    return cast("Walled", connection)


async def ignored(connection: "PoolConnectionProxy[Record]") -> bool:
    """Whether this login is one that row-level security does not bind."""
    return bool(await connection.fetchval(_IGNORED))
