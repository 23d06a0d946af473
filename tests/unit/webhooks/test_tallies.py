# SPDX-License-Identifier: Apache-2.0
"""Attempts counted into buckets, and what share of them took how long."""

import random
from datetime import UTC, datetime
from uuid import UUID

import pytest
from castwarden_gateway.webhooks.tallies import BOUNDS, Tallies, Tally


def tally(*ms: int) -> Tally:
    made = Tally()
    for one in ms:
        made.add(one)
    return made


def test_a_quantile_is_right_to_its_bucket() -> None:
    rng = random.Random(7)
    times = sorted(int(rng.lognormvariate(4, 1.2)) for _ in range(5000))
    made = tally(*times)
    for share in (0.01, 0.5, 0.95, 0.99, 1.0):
        exact = times[min(len(times) - 1, int(share * len(times)))]
        found = made.quantile(share)
        assert found is not None
        assert exact / 2 - 1 <= found <= exact * 2 + 1


def test_of_nothing_there_is_no_quantile() -> None:
    assert Tally().quantile(0.5) is None


def test_what_took_longer_than_all_bounds_is_told_as_the_last() -> None:
    assert tally(10**9).quantile(0.5) == BOUNDS[-1]


def test_tallies_join_as_if_they_had_been_one() -> None:
    mine, other = tally(1, 20, 300), tally(5, 40_000)
    mine.join(other.attempts, other.ms, other.buckets)
    assert mine == tally(1, 20, 300, 5, 40_000)


@pytest.mark.parametrize("ms", [0, 1, 2, 29_999])
def test_every_time_has_a_bucket(ms: int) -> None:
    assert sum(tally(ms).buckets) == 1


def test_what_could_not_be_added_is_counted_again() -> None:
    tallies, key = Tallies(), (UUID(int=1), datetime.now(UTC), "sent", "", UUID(int=2))
    tallies.put_back({key: tally(5)})
    tallies.put_back({key: tally(7)})
    assert tallies.take() == {key: tally(5, 7)}
    assert tallies.take() == {}
