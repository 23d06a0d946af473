# SPDX-License-Identifier: Apache-2.0
"""How a feed has segments analysed: beside the event loop, and with or without decoding."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..sight.analyzer import Analysis

Examination = Callable[[], Analysis]


@dataclass(frozen=True, slots=True)
class Decoding:
    """`run` gives an examination to a thread; `allowed` tells whether anything may be decoded now."""

    run: Callable[[Examination], Awaitable[Analysis]] = asyncio.to_thread
    allowed: Callable[[], bool] = lambda: True
