# SPDX-License-Identifier: Apache-2.0
"""Child processes and what they may take."""

from pathlib import Path

import pytest
from castwarden_worker.children import MEMORY, ChildFailed, allowance, ask

from .conftest import SECONDS


async def test_a_child_that_wants_too_much_memory_ends_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent)  # where -m finds it
    assert await ask("greedy_child", {"bytes": MEMORY // 2}, tmp_path, SECONDS) == {"taken": MEMORY // 2}
    with pytest.raises(ChildFailed, match="more than 1024 MiB of memory"):
        await ask("greedy_child", {"bytes": MEMORY}, tmp_path, SECONDS)


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [
        ("max", MEMORY),
        ("9223372036854771712", MEMORY),  # how cgroup v1 says that there is none
        (str(4 * 2**30), MEMORY),
        (str(2**30), 832 * 2**20),
        (str(512 * 2**20), 320 * 2**20),
        (str(64 * 2**20), 256 * 2**20),
    ],
)
def test_a_child_may_have_what_its_container_has_beside_the_worker(tmp_path: Path, limit: str, allowed: int) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    assert allowance([tmp_path / "absent", tmp_path / "memory.max"]) == allowed


def test_without_a_container_a_child_may_have_its_usual_memory(tmp_path: Path) -> None:
    assert allowance([tmp_path / "absent"]) == MEMORY
