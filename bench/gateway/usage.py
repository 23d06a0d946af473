# SPDX-License-Identifier: Apache-2.0
"""CPU and memory of processes, from /proc."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int) -> float:
    """Of a process, its living children and those that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    own = sum(int(fields[at]) for at in (11, 12, 13, 14)) / _TICKS  # utime, stime, and of children that were waited for
    return own + sum(cpu_seconds(child) for child in _children(pid))


def rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE_MIB


def peak_rss_mib(pid: int) -> float:
    """The most since the process began."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child)
            for thread in Path(f"/proc/{pid}/task").iterdir()
            for child in (thread / "children").read_text("ascii").split()
        ]
    except OSError:
        return []
