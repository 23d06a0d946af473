# SPDX-License-Identifier: Apache-2.0
"""`castwarden up` at the terminal: starts the stack, says where it is, waits for Ctrl-C. Its own log goes to a file."""

import asyncio
import io
import logging
import signal
import sys
from pathlib import Path

from castwarden_base.logs import configure_logging, get_logger
from castwarden_base.run import run

from castwarden_local.errors import LocalError
from castwarden_local.outputs import RotatedFile
from castwarden_local.up import Stack, StackOptions

log = get_logger(__name__)

CHECK_SECONDS = 1.0


def serve(options: StackOptions) -> int:
    """Until SIGINT or SIGTERM (0), or until the stack cannot go on (1)."""
    return run(_serve(options))


async def _serve(options: StackOptions) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stack = Stack(options)
    configure_logging("up")
    log_to(stack.data / "logs" / "up.log")
    starting = asyncio.create_task(stack.start())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return 0
        starting.result()
        _say(_where(stack))
        return await _wait(stack, stop)
    except LocalError as error:
        return _fail(str(error))
    except Exception as error:  # the last one who could tell the person; the log has it in full
        log.exception("up_failed")
        return _fail(f"cannot go on: {type(error).__name__}: {error}; see {stack.data / 'logs' / 'up.log'}")
    finally:
        stopped.cancel()
        if starting.done() and not starting.cancelled() and starting.exception() is None:
            _say("stopping …")
            await stack.stop()


async def _wait(stack: Stack, stop: asyncio.Event) -> int:
    while not stop.is_set():
        reason = stack.failure()
        if reason is not None:
            return _fail(f"cannot go on: {reason}; see {stack.data / 'logs' / 'up.log'}")
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await stop.wait()
        except TimeoutError:
            continue
    return 0


def _where(stack: Stack) -> str:
    lines = ["castwarden is up", ""]
    if stack.api_key is not None and stack.options.api_key is None:
        lines += [f"  API key      {stack.api_key}", "               (shown this once; only its hash is kept)"]
    lines += [
        f"  REST API     {stack.api_url}/api/v1",
        f"  metrics      {stack.api_url}/metrics, {stack.operator_url}/metrics",
        f"  kubectl      export KUBECONFIG={stack.kubeconfig}",
        f"  downloads    {stack.downloads}" + ("" if stack.options.downloads else " (off; turn on with --downloads)"),
        f"  logs         {stack.data / 'logs'}",
        "",
        "Ctrl-C stops it; everything is kept.",
    ]
    return "\n".join(lines)


def _fail(message: str) -> int:
    sys.stderr.write(f"castwarden: {message}\n")
    return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def log_to(path: Path) -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(_Lines(RotatedFile(path)))


class _Lines(io.TextIOBase):
    """A text stream into a bounded file."""

    def __init__(self, file: RotatedFile) -> None:
        self._file = file
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._file.append(f"{line}\n".encode())
        return len(text)
