# SPDX-License-Identifier: Apache-2.0
"""Backoff: grows, is jittered, is bounded."""

from itertools import islice

import pytest
from castwarden_base.retry import backoff


def test_waits_lie_between_zero_and_a_doubling_ceiling() -> None:
    for _ in range(200):
        waits = list(islice(backoff(first=1, cap=10), 6))
        assert all(0 <= wait <= ceiling for wait, ceiling in zip(waits, (1, 2, 4, 8, 10, 10), strict=True))


def test_the_whole_range_is_used_so_that_many_clients_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("castwarden_base.retry.random.uniform", lambda _low, high: high)
    assert list(islice(backoff(first=0.5, cap=60), 9)) == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    monkeypatch.setattr("castwarden_base.retry.random.uniform", lambda low, _high: low)
    assert set(islice(backoff(first=0.5, cap=60), 9)) == {0}
