# SPDX-License-Identifier: Apache-2.0
"""Real child processes: output, endings, supervision, and that nothing outlives a killed parent."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.processes import STACK_MARK, Child, Command, Supervised, kill_strays

TIMEOUT = 30.0


def shell(script: str, **env: str) -> Command:
    return Command(["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin", **env})


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_every_line_of_both_streams_arrives_also_an_unfinished_one() -> None:
    lines: list[bytes] = []
    child = Child.start(shell("echo one; echo two >&2; printf three"), lines.append)
    assert await child.wait() == 0
    assert lines == [b"one", b"two", b"three"]


async def test_a_line_without_end_is_handed_on_in_parts() -> None:
    lines: list[bytes] = []
    child = Child.start(shell("head -c 200000 /dev/zero | tr '\\0' x"), lines.append)
    assert await child.wait() == 0
    assert sum(map(len, lines)) == 200_000
    assert len(lines) > 1


async def test_the_exit_status_and_the_signal_are_told_apart() -> None:
    assert await Child.start(shell("exit 3"), print).wait() == 3
    assert await Child.start(shell("kill -9 $$"), print).wait() == -9


async def test_nothing_of_the_parents_environment_leaks_in() -> None:
    lines: list[bytes] = []
    await Child.start(Command(["/usr/bin/env"], {"ONLY": "this"}), lines.append).wait()
    assert lines == [b"ONLY=this"]


async def test_a_program_that_does_not_exist_is_an_error_at_once() -> None:
    with pytest.raises(OSError, match="nowhere"):
        Child.start(Command(["/nowhere/program"], {}), print)


async def test_a_process_that_ignores_the_request_to_end_is_killed() -> None:
    lines: list[bytes] = []
    child = Child.start(shell("trap '' TERM; echo ready; while :; do sleep 1; done"), lines.append)
    await wait_until(lambda: b"ready" in lines, TIMEOUT)
    assert await child.stop(0.2) == -9


async def test_what_a_process_leaves_behind_in_its_group_ends_with_it() -> None:
    lines: list[bytes] = []
    child = Child.start(shell("sleep 1000 & echo $!"), lines.append)
    assert await child.wait() == 0
    await wait_until(lambda: not alive(int(lines[0])), TIMEOUT)


async def test_a_supervised_program_is_started_again_until_it_is_stopped() -> None:
    lines: list[bytes] = []
    program = Supervised("sleeper", lambda: shell("echo up; exec sleep 1000"), lines.append)
    program.start()
    await wait_until(lambda: len(lines) == 1, TIMEOUT)
    first = program.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: program.pid not in (None, first), TIMEOUT)
    second = program.pid
    assert (program.restarts, second is not None and alive(second)) == (1, True)
    await wait_until(lambda: len(lines) == 2, TIMEOUT)
    await program.stop()
    assert program.pid is None
    assert second is not None
    assert not alive(second)


PARENT = """
import asyncio, sys
from castwarden_local.processes import Child, Command
async def main():
    child = Child.start(Command(["/bin/sleep", "1000"], {}), print)
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""


async def test_no_child_outlives_a_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    await wait_until(lambda: not alive(child), TIMEOUT)


async def test_strays_of_this_data_directory_are_found_and_killed_and_no_others(tmp_path: Path) -> None:
    mine = subprocess.Popen(["/bin/sleep", "1000"], env={STACK_MARK: str(tmp_path)})
    other = subprocess.Popen(["/bin/sleep", "1000"], env={STACK_MARK: f"{tmp_path}x"})
    try:
        await wait_until(lambda: Path(f"/proc/{mine.pid}/comm").read_text("utf-8") == "sleep\n", TIMEOUT)
        assert kill_strays(tmp_path) == [mine.pid]
        assert await asyncio.to_thread(mine.wait) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()
