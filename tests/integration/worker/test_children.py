# SPDX-License-Identifier: Apache-2.0
"""Child processes and what they may take."""

from functools import partial
from pathlib import Path

import pytest
from castwarden_worker import children
from castwarden_worker.children import ChildFailed, ask
from castwarden_worker.memory import MEMORY, allowance, stream_children

from .conftest import SECONDS


async def test_a_child_that_wants_too_much_memory_ends_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent)  # where -m finds it
    assert await ask("greedy_child", {"bytes": MEMORY // 2}, tmp_path, SECONDS) == {"taken": MEMORY // 2}
    with pytest.raises(ChildFailed, match="more than 1024 MiB of memory"):
        await ask("greedy_child", {"bytes": MEMORY}, tmp_path, SECONDS)


async def test_children_that_run_at_once_share_their_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.setattr(children, "allowance", partial(allowance, limits=[_limit(tmp_path, 2**30)], held=lambda: 0))
    with pytest.raises(ChildFailed, match="more than 277 MiB of memory"):
        await ask("greedy_child", {"bytes": MEMORY // 2}, tmp_path, SECONDS, at_once=3)
    assert await ask("greedy_child", {"bytes": MEMORY // 2}, tmp_path, SECONDS) == {"taken": MEMORY // 2}


@pytest.mark.parametrize(
    ("limit", "held", "at_once", "allowed"),
    [
        ("max", 0, 1, 1024),
        ("9223372036854771712", 0, 3, 1024),  # how cgroup v1 says that there is none
        (4 * 2**30, 100, 1, 1024),
        (4 * 2**30, 100, 4, 976),
        (2**30, 100, 1, 832),
        (2**30, 100, 3, 277),
        (2**30, 400, 1, 560),
        (2**30, 400, 3, 186),
        (2**30, 900, 3, 128),
        (512 * 2**20, 100, 1, 320),
        (64 * 2**20, 100, 1, 128),
    ],
)
def test_a_child_may_have_its_part_of_what_the_container_has_beside_the_worker(
    tmp_path: Path, limit: int | str, held: int, at_once: int, allowed: int
) -> None:
    limits = [tmp_path / "absent", _limit(tmp_path, limit)]
    assert allowance(at_once, limits, lambda: held * 2**20) // 2**20 == allowed


def test_without_a_container_a_child_may_have_its_usual_memory(tmp_path: Path) -> None:
    assert allowance(3, [tmp_path / "absent"]) == MEMORY


@pytest.mark.parametrize(("limit", "most"), [(2**30, 8), (4 * 2**30, 40), (256 * 2**20, 2)])
def test_as_many_streams_are_read_by_children_as_there_is_memory_for(tmp_path: Path, limit: int, most: int) -> None:
    assert stream_children([_limit(tmp_path, limit)]) == most


def test_without_a_container_the_memory_is_the_machines(tmp_path: Path) -> None:
    assert stream_children([_limit(tmp_path, "max")]) >= 2


def _limit(folder: Path, limit: int | str) -> Path:
    path = folder / "memory.max"
    path.write_text(f"{limit}\n")
    return path
