# SPDX-License-Identifier: Apache-2.0
"""The command `castwarden` as a person meets it: what it prints, how it ends, what it leaves running."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.processes import STACK_MARK

CASTWARDEN = str(Path(sys.executable).with_name("castwarden"))
TIMEOUT = 90.0
FREE_PORTS = ["--port", "0", "--internal-port", "0", "--operator-port", "0", "--kube-port", "0"]


def castwarden(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CASTWARDEN, *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False)


def processes_of(data: Path) -> list[int]:
    """Everything that runs for a data directory: what carries its mark, and PostgreSQL's processes in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{STACK_MARK}={data}".encode() in (entry / "environ").read_bytes().split(b"\0")
            served = str(data).encode() in (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if marked or served:
            found.append(int(entry.name))
    return found


@asynccontextmanager
async def up(data: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`castwarden up` and what it printed."""
    process = await asyncio.create_subprocess_exec(
        CASTWARDEN, "up", "--data", str(data), *FREE_PORTS, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(TIMEOUT):
            printed = (await process.stdout.readuntil(b"Ctrl-C stops it; everything is kept.\n")).decode()
        yield process, printed
    finally:
        if process.returncode is None:
            process.kill()
        await process.stdout.read()
        await process.wait()


async def test_up_says_where_everything_is_shows_the_key_once_and_ends_on_request(folder: Path) -> None:
    data = folder / "data"
    for number, shown in ((signal.SIGINT, True), (signal.SIGTERM, False)):
        async with up(data) as (process, printed):
            assert ("yttr_" in printed) is shown
            assert f"export KUBECONFIG={data / 'kubeconfig'}" in printed
            second = castwarden("up", "--data", str(data), *FREE_PORTS)
            assert second.returncode == 1
            holder = f"another castwarden (process {process.pid}) uses {data}"
            assert second.stderr == f"castwarden: {holder}; stop it or choose another --data\n"
            process.send_signal(number)
            assert await process.wait() == 0
        assert processes_of(data) == []


async def test_a_killed_up_leaves_nothing_running_and_can_be_started_again(folder: Path) -> None:
    data = folder / "data"
    async with up(data) as (process, _):
        process.kill()
        await wait_until(lambda: not processes_of(data), TIMEOUT)
    async with up(data) as (process, printed):
        assert "castwarden is up" in printed
        process.terminate()
        assert await process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["up", "--allow-private", "nonsense"], 2, "does not appear to be an IPv4 or IPv6 network"),
        (["up", "--data", "/dev/null/x"], 1, "castwarden: cannot use /dev/null/x: Not a directory"),
        (["probe", "http://127.0.0.1:9/x", "--for", "soon"], 2, "duration such as 30s"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(arguments: list[str], status: int, said: str) -> None:
    done = castwarden(*arguments)
    assert done.returncode == status
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_definitions_are_printed_written_and_compared(tmp_path: Path) -> None:
    assert castwarden("crds").stdout.count("kind: CustomResourceDefinition") == 3
    assert castwarden("crds", str(tmp_path), "--check").returncode == 1
    assert castwarden("crds", str(tmp_path)).returncode == 0
    assert castwarden("crds", str(tmp_path), "--check").returncode == 0
    (tmp_path / "monitors.yaml").write_text("", "utf-8")
    stale = castwarden("crds", str(tmp_path), "--check")
    assert (stale.returncode, "monitors.yaml" in stale.stderr) == (1, True)


def test_the_version_and_every_command_are_told() -> None:
    assert castwarden("version").stdout.strip()
    told = castwarden("--help").stdout
    for command in ("up", "demo", "probe", "crds", "gateway", "operator", "worker", "migrate", "version"):
        assert command in told
