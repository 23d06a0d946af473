# SPDX-License-Identifier: Apache-2.0
"""wait_until, in virtual time."""

import asyncio

import pytest
from castwarden_base.waiting import wait_until


@pytest.mark.looptime
async def test_it_returns_the_first_truthy_answer() -> None:
    answers = iter([0, None, "", 7])
    assert await wait_until(lambda: next(answers), 5) == 7


@pytest.mark.looptime
async def test_it_asks_coroutines_too() -> None:
    async def ask() -> str:
        await asyncio.sleep(1)
        return "yes"

    assert await wait_until(ask, 5) == "yes"


@pytest.mark.looptime
async def test_it_gives_up_and_names_the_condition() -> None:
    def never_ready() -> bool:
        return False

    with pytest.raises(TimeoutError, match="never_ready"):
        await wait_until(never_ready, 2)
    assert asyncio.get_running_loop().time() >= 2
