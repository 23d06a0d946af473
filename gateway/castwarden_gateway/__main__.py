# SPDX-License-Identifier: Apache-2.0
"""`castwarden-gateway` serves; `castwarden-gateway migrate` brings the database to this version and ends."""

import argparse
import asyncio
import sys

from castwarden_base.logs import configure_logging, get_logger
from castwarden_base.retry import backoff
from castwarden_base.run import run

from castwarden_gateway.app import serve
from castwarden_gateway.db.migrate import MigrationError, migrate
from castwarden_gateway.db.pool import DRIVER_ERRORS, connection_lost
from castwarden_gateway.settings import DatabaseSettings, GatewaySettings

log = get_logger(__name__)
_PATIENCE_SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="castwarden-gateway", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "migrate"], default="serve")
    if parser.parse_args().command == "migrate":
        database = DatabaseSettings.load()
        configure_logging("gateway", database.log_level)
        return run(_migrate(database.database_url))
    settings = GatewaySettings.load()
    configure_logging("gateway", settings.log_level)
    return run(serve(settings))


async def _migrate(url: str) -> int:
    """Waits for a server that is still starting."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    waits = backoff(first=0.5, cap=5.0)
    while True:
        try:
            log.info("migrated", applied=await migrate(url))
        except MigrationError as error:
            log.error("migration_refused", reason=str(error))
            return 1
        except DRIVER_ERRORS as error:
            if not connection_lost(error) or asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("database_away", reason=str(error))
            await asyncio.sleep(next(waits))
        else:
            return 0


if __name__ == "__main__":
    sys.exit(main())
