# SPDX-License-Identifier: Apache-2.0
"""Runs a module of ours as a child process that sends bytes without end, and cannot outlive us."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from .confine import kill_group

_CHUNK = 64 * 1024
_LAST_WORDS = 2_000
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")


class Piped:
    """What a child sends. `read` gives b"" at its end; then `ended` says how it ended."""

    def __init__(self, process: asyncio.subprocess.Process, output: asyncio.StreamReader, words: asyncio.Task[str]):
        self.pid = process.pid
        self._process = process
        self._output = output
        self._words = words

    async def read(self) -> bytes:
        return await self._output.read(_CHUNK)

    async def ended(self) -> tuple[int, str]:
        """Exit code, and the last line that it wrote for people."""
        words = await self._words
        lines = [line.strip() for line in words.splitlines() if line.strip()]
        return await self._process.wait(), lines[-1] if lines else ""


@asynccontextmanager
async def piped(module: str, request: Mapping[str, Any]) -> AsyncIterator[Piped]:
    """Starts `python -m module` with `request` as JSON on its input. Leaving the block kills it with all it started.

    It gets neither our token nor a proxy from our environment.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={name: os.environ[name] for name in _INHERITED if name in os.environ} | {"PYTHONUNBUFFERED": "1"},
    )
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin  # noqa: S101 - asked for above
    assert stdout  # noqa: S101 - likewise
    assert stderr  # noqa: S101 - likewise
    words = asyncio.create_task(_last_words(stderr))
    try:
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.write_eof()
        yield Piped(process, stdout, words)
    finally:
        kill_group(process.pid)
        while await stdout.read(_CHUNK):
            pass  # else a full pipe keeps the transport, and with it `wait`, from ending
        await asyncio.gather(words, return_exceptions=True)
        await process.wait()


async def _last_words(stream: asyncio.StreamReader) -> str:
    kept = b""
    while data := await stream.read(_CHUNK):
        kept = (kept + data)[-_LAST_WORDS:]
    return kept.decode("utf-8", "replace")
