# SPDX-License-Identifier: Apache-2.0
"""Names are looked up beside everything else."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from castwarden_base import names
from castwarden_base.names import Names, look_up
from castwarden_base.waiting import wait_until

REAL = socket.getaddrinfo


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """Name servers of *.dead.example that never answer. Counts who waits for them."""
    over, waiting = threading.Event(), threading.Semaphore(0)

    def answer(host: str, port: int, family: int, kind: int, *, flags: int) -> Any:
        if flags & socket.AI_NUMERICHOST or not host.endswith(".dead.example"):
            return REAL(host, port, family, kind, flags=flags)
        waiting.release()
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    yield waiting
    over.set()


async def test_names_lead_to_addresses() -> None:
    assert ("127.0.0.1", 80) in [sockaddr[:2] for *_, sockaddr in await look_up("localhost", 80)]
    found = await Names().resolve("localhost", 8080, socket.AF_INET)
    assert ("127.0.0.1", 8080) in [(one["host"], one["port"]) for one in found]


async def test_dead_name_servers_take_no_thread_of_the_loop_and_keep_no_address_waiting(
    dead: threading.Semaphore,
) -> None:
    asked = [asyncio.create_task(look_up(f"{number}.dead.example", 80)) for number in range(64)]
    await wait_until(lambda: dead.acquire(blocking=False), 30)
    assert await asyncio.to_thread(lambda: "decoded") == "decoded"
    assert (await look_up("192.0.2.1", 80))[0][4] == ("192.0.2.1", 80)
    assert not any(task.done() for task in asked)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.usefixtures("dead")
async def test_a_name_that_nobody_answers_for_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_SECONDS", 0.1)
    with pytest.raises(OSError, match=r"the name a\.dead\.example cannot be resolved in time"):
        await look_up("a.dead.example", 80)
