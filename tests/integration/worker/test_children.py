# SPDX-License-Identifier: Apache-2.0
"""Child processes and what they may take."""

from pathlib import Path

import pytest
from castwarden_worker.children import MEMORY, ChildFailed, ask

from .conftest import SECONDS


async def test_a_child_that_wants_too_much_memory_ends_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent)  # where -m finds it
    assert await ask("greedy_child", {"bytes": MEMORY // 2}, tmp_path, SECONDS) == {"taken": MEMORY // 2}
    with pytest.raises(ChildFailed, match="more than 1024 MiB of memory"):
        await ask("greedy_child", {"bytes": MEMORY}, tmp_path, SECONDS)
