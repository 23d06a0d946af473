# SPDX-License-Identifier: Apache-2.0
"""`castwarden-worker ROLE`: one process, one role, one resource, or (`monitors`) all Monitors of one Pod."""

import argparse
from collections.abc import Coroutine
from typing import Any

from castwarden_base.run import run

from .decoding import leave
from .settings import PackedSettings, WorkerSettings
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


def _packed() -> Coroutine[Any, Any, int]:
    from .packed.role import run_packed

    return run_packed(PackedSettings.start("worker-monitors"))


def main() -> None:
    """Entry point. Exits 2 on a wrong setting."""
    parser = argparse.ArgumentParser(prog="castwarden-worker", description=__doc__)
    parser.add_argument("role", choices=("monitor", "monitors", "poll", "download"))
    role = parser.parse_args().role
    if role == "monitors":
        leave(run(_packed()))
    settings = WorkerSettings.start(f"worker-{role}")
    leave(run(run_role(_role(role), settings, endless=role == "monitor")))


if __name__ == "__main__":
    main()
