# SPDX-License-Identifier: Apache-2.0
"""How long to wait before trying again."""

import random
from collections.abc import Iterator


def backoff(first: float = 0.5, cap: float = 60.0, factor: float = 2.0) -> Iterator[float]:
    """Endless waits in seconds with full jitter: each uniform in [0, min(cap, first * factor**n)].

    Start a new iterator after a success. Source: Brooker, "Exponential backoff and jitter" (AWS, 2015).
    """
    ceiling = first
    while True:
        yield random.uniform(0, ceiling)  # noqa: S311 - spreads load, protects nothing
        ceiling = min(cap, ceiling * factor)
