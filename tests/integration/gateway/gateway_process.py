# SPDX-License-Identifier: Apache-2.0
"""The gateway as a process of its own, for tests that kill it or ask it to end."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from castwarden_base.waiting import wait_until

from tests.integration.gateway.conftest import INTERNAL_KEY, KEY

START_SECONDS = 60.0


class GatewayProcess:
    """`log` holds the lines written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[str] = []
        self.public_port = self.internal_port = 0

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), START_SECONDS)

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())
            if '"listening"' in self.log[-1]:
                said = json.loads(self.log[-1])
                self.public_port, self.internal_port = said["port"], said["internal_port"]

    def says(self, word: str) -> bool:
        return any(f'"{word}"' in line for line in self.log)


@asynccontextmanager
async def gateway_process(database_url: str, **environment: str) -> AsyncIterator[GatewayProcess]:
    """A gateway that is ready; killed at the end if it still runs. Needs KUBECONFIG in the environment."""
    values = {
        **os.environ,
        "DATABASE_URL": database_url,
        "CASTWARDEN_SECRET_KEY": "A" * 43 + "=",
        "API_KEY": KEY,
        "INTERNAL_API_KEY": INTERNAL_KEY,
        "PORT": "0",
        "INTERNAL_PORT": "0",
        "CASTWARDEN_HOST": "127.0.0.1",
        "CASTWARDEN_DRAIN_SECONDS": "0.1",
        "CASTWARDEN_OUTBOUND_ALLOW": "127.0.0.0/8",
        "RATE_LIMIT": "0",
        **environment,
    }
    command = [sys.executable, "-m", "castwarden_gateway"]
    process = await asyncio.create_subprocess_exec(*command, env=values, stderr=subprocess.PIPE)
    gateway = GatewayProcess(process)
    reading = asyncio.create_task(gateway.read())
    try:
        await wait_until(lambda: gateway.says("ready"), START_SECONDS)
        yield gateway
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
