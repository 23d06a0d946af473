# SPDX-License-Identifier: Apache-2.0
"""Durations read and write the way people do."""

from datetime import timedelta

import pytest
from castwarden_model.durations import format_duration, parse_duration
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("2h3m4s", 7384), ("0s", 0)]
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "-5s", "5 s", "5d", "1e3s", "30s\n"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**10))
def test_writing_and_reading_gives_the_same_duration(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration
