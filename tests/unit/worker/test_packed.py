# SPDX-License-Identifier: Apache-2.0
"""What the seats of one process share, in virtual time; and when that process wants to be replaced."""

import asyncio
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path

import pytest
from castwarden_model.messages import ResourceRef
from castwarden_worker.packed.seat import forget_all_but
from castwarden_worker.packed.shared import Pace
from castwarden_worker.packed.wear import Wear, rss_mib
from castwarden_worker.settings import PackedSettings


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.looptime
async def test_seats_that_are_there_at_once_begin_one_after_the_other() -> None:
    pace, began, starts = Pace(0.1), now(), []

    async def start() -> None:
        await pace.turn()
        starts.append(now() - began)

    await asyncio.gather(*(start() for _ in range(50)))
    assert 2.4 < starts[-1] < 7.5
    assert all(0.04 < later - earlier < 0.16 for earlier, later in pairwise(starts))


@pytest.mark.looptime
async def test_a_seat_that_comes_alone_begins_at_once() -> None:
    pace = Pace(0.1)
    await pace.turn()
    await asyncio.sleep(60)
    began = now()
    await pace.turn()
    assert now() - began < 0.15


@pytest.mark.looptime
async def test_a_process_wants_to_be_replaced_once_it_holds_too_much_and_keeps_to_it() -> None:
    held = 90.0
    wear = Wear(0.0, 100, rss=lambda: held)
    task = asyncio.create_task(wear.run())
    await asyncio.sleep(3600)
    assert wear.reason is None
    held = 120.0
    await asyncio.wait_for(task, 10)
    held = 10.0
    assert wear.reason == "wants to be replaced: it holds 120 MiB, more than 100"


@pytest.mark.looptime
async def test_a_process_wants_to_be_replaced_when_it_is_old() -> None:
    wear, began = Wear(1000.0, 0, rss=lambda: 1e6), now()
    await wear.run()
    assert 1000 < now() - began < 1010
    assert wear.reason
    assert "1005 s old" in wear.reason


@pytest.mark.looptime
async def test_without_limits_a_process_stays() -> None:
    task = asyncio.create_task(Wear(0.0, 0, rss=lambda: 1e6).run())
    await asyncio.sleep(7200)
    assert not task.done()
    task.cancel()


def test_the_memory_of_this_process_is_measured() -> None:
    assert 10 < rss_mib() < 10_000


def test_a_seat_is_told_what_its_only_worker_would_be_told(tmp_path: Path) -> None:
    ref = ResourceRef(kind="Monitor", namespace="media", name="main", uid="uid-1")
    settings = PackedSettings(
        namespace="media",
        gateway_url="http://gateway:8081",
        state_dir=tmp_path,
        pod_name="monitors-default-0",
        outbound_allow=(ip_network("10.0.0.0/8"),),
    )
    seat = settings.of_seat(ref)
    assert seat.resource == ref
    assert seat.state_dir == tmp_path / "seats" / "uid-1"
    assert (seat.pod_name, seat.gateway_url, seat.outbound_allow) == (
        "monitors-default-0",
        "http://gateway:8081",
        (ip_network("10.0.0.0/8"),),
    )


def test_what_seats_left_that_are_elsewhere_now_is_removed(tmp_path: Path) -> None:
    for uid in ("here", "gone"):
        (tmp_path / uid / "outbox").mkdir(parents=True)
    forget_all_but(tmp_path, {"here"})
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
