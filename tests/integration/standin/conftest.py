# SPDX-License-Identifier: Apache-2.0
"""A stand-in per test, on a fresh database, and ways to disturb its PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest
import yaml
from castwarden_local.standin.interface import CUSTOM_RESOURCE_DEFINITIONS, Object
from castwarden_local.standin.standin import Standin

from tests.plugins.kube import Access

GADGET: Object = {
    "metadata": {"name": "gadgets.test.castwarden.dev"},
    "spec": {
        "group": "test.castwarden.dev",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "kind": "Gadget", "shortNames": ["gd"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "default": 1, "maximum": 9},
                                    "color": {"type": "string"},
                                },
                            },
                            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
                        },
                    }
                },
            }
        ],
    },
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """The server behind one database."""

    url: str

    @property
    def database(self) -> str:
        return urlsplit(self.url).path.strip("/")

    async def disconnect(self) -> None:
        """Ends every session of the database, as a restart does."""
        await self._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.database}'")

    async def go_away(self) -> None:
        await self._execute(f'ALTER DATABASE "{self.database}" ALLOW_CONNECTIONS false')
        await self.disconnect()

    async def come_back(self) -> None:
        await self._execute(f'ALTER DATABASE "{self.database}" ALLOW_CONNECTIONS true')

    async def fetch(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(urlunsplit(urlsplit(self.url)._replace(path="/postgres")))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture
def postgres(empty_database_url: str) -> Postgres:
    return Postgres(empty_database_url)


@pytest.fixture
async def standin(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Standin]:
    standin = Standin(postgres.url, tmp_path / "standin")
    await standin.start()
    yield standin
    await standin.stop()
    assert standin.failure() is None


@pytest.fixture
async def gadgets(standin: Standin) -> Standin:
    """The stand-in with a custom resource of its own."""
    await standin.api.create(CUSTOM_RESOURCE_DEFINITIONS, GADGET)
    return standin


@pytest.fixture
async def http(standin: Standin) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with the administrator's credentials; paths are relative to the server."""
    access = Access.read(standin.kubeconfig)
    connector = aiohttp.TCPConnector(ssl=access.tls or False)
    async with aiohttp.ClientSession(access.server, headers=access.headers, connector=connector) as session:
        yield session


def kubeconfig_user(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))["users"][0]["user"]
