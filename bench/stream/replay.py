# SPDX-License-Identifier: Apache-2.0
"""Six hours of media through one worker as fast as it goes: whether its memory grows."""

import asyncio
from statistics import median

from .contest import running, worker
from .footage import SEGMENT, Loop
from .origin import LoopOrigin
from .usage import resident_mib

HOURS = 6.0
_SETTLED = 600.0  # seconds of media after which memory must not grow any more
_AROUND = 600.0  # seconds of media over which it is taken


async def growth(loop: Loop, hours: float = HOURS) -> tuple[float, float, float]:
    """Resident MiB after the first ten minutes and at the end, and the growth as a share."""
    count = round(hours * 3600 / SEGMENT)
    samples: list[tuple[float, float]] = []  # seconds of media, MiB
    async with (
        LoopOrigin({"replay": loop}, finished=count) as origin,
        running({"worker": worker(origin.url("replay", "worker"))}) as pids,
    ):
        while (done := origin.segments.get("worker", 0)) < count:
            samples.append((done * SEGMENT, resident_mib(pids["worker"])))
            await asyncio.sleep(0.05)
    end = count * SEGMENT
    early = median(mib for media, mib in samples if _SETTLED <= media < _SETTLED + _AROUND)
    late = median(mib for media, mib in samples if media >= end - _AROUND)
    return early, late, late / early - 1
