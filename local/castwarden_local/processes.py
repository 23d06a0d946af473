# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive this one: each leads its own process group, is killed with its parent and
has its output taken line by line. `Supervised` starts a program again whenever it ends. Linux only (prctl, pidfd)."""

import asyncio
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from castwarden_base.logs import get_logger

log = get_logger(__name__)

LONGEST_LINE = 64 * 1024
STACK_MARK = "CASTWARDEN_STACK"  # names the data directory in every child's environment, so that strays can be found
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `user` is the numeric id to run as (root only); `on_parent_death` is the signal the kernel sends."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path | None = None
    user: int | None = None
    group: int | None = None
    on_parent_death: signal.Signals = signal.SIGKILL


class Child:
    """One running process. Its exit is known by a pidfd, so no thread and no signal handler is needed.

    The kernel ends it with the thread that started it, so that thread should live as long as this process.
    """

    def __init__(self, process: subprocess.Popen[bytes], output: int, sink: Sink) -> None:
        self._process = process
        self._sink = sink
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[int] = self._loop.create_future()
        self._output: int | None = output
        os.set_blocking(output, False)
        self._loop.add_reader(output, self._read)
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._ended)

    @classmethod
    def start(cls, command: Command, sink: Sink) -> "Child":
        """Starts it; `sink` gets each line without its newline. Raises OSError when the program cannot be run."""
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(command.on_parent_death), 0, 0, 0)
            if os.getppid() != parent:  # it died before the call above
                os._exit(1)

        with ExitStack() as undo:
            output, end = os.pipe()
            undo.callback(os.close, output)
            try:
                process = subprocess.Popen(  # noqa: S603 - running what a Pod or this package names is the purpose
                    list(command.argv),
                    env=dict(command.env),
                    cwd=command.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=end,
                    stderr=end,
                    start_new_session=True,
                    user=command.user,
                    group=command.group,
                    extra_groups=None if command.user is None else [],
                    preexec_fn=die_with_parent,  # after the change of user, which would forget it; takes no lock
                )
            finally:
                os.close(end)
            undo.pop_all()
        return cls(process, output, sink)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return not self._exit.done()

    async def wait(self) -> int:
        """The exit status; minus the signal's number when a signal ended it."""
        return await asyncio.shield(self._exit)

    def send(self, number: signal.Signals) -> None:
        """To the process itself, as a container runtime does: passing it on is the program's business."""
        if self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL for the whole process group."""
        if self.running:
            kill_group(self.pid)

    async def stop(self, grace_seconds: float, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks, waits for `grace_seconds`, then kills the group."""
        self.send(number)
        try:
            async with asyncio.timeout(grace_seconds):  # wait_for of Python 3.11 may swallow a cancellation
                return await self.wait()
        except TimeoutError:
            self.kill()
        return await self.wait()

    def _read(self) -> bool:
        """Takes what the pipe holds now; false when there is nothing (more) to take."""
        if self._output is None:
            return False
        try:
            data = os.read(self._output, LONGEST_LINE)
        except BlockingIOError:
            return False
        if not data:
            self._close_output()
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._sink(line)
        if len(self._rest) >= LONGEST_LINE:
            self._sink(self._rest)
            self._rest = b""
        return True

    def _close_output(self) -> None:
        if self._output is None:
            return
        self._loop.remove_reader(self._output)
        os.close(self._output)
        self._output = None
        if self._rest:
            self._sink(self._rest)
            self._rest = b""

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        kill_group(self.pid)  # whatever it left behind; the id is still ours, the leader has not been reaped
        status = self._process.wait()
        while self._read():
            pass
        self._close_output()  # a grandchild that left the group may still hold the other end
        if not self._exit.done():
            self._exit.set_result(status)


def kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody left in it, or only a zombie of another user
        pass


def kill_strays(data: Path) -> list[int]:
    """Kills what an earlier run on this data directory left (children of children survive a kill -9 of all others)."""
    mark = f"{STACK_MARK}={data}".encode()
    strays: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
                strays.append(int(entry.name))
        except (OSError, ProcessLookupError):  # gone meanwhile, or another user's
            continue
    return strays


@dataclass(slots=True)
class RestartDelay:
    """Seconds to wait before a program is started again: nearly none at first, doubling while it keeps failing."""

    first: float = 0.1
    longest: float = 10.0
    healthy_after: float = 10.0  # running this long forgets earlier failures
    _next: float = field(default=0.0, init=False)

    def after(self, ran_seconds: float) -> float:
        self._next = self.first if ran_seconds >= self.healthy_after or not self._next else self._next * 2
        self._next = min(self._next, self.longest)
        return self._next


class Supervised:
    """A program that is started again whenever it ends, until `stop`."""

    def __init__(
        self,
        name: str,
        command: Callable[[], Command],
        sink: Sink,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self.restarts = 0
        self._command = command
        self._sink = sink
        self._stop_signal = stop_signal
        self._grace_seconds = grace_seconds
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.running else None

    def start(self) -> None:
        """Raises OSError when the program cannot be run at all."""
        self._child = Child.start(self._command(), self._sink)
        self._task = asyncio.create_task(self._supervise(self._child), name=f"supervise {self.name}")

    async def stop(self) -> None:
        """Ends the program: the stop signal first, SIGKILL after the grace period."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        if self._child is not None:
            await self._child.stop(self._grace_seconds, self._stop_signal)

    async def _supervise(self, child: Child) -> None:
        delay = RestartDelay()
        while True:
            since = time.monotonic()
            status = await child.wait()
            seconds = delay.after(time.monotonic() - since)
            log.warning("process_ended", process=self.name, status=status, delay_seconds=seconds)
            await asyncio.sleep(seconds)
            child = await self._start_again(delay)

    async def _start_again(self, delay: RestartDelay) -> Child:
        while True:
            try:
                self._child = Child.start(self._command(), self._sink)
            except OSError as error:  # no memory, no file handles: it may pass
                log.warning("process_start_failed", process=self.name, error=str(error))
                await asyncio.sleep(delay.after(0.0))
            else:
                self.restarts += 1
                return self._child
