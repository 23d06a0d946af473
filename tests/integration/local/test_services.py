# SPDX-License-Identifier: Apache-2.0
"""A process that lives and no longer answers is ended, so that its supervisor starts it again."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from castwarden_base.waiting import wait_until
from castwarden_local.processes import Command, Supervised
from castwarden_local.services import choose_port, kill_when_hung


async def test_a_hung_process_is_started_again_and_a_healthy_one_is_left_alone(tmp_path: Path) -> None:
    port = choose_port(0, "--port")
    (tmp_path / "healthz").write_text("ok")
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    server = Supervised("server", lambda: Command(argv, {"PATH": os.defpath}, cwd=tmp_path), lambda _: None)
    server.start()
    watching = asyncio.create_task(
        kill_when_hung("server", f"http://127.0.0.1:{port}/healthz", server, every=0.5, misses=3)
    )
    try:
        first = await wait_until(lambda: server.pid, timeout=10)
        await asyncio.sleep(3)  # healthy for twice the time that a hung process is given
        assert first is not None
        assert server.pid == first
        os.kill(first, signal.SIGSTOP)
        await wait_until(lambda: server.pid not in (None, first), timeout=30)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await server.stop()


def test_a_port_that_is_chosen_is_never_one_that_an_outgoing_connection_may_take_meanwhile() -> None:
    lowest, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(choose_port(0, "--port") < lowest for _ in range(50))
