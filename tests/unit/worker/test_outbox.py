# SPDX-License-Identifier: Apache-2.0
"""The outbox: order, durability, what may give way, a full disk."""

import asyncio
import errno
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from castwarden_base.ids import uuid7
from castwarden_model.messages import (
    DownloadAttempt,
    DownloadFailure,
    DownloadObservation,
    MonitorObservation,
    Occurrence,
    Report,
    ResourceRef,
    VideoSeen,
)
from castwarden_model.resources import StreamState
from castwarden_model.resources.downloadjob import DownloadProgress
from castwarden_worker import outbox as module
from castwarden_worker.outbox import UNSAVED, WAITING, Outbox, is_snapshot_only

NOW = datetime(2026, 11, 20, tzinfo=UTC)
REF = ResourceRef(kind="Monitor", namespace="media", name="one", uid="uid-1")


def report(seq: int, **parts: Any) -> Report:
    return Report(id=uuid7(), resource=REF, epoch=1, seq=seq, **parts)


def snapshot(seq: int) -> Report:
    return report(seq, monitor=MonitorObservation(stream=StreamState.LIVE))


def fact(seq: int) -> Report:
    return report(seq, occurrences=[Occurrence(id=uuid7(), type="stream.started", at=NOW, data={"title": "T"})])


def opened(folder: Path) -> Outbox:
    box = Outbox(folder)
    box.open()
    return box


async def sequence(box: Outbox) -> list[int]:
    """Takes everything out, in the order in which it would be sent."""
    found = []
    while len(box):
        entry = await box.first()
        assert Report.model_validate_json(entry.body()).seq == entry.seq
        found.append(entry.seq)
        await box.remove(entry)
    return found


async def test_reports_leave_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    box = opened(tmp_path)
    for seq in (9, 10, 11):
        await box.add(fact(seq))
    assert await sequence(box) == [9, 10, 11]


async def test_a_new_process_takes_up_what_is_left(tmp_path: Path) -> None:
    box = opened(tmp_path)
    kept = [fact(9), fact(10)]
    for one in kept:
        await box.add(one)
    again = Outbox(tmp_path)
    assert again.open() == kept
    assert await sequence(again) == [9, 10]
    assert list(tmp_path.iterdir()) == []


async def test_a_half_written_file_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.tmp").write_bytes(b'{"id"')
    assert Outbox(tmp_path).open() == []
    assert list(tmp_path.iterdir()) == []


async def test_an_unreadable_file_is_set_aside_and_does_not_hold_up_the_others(tmp_path: Path) -> None:
    await opened(tmp_path).add(fact(2))
    (tmp_path / "00000000000000000001.json").write_text("{}")
    box = opened(tmp_path)
    assert await sequence(box) == [2]
    assert [path.name for path in tmp_path.iterdir()] == ["00000000000000000001.bad"]


async def test_a_snapshot_gives_way_to_the_next_one_so_that_hours_of_them_take_no_room(tmp_path: Path) -> None:
    box = opened(tmp_path)
    await box.add(fact(1))
    for seq in range(2, 100):
        await box.add(snapshot(seq))
    assert len(list(tmp_path.iterdir())) == 2
    assert await sequence(box) == [1, 99]


async def test_facts_never_give_way(tmp_path: Path) -> None:
    box = opened(tmp_path)
    for seq in range(1, 9, 2):
        await box.add(fact(seq))
        await box.add(snapshot(seq + 1))
    assert await sequence(box) == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_the_first_report_never_gives_way_because_it_may_be_on_its_way(tmp_path: Path) -> None:
    box = opened(tmp_path)
    await box.add(snapshot(1))
    sending = await box.first()
    await box.add(snapshot(2))
    await box.add(snapshot(3))
    await box.remove(sending)
    assert await sequence(box) == [3]


@pytest.mark.parametrize(
    ("parts", "superfluous"),
    [
        ({"monitor": MonitorObservation(stream=StreamState.LIVE)}, True),
        ({"download": DownloadObservation(progress=DownloadProgress(bytes=1))}, True),
        ({"videos": [VideoSeen(media_id="a", title="b", url="https://example.com/")]}, False),
        ({"download": DownloadObservation(failure=DownloadFailure(reason="a", message="b", final=True))}, False),
        (
            {
                "download": DownloadObservation(
                    attempts=[DownloadAttempt(id=uuid7(), client="web", started_at=NOW, finished_at=NOW)]
                )
            },
            False,
        ),
    ],
)
def test_what_a_later_snapshot_makes_superfluous(parts: dict[str, Any], superfluous: bool) -> None:
    assert is_snapshot_only(report(1, **parts)) is superfluous


async def test_a_full_disk_keeps_reports_in_memory_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = UNSAVED._value.get(), WAITING._value.get()  # of all outboxes of this process
    box = opened(tmp_path)
    await box.add(fact(1))

    def full(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_durably", full)
        await box.add(fact(2))
        await box.add(fact(3))
    assert "No space left on device" in (box.trouble() or "")
    assert UNSAVED._value.get() - before[0] == 2
    assert WAITING._value.get() - before[1] == 3
    assert len(list(tmp_path.iterdir())) == 1
    assert await sequence(box) == [1, 2, 3]
    assert box.trouble() is None
    box.close()
    assert (UNSAVED._value.get(), WAITING._value.get()) == before


async def test_once_there_is_room_again_the_next_report_saves_those_before_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = opened(tmp_path)

    def full(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_durably", full)
        await box.add(fact(1))
    assert box.trouble()
    await box.add(fact(2))
    assert box.trouble() is None
    assert [one.seq for one in Outbox(tmp_path).open()] == [1, 2]


async def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("castwarden_worker.outbox.os.fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        module.write_durably(tmp_path / "a.json", b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.looptime
async def test_waiting_for_the_first_report_and_for_the_last_to_go(tmp_path: Path) -> None:
    box = opened(tmp_path)
    await box.emptied()
    first = asyncio.create_task(box.first())
    await asyncio.sleep(0)
    assert not first.done()
    await box.add(fact(1))
    entry = await first
    emptied = asyncio.create_task(box.emptied())
    await asyncio.sleep(0)
    assert not emptied.done()
    await box.remove(entry)
    await emptied
