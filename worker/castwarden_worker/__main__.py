# SPDX-License-Identifier: Apache-2.0
"""`castwarden-worker ROLE`: one process, one resource, one role."""

import argparse
import sys

from castwarden_base.logs import configure_logging
from castwarden_base.run import run

from .settings import WorkerSettings
from .shell import Role, run_role


def _role(name: str) -> Role:
    """Imported only when chosen: a poll must not pay for the monitor's libraries."""
    if name == "monitor":
        from .monitor.role import watch_stream

        return watch_stream
    if name == "poll":
        from .poll.role import poll_feed

        return poll_feed
    from .download.role import download_media

    return download_media


def main() -> None:
    """Entry point. Exits 2 on a wrong setting."""
    parser = argparse.ArgumentParser(prog="castwarden-worker", description=__doc__)
    parser.add_argument("role", choices=("monitor", "poll", "download"))
    role = parser.parse_args().role
    settings = WorkerSettings.load()
    configure_logging(f"worker-{role}", settings.log_level)
    sys.exit(run(run_role(_role(role), settings, endless=role == "monitor")))


if __name__ == "__main__":
    main()
