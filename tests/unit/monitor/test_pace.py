# SPDX-License-Identifier: Apache-2.0
"""When a playlist is loaded again."""

import pytest
from castwarden_worker.monitor.follow.loader import Pace


def test_the_first_load_does_not_wait() -> None:
    assert Pace().wait(1000.0) == 0.0


def test_reloads_wait_the_target_duration_after_a_change_and_half_of_it_after_none() -> None:
    pace = Pace()
    pace.loaded(100, 4.0, new=True)
    assert (pace.wait(100), pace.wait(103), pace.wait(105)) == (4.0, 1.0, 0.0)
    pace.loaded(104, 4.0, new=False)
    assert pace.wait(104) == 2.0


def test_failed_reloads_are_tried_again_ever_more_patiently() -> None:
    pace = Pace()
    pace.loaded(0, 2.0, new=True)
    waits = []
    for _ in range(2000):
        pace.failed(0)
        waits.append(pace.wait(0))
    assert waits[:5] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert waits[-1] == 5.0


def test_a_load_after_failures_makes_it_impatient_again() -> None:
    pace = Pace()
    for _ in range(9):
        pace.failed(0)
    pace.loaded(0, 2.0, new=True)
    pace.failed(0)
    assert pace.wait(0) == 1.0


@pytest.mark.parametrize("target", [0.0, 0.001])
def test_a_target_duration_next_to_zero_is_no_busy_loop(target: float) -> None:
    pace = Pace()
    pace.loaded(0, target, new=False)
    assert pace.wait(0) == 0.3
