# SPDX-License-Identifier: Apache-2.0
"""Which snapshot of state counts: the newest by epoch and number, whatever clocks say."""

from datetime import timedelta

import pytest
from castwarden_base.ids import uuid7
from castwarden_gateway.facts.errors import Fenced
from castwarden_gateway.facts.fold import fold
from castwarden_gateway.facts.known import BENEATH

from tests.unit.gateway.folding import (
    MONITOR,
    NOW,
    folded,
    known,
    report,
    transition,
    types,
)


def test_the_newest_snapshot_wins_and_facts_of_older_ones_still_count() -> None:
    state = known()
    newer = report(seq=5, monitor={"stream": "Live"})
    older = report(seq=4, monitor={"stream": "Upcoming"}, transitions=[transition("black", "raised")])
    assert types(folded(state, newer, older)) == ["alert.blackout"]
    assert (state.status["stream"]["state"], state.seq) == ("Live", 5)


def test_a_snapshot_whose_number_was_taken_before_changes_nothing() -> None:
    state = known()
    folded(state, report(seq=5, monitor={"stream": "Live"}), report(seq=5, monitor={"stream": "Ended"}))
    assert state.status["stream"]["state"] == "Live"


@pytest.mark.parametrize("before", ["Live", "Stalled", "Ended"])
def test_what_a_stream_was_is_kept_while_it_cannot_be_looked_at(before: str) -> None:
    state = known()
    folded(state, report(seq=1, monitor={"stream": before}))
    folded(state, *(report(seq=seq, monitor={"stream": "ProbeBlocked"}) for seq in (2, 3)))
    assert state.private[BENEATH] == before
    folded(state, report(seq=4, monitor={"stream": "Live"}))
    assert BENEATH not in state.private


def test_a_stream_keeps_the_time_since_when_it_is_as_it_is() -> None:
    state = known()
    fold(state, report(seq=1, monitor={"stream": "Live"}), MONITOR, set(), NOW)
    fold(state, report(seq=2, monitor={"stream": "Live"}), MONITOR, set(), NOW + timedelta(seconds=9))
    assert state.status["stream"]["since"] == "2026-11-20T12:00:00Z"
    fold(state, report(seq=3, monitor={"stream": "Ended"}), MONITOR, set(), NOW + timedelta(seconds=10))
    assert state.status["stream"]["since"] == "2026-11-20T12:00:10Z"


def test_an_older_epoch_is_fenced_off_unless_it_is_of_the_same_pod() -> None:
    with pytest.raises(Fenced):
        folded(known(epoch=2, pod="pod-2"), report(epoch=1))
    assert types(folded(known(epoch=2), report(epoch=1, transitions=[transition("black", "raised")])))


def test_a_snapshot_of_an_older_epoch_is_ignored_whatever_its_number() -> None:
    state = known(epoch=2, seq=3, status={"stream": {"state": "Live"}})
    folded(state, report(epoch=1, seq=99, monitor={"stream": "Ended"}))
    assert (state.status["stream"]["state"], state.seq) == ("Live", 3)


def test_a_newer_epoch_than_we_know_is_taken_over() -> None:
    state = known(epoch=1, seq=50)
    folded(state, report(epoch=4, seq=0, pod="pod-9", monitor={"stream": "Live"}))
    assert (state.epoch, state.seq, state.pod) == (4, 0, "pod-9")


@pytest.mark.parametrize("newer", [{"epoch": 2, "seq": 0}, {"epoch": 1, "seq": 6}], ids=["epoch", "number"])
def test_the_newest_snapshot_wins_though_its_clock_is_behind(newer: dict[str, int]) -> None:
    state = known()
    ahead = report(seq=5, monitor={"stream": "Live", "last_check_at": NOW + timedelta(hours=1)})
    behind = report(**newer, monitor={"stream": "Ended", "last_check_at": NOW})
    folded(state, ahead, behind, ahead.model_copy(update={"id": uuid7()}))
    assert state.status["stream"]["state"] == "Ended"
    assert state.status["health"]["lastCheckAt"] == "2026-11-20T12:00:00Z"
