# SPDX-License-Identifier: Apache-2.0
"""A dozen cases of contents, every transport case, and some minutes of clean footage. `make accuracy` plays it all."""

import pytest

from tests.accuracy.clean import play_clean
from tests.accuracy.corpus import BY_NAME, CASES, transports
from tests.accuracy.play import play
from tests.accuracy.transport import play_transport

SOME = (
    "black just under, 4 s ts",
    "black just over, 4 s ts",
    "black from the start",
    "freeze just over, 1 s fmp4",
    "a card from the start, hardly any bits",
    "a slow pan",
    "blank just over, 4 s fmp4 apart",
    "silence just over, 4 s apart",
    "quiet speech at -45 dBFS",
    "left channel off",
    "sound is gone",
    "pictures are gone from fMP4",
    "sound is late by 0.8 s",
)
LINES = {
    *("reload pacing", "staleness", "sequence regression", "sequence jump", "changed URIs", "discontinuity sequence"),
    *("target duration", "window", "PDT", "latency", "variants", "variant drift", "segment HTTP", "gap tag", "ENDLIST"),
    *("playlist type", "LL-HLS", "PTS continuity"),
}


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len(CASES) >= 40
    assert len(BY_NAME) == len(CASES)
    assert len(transports()) >= 25


def test_transport_cases_cover_the_checks_of_a_playlist() -> None:
    assert {case.line for case in transports().values()} >= LINES


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("depth", ["Adaptive", "Full"])
def test_alerts_are_those_of_the_script(name: str, depth: str) -> None:
    played = play(BY_NAME[name], depth)
    assert played.verdict.right, "\n".join(map(str, (*played.verdict.missed, *played.alerts)))
    assert played.segment_errors == 0


@pytest.mark.parametrize("name", transports())
def test_what_is_told_of_a_transport_is_what_happened(name: str) -> None:
    result = play_transport(transports()[name])
    assert result.right, "\n".join(map(str, (*result.faults, *result.verdict.missed, *result.verdict.false)))


def test_minutes_of_clean_footage_give_no_alert() -> None:
    result = play_clean("Adaptive", hours=0.2, length=64.0)
    assert result.right, "\n".join(map(str, (*result.faults, *result.verdict.false)))
