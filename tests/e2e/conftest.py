# SPDX-License-Identifier: Apache-2.0
"""One embedded stack for all end-to-end tests; each test has resources of its own in it."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from castwarden_local.demo.clients import Rest
from castwarden_local.demo.receiver import Receiver
from castwarden_local.up import Stack

from tests.plugins.stacks import options


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack() -> AsyncIterator[Stack]:
    """The whole of Castwarden, running."""
    with tempfile.TemporaryDirectory(prefix="castwarden-e2e-") as path:
        async with Stack(options(Path(path), downloads=True, environment={"RATE_LIMIT": "0"})) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="session")
async def rest(stack: Stack) -> AsyncIterator[Rest]:
    """The REST API with the first key."""
    async with Rest(stack.api_url, stack.api_key or "") as api:
        yield api


@pytest_asyncio.fixture(loop_scope="session")
async def receiver(rest: Rest) -> AsyncIterator[Receiver]:
    """A webhook receiver that is registered for every event while the test runs."""
    async with Receiver() as listening:
        body = {"url": listening.url, "events": ["*"], "retry": "standard"}
        endpoint = await rest.post("/api/v1/webhooks/endpoints", body)
        listening.secret = endpoint["secret"]
        yield listening
        await rest.delete(f"/api/v1/webhooks/endpoints/{endpoint['id']}")
