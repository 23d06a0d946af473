# SPDX-License-Identifier: Apache-2.0
"""Who cannot keep up looks less deeply, loses no media time, and comes back to what was let pass."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from castwarden_local.origin.encode import Recipe, Stretch, encode
from castwarden_model.resources.checks import Checks
from castwarden_model.resources.monitor import Depth
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.playlist import Segment
from castwarden_worker.monitor.sight import ears, groups
from castwarden_worker.monitor.sight.analyzer import Analysis, Analyzer

SECONDS = 2.0
SCRIPT = [Stretch(8.4), Stretch(7, look="black", heard="none"), Stretch(8.6)]
CHECKS = Checks.model_validate({"black": {"raiseAfter": "4s"}, "silence": {"raiseAfter": "4s"}})
Run = Callable[..., tuple[Analyzer, list[Analysis]]]


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder: Path = tmp_path_factory.mktemp("shallow") / "media"
    encoded = encode(SCRIPT, Recipe(width=160, height=90, segment_seconds=SECONDS, gop_seconds=1.0), folder)
    return [(encoded.folder / segment.uri).read_bytes() for segment in encoded.main.segments]


@pytest.fixture
def run(segments: list[bytes]) -> Run:
    """Analyses the whole script, the segments with these numbers by structure only."""

    def analyse(shallow: Sequence[int], depth: Depth = "Adaptive") -> tuple[Analyzer, list[Analysis]]:
        analyzer = Analyzer(CheckSet(CHECKS))
        analyzer.set_depth(depth)
        found = [
            analyzer.analyze(
                Segment(number, "x", SECONDS), data, None, 1e9 + SECONDS * number, shallow=number in shallow
            )
            for number, data in enumerate(segments)
        ]
        return analyzer, found

    return analyse


def changes(found: list[Analysis]) -> list[tuple[str, bool, float]]:
    told = [change for analysis in found for change in analysis.changes]
    return sorted((change.condition, change.raised, round(change.at.media, 2)) for change in told)


@pytest.mark.parametrize("depth", ["Adaptive", "Keyframes", "Full"])
def test_a_shallow_analysis_decodes_nothing_and_accounts_for_the_segment(
    run: Run, segments: list[bytes], depth: Depth
) -> None:
    analyzer, found = run(range(len(segments)), depth)
    assert analyzer.eyes.decoded == 0
    assert analyzer.ears.tried == 0
    assert changes(found) == []
    assert [analysis.seen.at.media for analysis in found] == pytest.approx(
        [SECONDS * number for number in range(len(segments))], abs=0.1
    )
    assert all(analysis.seen.shallow and analysis.seen.video and analysis.seen.audio for analysis in found)


def test_what_was_let_pass_is_looked_at_when_there_is_time_again(run: Run) -> None:
    _, deep = run(())
    _, caught_up = run((4, 5, 6))
    assert len(changes(deep)) == 4
    assert changes(caught_up) == changes(deep)
    assert all(not analysis.changes for analysis in caught_up[4:7])


@pytest.mark.parametrize("depth", ["Keyframes", "Full"])
def test_deeper_looks_go_on_after_a_pause(run: Run, depth: Depth) -> None:
    _, found = run((1, 2), depth)
    assert [change[:2] for change in changes(found)] == [
        ("black", False),
        ("black", True),
        ("silence", False),
        ("silence", True),
    ]
    assert all(analysis.seen.error is None for analysis in found)


def test_what_is_kept_is_bounded(run: Run, segments: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_MAX_KEPT", 30_000)
    monkeypatch.setattr(ears, "_MAX_KEPT", 30_000)
    analyzer, _ = run(range(len(segments)))
    assert 0 < analyzer.eyes.kept <= 30_000 + max(map(len, segments))
    assert 0 < analyzer.ears.kept <= 30_000 + max(map(len, segments))
    assert analyzer.eyes.kept < sum(map(len, segments)) / 2
