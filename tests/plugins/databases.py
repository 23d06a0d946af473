# SPDX-License-Identifier: Apache-2.0
"""Databases that come and go with a test, on whatever server there is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from castwarden_base.waiting import wait_until


async def see_all(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection to the gateway's database that row-level security shows the rows of all tenants."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
    await connection.execute("set castwarden.tenant = '*'")
    return connection


OWNER = "castwarden_test"
_ORDINARY = "select not (rolsuper or rolbypassrls) from pg_roles where rolname = current_user"


async def ordinary_login(server: str) -> str:
    """The URL of this server for a login that row-level security binds: itself, or one that is made."""
    connection = await asyncpg.connect(server)
    try:
        if await connection.fetchval(_ORDINARY):
            return server
        if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", OWNER):
            with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):  # another test run did
                await connection.execute(f"create role {OWNER} login createdb password '{OWNER}'")
    finally:
        await connection.close()
    parts = urlsplit(server)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{OWNER}:{OWNER}@{place}"))


@asynccontextmanager
async def fresh_database(server: str, options: str = "template template0") -> AsyncIterator[str]:
    """The URL of a new database of this server, dropped at the end whoever is still connected."""
    name = unused_name()
    await administer(server, f"create database {name} {options}")
    try:
        yield with_database(server, name)
    finally:
        await drop_database(server, name)


async def drop_database(server: str, name: str) -> None:
    async def dropped() -> bool:
        try:
            await administer(server, f"drop database if exists {name} with (force)")
        except asyncpg.InsufficientPrivilegeError:  # an autovacuum is at work there, which only a superuser may end
            return False
        return True

    await wait_until(dropped, 30)


async def administer(server: str, statement: str) -> None:
    """Runs one statement on a connection of its own."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def unused_name() -> str:
    return f"test_{uuid4().hex[:12]}"


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name)}"))
