# SPDX-License-Identifier: Apache-2.0
"""How the memory of this container is shared out between the worker and its children: one that runs into its part must
not take the worker with it.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

MIB = 2**20
MEMORY = 1024 * MIB
"""Bytes that a child, and each program that it starts, may map to write to. deno maps half of that for code."""
_LEAST = 128 * MIB
_OURS = 192 * MIB  # what the worker itself needs, or what it holds and a margin
_MARGIN = 64 * MIB
_STREAM = 96 * MIB  # what a child that reads RTMP, RTSP or SRT holds, with what its parent keeps of it
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # cgroup v2, v1


def rss() -> int:
    """Bytes that this process holds now. Linux only."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def allowance(at_once: int = 1, limits: Iterable[Path] = _LIMITS, held: Callable[[], int] = rss) -> int:
    """MEMORY, or less where the container has less: its part for each of `at_once` children, asked by their parent."""
    limit = _limit(limits)
    if limit is None:
        return MEMORY
    return max(_LEAST, min(MEMORY, (limit - max(_OURS, held() + _MARGIN)) // at_once))


def stream_children(limits: Iterable[Path] = _LIMITS) -> int:
    """How many children of one process may read RTMP, RTSP or SRT at once: 8 in 1 GiB, never fewer than 2."""
    limit = _limit(limits)
    if limit is None:
        limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(2, (limit - _OURS) // _STREAM)


def _limit(limits: Iterable[Path]) -> int | None:
    """The container's memory in bytes, None when it has all of the machine's."""
    for path in limits:
        try:
            text = path.read_text("ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 2**62:  # how cgroup v1 says that there is none is 2**63 less a page
            return int(text)
    return None
