# SPDX-License-Identifier: Apache-2.0
"""Where programs' output goes: rotation, JSON, what `kubectl logs` reads, and how soon a program is started again."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from castwarden_local.controllers.objects import Object
from castwarden_local.outputs import JsonLog, RotatedFile
from castwarden_local.processes import RestartDelay
from castwarden_local.runner.logs import PodLogs, read
from castwarden_local.standin.interface import LogRequest

POD = {"metadata": {"namespace": "n", "name": "p", "uid": "u"}}


def test_a_full_file_is_set_aside_and_at_most_two_are_kept(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "x.log", limit_bytes=10)
    for number in range(5):
        file.append(f"line {number}\n".encode())
    file.close()
    assert file.path.read_text("utf-8") == "line 4\n"
    assert file.rotated.read_text("utf-8") == "line 3\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log", "x.log.1"]


def test_a_line_that_cannot_be_written_is_counted_and_does_no_harm() -> None:
    file = RotatedFile(Path("/dev/full"))
    file.append(b"lost\n")
    file.close()
    assert file.lost_lines == 1


def test_a_line_that_was_written_in_part_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RotatedFile(tmp_path / "x.log")
    file.append(b"whole\n")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda handle, line: write(handle, line[:2]))
        file.append(b"torn\n")
    file.append(b"after\n")
    file.close()
    assert file.path.read_bytes() == b"whole\nafter\n"
    assert file.lost_lines == 1


def test_what_is_no_json_becomes_json(tmp_path: Path) -> None:
    log = JsonLog(tmp_path, "gateway")
    log(b'{"event": "ready"}')
    log(b"Traceback (most recent call last):")
    log(b"")
    log.close()
    lines = [json.loads(line) for line in log.path.read_text("utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["ready", "Traceback (most recent call last):"]
    assert log.last_lines() == ['{"event": "ready"}', "Traceback (most recent call last):"]


def test_a_program_that_keeps_failing_is_started_ever_later_until_it_has_run_well() -> None:
    delay = RestartDelay(first=0.1, longest=1.0, healthy_after=10)
    assert [delay.after(0.5) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert [delay.after(11), delay.after(0.5)] == [0.1, 0.2]


async def text_of(path: Path, *, running: bool = False, **asked: Any) -> list[str]:
    request = LogRequest("n", "p", **asked)
    return [line.decode() async for line in read(path, request, lambda: running)]


@pytest.fixture
def logs(tmp_path: Path) -> PodLogs:
    return PodLogs(tmp_path)


def written(logs: PodLogs, pod: Object, run: int, *lines: str) -> Path:
    log = logs.begin(pod, "c", run)
    for line in lines:
        log(line.encode())
    log.close()
    found = logs.find(pod, "c", previous=False)
    assert found is not None
    return found


async def test_a_log_is_read_whole_or_from_its_tail(logs: PodLogs) -> None:
    path = written(logs, POD, 0, "one", "two", "three")
    assert await text_of(path) == ["one\n", "two\n", "three\n"]
    assert await text_of(path, tail_lines=2) == ["two\n", "three\n"]
    assert await text_of(path, tail_lines=0) == []
    assert await text_of(path, limit_bytes=6) == ["one\n", "tw"]
    assert await text_of(path, since_seconds=60) == ["one\n", "two\n", "three\n"]


async def test_timestamps_are_shown_on_request(logs: PodLogs) -> None:
    (line,) = await text_of(written(logs, POD, 0, "one"), timestamps=True)
    assert line.endswith("Z one\n")


async def test_the_run_before_is_kept_and_older_ones_are_not(logs: PodLogs) -> None:
    for run in range(4):
        written(logs, POD, run, f"run {run}")
    previous = logs.find(POD, "c", previous=True)
    assert previous is not None
    assert await text_of(previous) == ["run 2\n"]
    assert len(list((logs.directory(POD) / "c").iterdir())) == 2


def test_there_is_no_run_before_the_first(logs: PodLogs) -> None:
    written(logs, POD, 0, "one")
    assert logs.find(POD, "c", previous=True) is None
    assert logs.find(POD, "d", previous=False) is None


@pytest.mark.looptime
async def test_a_follower_sees_new_lines_until_the_run_ends(logs: PodLogs) -> None:
    log = logs.begin(POD, "c", 0)
    log(b"one")
    path = logs.find(POD, "c", previous=False)
    assert path is not None
    looks = 0

    def running() -> bool:
        nonlocal looks
        looks += 1
        if looks in (2, 3):
            log(f"line {looks}".encode())
        return looks < 4

    request = LogRequest("n", "p", follow=True)
    assert [line async for line in read(path, request, running)] == [b"one\n", b"line 2\n", b"line 3\n"]
    log.close()


def test_logs_of_pods_that_are_no_more_are_removed(logs: PodLogs) -> None:
    written(logs, POD, 0, "one")
    written(logs, {"metadata": POD["metadata"] | {"uid": "gone"}}, 0, "one")
    logs.remove_others({"u"})
    assert [path.name for path in logs.root.iterdir()] == ["n_p_u"]
