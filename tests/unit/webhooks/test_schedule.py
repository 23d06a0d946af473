# SPDX-License-Identifier: Apache-2.0
"""What becomes of a delivery after each sort of answer."""

from datetime import UTC, datetime
from typing import Any

import pytest
from castwarden_gateway.webhooks.schedule import Verdict, decide, parse_retry_after

MINUTE, HOUR = 60, 3600


def waits(policy: Any) -> list[float]:
    """The waits of a delivery whose every attempt is answered with 500."""
    found: list[float] = []
    while (verdict := decide(policy, len(found) + 1, 500, spread=lambda: 1.0)).outcome == "failed":
        found.append(verdict.wait)
    assert verdict == Verdict("dead")
    return found


def test_the_seeds_five_waits_are_all_used() -> None:
    assert waits("seed") == [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 24 * HOUR]


def test_the_standard_policy_makes_ten_attempts_over_three_days() -> None:
    found = waits("standard")
    assert found[:3] == [5, 5 * MINUTE, 30 * MINUTE]
    assert len(found) == 9
    assert sum(found) == 75 * HOUR + 35 * MINUTE + 5


def test_all_waits_of_a_policy_of_ones_own_are_used() -> None:
    own = [1.0, 2.5, 600.0]
    found = [decide("custom", attempt, 500, spread=lambda: 1.0, custom=own) for attempt in (1, 2, 3, 4)]
    assert [verdict.wait for verdict in found[:3]] == own
    assert found[3] == Verdict("dead")


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_success(status: Any) -> None:
    assert decide("standard", 1, status) == Verdict("sent")


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 302, 307, 308, 400, 404, 500])
def test_everything_else_is_tried_again_redirects_included(status: Any) -> None:
    verdict = decide("standard", 1, status)
    assert verdict.outcome == "failed"
    assert verdict.pause == 0


def test_gone_ends_the_delivery_and_the_endpoint() -> None:
    assert decide("standard", 1, 410) == Verdict("dead", disable=True)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_throttling_answer_rests_the_whole_endpoint_for_as_long_as_it_asks(status: Any) -> None:
    verdict = decide("standard", 1, status, retry_after=120.0)
    assert verdict.outcome == "failed"
    assert verdict.pause == 120.0
    assert verdict.wait == 120.0
    assert 0 < decide("standard", 1, status).pause < 60


def test_retry_after_lengthens_a_wait_and_never_shortens_it() -> None:
    assert decide("seed", 1, 503, retry_after=1.0, spread=lambda: 1.0).wait == MINUTE
    assert decide("seed", 1, 503, retry_after=600.0, spread=lambda: 1.0).wait == 600


def test_a_receiver_cannot_park_its_endpoint_for_ever() -> None:
    verdict = decide("standard", 1, 503, retry_after=1e9)
    assert verdict.pause <= HOUR
    assert verdict.wait <= 24 * HOUR


def test_waits_spread_by_a_fifth() -> None:
    found = {decide("seed", 1, 500).wait for _ in range(200)}
    assert 48 <= min(found) < 54
    assert 66 < max(found) <= 72


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("9" * 5000, 999999999.0),
        ("Fri, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, datetime(2026, 11, 20, 12, tzinfo=UTC)) == seconds
