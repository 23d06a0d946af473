# SPDX-License-Identifier: Apache-2.0
"""What keeps a child process in its place. Imports nothing of ours: some children are to stay small."""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ends this whole process group when the worker dies, however it dies. Linux only."""
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def limit_memory(size: int) -> None:
    """Of what is written to, not of addresses: JavaScript runtimes reserve tens of GiB of those and use few."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = size if hard == resource.RLIM_INFINITY else min(hard, size)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def kill_group(leader: int) -> None:
    """The process that was started as its session's leader, and all that it started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass
