# SPDX-License-Identifier: Apache-2.0
"""Waits for something outside this process to become true: a child that starts, a file that appears."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def wait_until(condition: Callable[[], Awaitable[T]], timeout: float, interval: float = 0.05) -> T: ...
@overload
async def wait_until(condition: Callable[[], T], timeout: float, interval: float = 0.05) -> T: ...
async def wait_until(condition: Callable[[], Any], timeout: float, interval: float = 0.05) -> Any:
    """Asks every `interval` seconds until the answer is truthy and returns it; TimeoutError after `timeout` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        found = condition()
        answer = await found if inspect.isawaitable(found) else found
        if answer:
            return answer
        if loop.time() >= deadline:
            name = getattr(condition, "__name__", repr(condition))
            raise TimeoutError(f"{name} did not come true within {timeout:g} s (last answer {answer!r})")
        await asyncio.sleep(interval)
