# SPDX-License-Identifier: Apache-2.0
"""How long after the first bad frame went on air the alert comes, on a live stream, beside ffmpeg's filters."""

import asyncio
import time

from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import Kind, LiveOrigin

from .contest import end, ffmpeg, worker

SEGMENT = 4.0
THRESHOLD = 10.0
_SCRIPT: list[tuple[float, Kind]] = [
    (14, "motion"),
    (15, "black"),
    (10, "motion"),
    (15, "frozen"),
    (10, "motion"),
    (15, "silent"),
    (9, "motion"),
]
_KINDS: dict[Kind, str] = {"black": "black", "frozen": "freeze", "silent": "silence"}


async def delays() -> tuple[dict[str, float], dict[str, float]]:
    """Seconds beyond threshold and segment length, by condition: of the worker, and of ffmpeg."""
    recipe = Recipe(width=640, height=360, segment_seconds=SEGMENT, gop_seconds=2.0, bitrate=800_000)
    filters = (
        *("-vf", f"blackdetect=d={THRESHOLD:g},freezedetect=d={THRESHOLD:g}"),
        *("-af", f"silencedetect=d={THRESHOLD:g}:n=-50dB", "-f", "null", "-"),
    )
    async with LiveOrigin(_SCRIPT, recipe=recipe) as origin:
        await asyncio.sleep(SEGMENT + 0.5)
        commands = (
            worker(origin.url, seconds=THRESHOLD),
            ffmpeg(origin.url, "-live_start_index", "-1", filters=filters, log="info"),
        )
        ours, theirs = await asyncio.gather(*(_first_words(command) for command in commands))
        bad = {_KINDS[kind]: at for kind, at in origin.timeline if kind in _KINDS}
    return (
        {name: _when(ours, f"{name} raised", at) - at - THRESHOLD - SEGMENT for name, at in bad.items()},
        {name: _when(theirs, f"{name}_start", at) - at - THRESHOLD - SEGMENT for name, at in bad.items()},
    )


async def _first_words(command: list[str]) -> list[tuple[float, str]]:
    """Lines that the command writes until it ends, each with the time when it came."""
    both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=both[0], stderr=both[1]
    )
    lines: list[tuple[float, str]] = []
    try:
        async with asyncio.timeout(sum(seconds for seconds, _ in _SCRIPT) + 60):
            while process.stdout and (line := await process.stdout.readline()):
                lines.append((time.time(), line.decode(errors="replace")))
    finally:
        await end([process])
    return lines


def _when(lines: list[tuple[float, str]], words: str, after: float) -> float:
    """When the words came for the first time since; freezedetect also takes black for a freeze."""
    return next((at for at, line in lines if words in line and at > after), float("inf"))
