# SPDX-License-Identifier: Apache-2.0
"""Databases that come and go with a test, on whatever server there is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg


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
    await administer(server, f"drop database if exists {name} with (force)")


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
