# SPDX-License-Identifier: Apache-2.0
"""Runs a module of ours as a child process: JSON request in, JSON lines out, no way to outlive us or to eat all memory.

yt-dlp and streamlink run in such children because they block, leak and hang. The parent's half is `child`; the
child's half is `serve`.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from castwarden_base.logs import configure_logging, get_logger

from .confine import die_with_parent, kill_group, limit_memory
from .errors import WorkerError
from .memory import MIB, allowance

log = get_logger(__name__)
Json = dict[str, Any]
_LONGEST_LINE = 1024 * 1024
_OUT_OF_MEMORY = 12  # exit code
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class ChildFailed(WorkerError):
    """The child ended without an answer: it crashed, was killed or hung."""


@asynccontextmanager
async def child(
    module: str, request: Mapping[str, Any], home: Path, at_once: int = 1
) -> AsyncIterator[AsyncIterator[Json]]:
    """Starts `python -m module` and gives its answers. Leaving the block kills it with everything it started.

    `home` is where it may keep caches. It gets neither our token nor a proxy from our environment, and of our memory
    what we do not need, shared with as many others as may run `at_once`.
    """
    memory = await asyncio.to_thread(allowance, at_once)
    environment = await asyncio.to_thread(_environment, home)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=environment,
        limit=_LONGEST_LINE,
    )
    try:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None  # noqa: S101 - asked for above
        assert stdout is not None  # noqa: S101 - likewise
        stdin.write(json.dumps({"memory": memory, "request": request}).encode() + b"\n")
        stdin.write_eof()
        yield _answers(process, stdout, memory)
    finally:
        kill_group(process.pid)
        await process.wait()


async def ask(module: str, request: Mapping[str, Any], home: Path, timeout: float, at_once: int = 1) -> Json:
    """The child's one answer. Raises ChildFailed when there is none within `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout), child(module, request, home, at_once) as answers:
            async for answer in answers:
                return answer
    except TimeoutError:
        raise ChildFailed(f"{module} did not answer within {timeout:g} s") from None
    raise ChildFailed(f"{module} ended without an answer")


def serve(name: str, work: Callable[[Json, Callable[[Json], None]], None]) -> None:
    """The child's main: reads the request, gives `work` a function that sends an answer."""
    die_with_parent()
    given = json.loads(sys.stdin.readline())
    limit_memory(given["memory"])
    configure_logging(name, os.environ.get("CASTWARDEN_LOG_LEVEL", "info"))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer

    def send(answer: Json) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        work(given["request"], send)
    except MemoryError:
        sys.exit(_OUT_OF_MEMORY)


async def _answers(
    process: asyncio.subprocess.Process, output: asyncio.StreamReader, memory: int
) -> AsyncIterator[Json]:
    while line := await _line(output):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise ChildFailed(f"not an answer: {line[:200]!r}") from error
    code = await process.wait()
    if code == _OUT_OF_MEMORY:
        raise ChildFailed(f"it needs more than {memory // MIB} MiB of memory")
    if code:
        raise ChildFailed(f"the child process ended with {code}")


async def _line(output: asyncio.StreamReader) -> bytes:
    try:
        return await output.readline()
    except ValueError as error:
        raise ChildFailed("the child's answer is too long") from error


def _environment(home: Path) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return kept | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "DENO_DIR": str(home / "deno"),
        "YTDLP_NO_PLUGINS": "1",
        "PYTHONUNBUFFERED": "1",
        "CASTWARDEN_LOG_LEVEL": os.environ.get("CASTWARDEN_LOG_LEVEL", "info"),
    }
