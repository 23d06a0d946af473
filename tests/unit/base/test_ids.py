# SPDX-License-Identifier: Apache-2.0
"""UUIDv7: shape and order."""

import time
from datetime import UTC, datetime

import pytest
from castwarden_base import ids
from castwarden_base.ids import derived_uuid7, uuid7


def test_an_id_is_a_version_7_uuid_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert before <= made.int >> 80 <= before + 10_000


def test_ids_strictly_rise_within_a_process() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_rise_even_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = uuid7()
    monkeypatch.setattr("castwarden_base.ids.time.time_ns", lambda: 0)
    assert uuid7() > first


def test_ids_rise_when_a_millisecond_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_tail", (1 << 74) - 1)
    monkeypatch.setattr(ids, "_last_ms", (1 << 47) - 1)
    first = uuid7()
    assert first.int >> 80 == 1 << 47
    assert uuid7() > first


def test_a_derived_id_is_the_same_for_the_same_words_and_lies_at_its_time() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    made = derived_uuid7(noon, "uid-1", "stream.delayed")
    assert made == derived_uuid7(noon, "uid-1", "stream.delayed")
    assert (made.version, made.int >> 80) == (7, int(noon.timestamp() * 1000))
    assert len({made, derived_uuid7(noon, "uid-1stream.delayed"), derived_uuid7(noon, "uid-2", "stream.delayed")}) == 3
