# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of a process and all that hang on it (Linux)."""

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time: to the nanosecond of what runs, to the tick of children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = time.clock_gettime((~pid << 3) | 2)  # the process's own clock: clock_getcpuclockid(3)
    ended = sum(int(field) for field in fields[13:15]) / _TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + ended + sum(cpu_seconds(int(child)) for child in children)


def resident_mib(pid: int) -> float:
    """What is resident now."""
    return _status(pid, "VmRSS")


def most_resident_mib(pid: int) -> float:
    """The largest resident set so far."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) / 1024
