# SPDX-License-Identifier: Apache-2.0
"""An engine as a process of its own, for tests that kill it: `python engine_process.py DATABASE_URL`."""

import asyncio
import signal
import sys
from dataclasses import replace

from castwarden_gateway.db import Database
from castwarden_gateway.webhooks.engine import DeliveryEngine
from castwarden_gateway.webhooks.secrets import Keyring
from castwarden_gateway.webhooks.send import delivery_client
from castwarden_gateway.webhooks.signing import Signer

from tests.integration.webhooks.conftest import KEYRING_KEY, LOOPBACK, QUICK


async def main(url: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = (await Database.open(url)).of_all()
    async with delivery_client(LOOPBACK, 100) as client:
        engine = DeliveryEngine(database, client, Signer(Keyring([KEYRING_KEY])), replace(QUICK, max_in_flight=64))
        await engine.start()
        await stop.wait()
        await engine.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
