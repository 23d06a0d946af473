# SPDX-License-Identifier: Apache-2.0
"""The matching rule is strict: too early, too late, wrongly dated, wrongly cleared or told twice is wrong."""

import pytest
from castwarden_model.resources.checks import Checks

from tests.accuracy.cases import Label
from tests.accuracy.rule import Alert, Bounds, Score, judge

CHECKS = Checks.model_validate({"black": {"raiseAfter": "5s", "clearAfter": "2s"}})
BOUNDS = Bounds(segment=2.0, leeway=4.0, seconds=60.0)
LABEL = Label("black", 10, 18)


def test_an_alert_that_is_right_counts_with_its_delay() -> None:
    verdict = judge([LABEL], [Alert("black", 10.04, 16, 20.5, 8.0)], CHECKS, BOUNDS)
    assert verdict.right
    assert verdict.hits == (("black", 1.0),)


@pytest.mark.parametrize(
    "alert",
    [
        Alert("blank", 10, 16, 20.5, 8),
        Alert("black", 10.5, 16, 20.5, 8),
        Alert("black", 10, 14.5, 20.5, 8),
        Alert("black", 10, 19.1, 20.5, 8),
        Alert("black", 10, 16, 19.5, 8),
        Alert("black", 10, 16, 24.1, 8),
        Alert("black", 10, 16, 20.5, 9),
        Alert("black", 10, 16),
    ],
    ids=["other", "wrongly dated", "early", "late", "cleared early", "cleared late", "wrong length", "never cleared"],
)
def test_an_alert_that_is_not_quite_right_is_both_a_false_alarm_and_a_miss(alert: Alert) -> None:
    verdict = judge([LABEL], [alert], CHECKS, BOUNDS)
    assert verdict.false == (alert,)
    assert verdict.missed == (LABEL,)


def test_a_second_alert_for_one_label_is_a_false_alarm() -> None:
    alert = Alert("black", 10, 16, 20.5, 8)
    verdict = judge([LABEL], [alert, alert], CHECKS, BOUNDS)
    assert len(verdict.hits) == len(verdict.false) == 1


@pytest.mark.parametrize(("cleared", "right"), [(None, True), (60.0, True), (40.0, False)])
def test_what_lasts_to_the_end_is_not_cleared_before(cleared: float | None, right: bool) -> None:
    verdict = judge([Label("black", 10)], [Alert("black", 10, 16, cleared, 30)], CHECKS, BOUNDS)
    assert verdict.right is right


def test_scores_are_shares_of_alerts_and_labels() -> None:
    score = Score()
    score.add(judge([LABEL, Label("black", 40, 50)], [Alert("black", 10, 16, 20.5, 8)], CHECKS, BOUNDS))
    score.add(judge([], [Alert("black", 1, 2)], CHECKS, BOUNDS))
    assert (score.precision("black"), score.recall("black"), score.f1("black")) == (0.5, 0.5, 0.5)
    assert score.delay("black") == (1.0, 1.0)
