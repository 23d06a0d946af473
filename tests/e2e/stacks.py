# SPDX-License-Identifier: Apache-2.0
"""How tests kill parts of a stack."""

import os
import signal
from pathlib import Path

from castwarden_local.up import Stack


def kill(stack: Stack, victim: str, resource: str) -> None:
    """kill -9 of `gateway`, `operator` or `postgres`, or of the `worker` of a resource."""
    pids = worker_pids(resource) if victim == "worker" else [stack.processes[victim].pid]
    assert pids
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)


def worker_pids(resource: str) -> list[int]:
    """The processes that work for a resource, by the environment that the operator gave them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is not ours
        if f"CASTWARDEN_NAME={resource}".encode() in environment and any(
            b"castwarden-worker" in part for part in command
        ):
            found.append(int(process.name))
    return found
