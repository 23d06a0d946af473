# SPDX-License-Identifier: Apache-2.0
"""`castwarden-gateway` serves; `castwarden-gateway migrate` brings the database to this version and ends.

A migration before a rollout leaves out what older code would not live with; `migrate --post` after it does that too. An
empty database gets everything at once. In a cluster `--once-all-run IMAGE` has it wait for the end of the rollout.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from castwarden_base.logs import configure_logging, get_logger
from castwarden_base.retry import backoff
from castwarden_base.run import run

from castwarden_gateway.app import serve
from castwarden_gateway.db.migrate import MigrationError, migrate, outstanding
from castwarden_gateway.db.pool import DRIVER_ERRORS, connection_lost
from castwarden_gateway.kube.client import Refused, connected
from castwarden_gateway.kube.rollout import RolloutUnfinished, pods_of, until_all_run
from castwarden_gateway.settings import DatabaseSettings, GatewaySettings

log = get_logger(__name__)
_PATIENCE_SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="castwarden-gateway", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "migrate"], default="serve")
    parser.add_argument("--post", action="store_true", help="migrate: also what waits for the end of a rollout")
    parser.add_argument("--check", action="store_true", help="migrate: change nothing; 1 when something is missing")
    parser.add_argument("--once-all-run", metavar="IMAGE", help="migrate: first wait until no Pod runs another image")
    parser.add_argument("--pods", metavar="SELECTOR", default="", help="which Pods that is about")
    parser.add_argument("--namespace", default="default", help="where they are")
    parser.add_argument("--patience", metavar="SECONDS", type=float, default=900.0, help="how long to wait for them")
    given = parser.parse_args()
    if given.command == "migrate":
        database = DatabaseSettings.load()
        configure_logging("gateway", database.log_level)
        return run(_command(given, database.database_url))
    if given.post or given.check or given.once_all_run:
        parser.error("--post, --check and --once-all-run belong to migrate")
    return run(serve(GatewaySettings.start("gateway")))


async def _command(given: argparse.Namespace, url: str) -> int:
    if given.once_all_run:
        kube = await connected()
        try:
            pods = partial(pods_of, kube, given.namespace, given.pods)
            await until_all_run(given.once_all_run, pods, given.patience)
        except (RolloutUnfinished, Refused) as error:
            log.error("migration_refused", reason=str(error))
            return 1
        finally:
            await kube.close()
    work = _check if given.check else _migrate
    return await _patiently(lambda: work(url, given.post))


async def _migrate(url: str, post: bool) -> int:
    log.info("migrated", applied=await migrate(url, post=post), left=await outstanding(url))
    return 0


async def _check(url: str, post: bool) -> int:
    left = await outstanding(url, post=post)
    log.info("checked", missing=left)
    return 1 if left else 0


async def _patiently(work: Callable[[], Awaitable[int]]) -> int:
    """Waits for a server that is still starting."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    waits = backoff(first=0.5, cap=5.0)
    while True:
        try:
            return await work()
        except MigrationError as error:
            log.error("migration_refused", reason=str(error))
            return 1
        except DRIVER_ERRORS as error:
            if not connection_lost(error) or asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("database_away", reason=str(error))
            await asyncio.sleep(next(waits))


if __name__ == "__main__":
    sys.exit(main())
