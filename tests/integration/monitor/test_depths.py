# SPDX-License-Identifier: Apache-2.0
"""Looking rarely and looking back finds what decoding every frame finds, and finds it no later."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from castwarden_local.origin.encode import Encoded, Recipe, Stretch, encode
from castwarden_model.resources.checks import Checks
from castwarden_model.resources.monitor import Depth
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.episode import Change
from castwarden_worker.monitor.media import read_init
from castwarden_worker.monitor.playlist import Segment
from castwarden_worker.monitor.sight.analyzer import Analyzer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

FRAME = 1 / 25
WINDOW = 0.1 + 2 * 1024 / 48_000  # sound is measured in windows of whole AAC frames
RAISE = {"black": 6.0, "freeze": 8.0, "silence": 6.0}
CLEAR = 2.0


def checks(scale: int) -> Checks:
    """The longer the times, the rarer the looks."""
    times = {
        name: {"raiseAfter": f"{scale * after:g}s", "clearAfter": f"{scale * CLEAR:g}s"}
        for name, after in RAISE.items()
    }
    return Checks.model_validate(times)


KINDS: dict[str, Callable[[float], Stretch]] = {
    "motion": Stretch,
    "black": lambda seconds: Stretch(seconds, look="black"),
    "frozen": lambda seconds: Stretch(seconds, frozen=True),
    "silent": lambda seconds: Stretch(seconds, heard="none"),
}


@dataclass(frozen=True)
class Found:
    """A change, and with which segment it was told."""

    segment: int
    change: Change

    @property
    def words(self) -> str:
        return f"{self.change.condition} {'raised' if self.change.raised else 'cleared'}"

    def agrees(self, other: "Found") -> bool:
        exactly = WINDOW if self.change.condition == "silence" else FRAME
        apart = abs(self.change.at.media - other.change.at.media)
        return apart <= exactly + 0.01 and abs(self.change.duration - other.change.duration) <= 2 * exactly + 0.01


def look(encoded: Encoded, depth: Depth, settings: Checks) -> list[Found]:
    """What one depth finds in finished media."""
    analyzer = Analyzer(CheckSet(settings))
    analyzer.set_depth(depth)
    section = encoded.main.segments[0].init
    init = read_init((encoded.folder / section.uri).read_bytes()) if section else None
    found, wall = [], 1e9
    for number, segment in enumerate(encoded.main.segments):
        data = (encoded.folder / segment.uri).read_bytes()
        analysis = analyzer.analyze(Segment(number, "x", segment.duration), data, init, wall)
        wall += segment.duration
        found += [Found(number, change) for change in analysis.changes]
    return sorted(found, key=lambda one: (one.change.condition, one.change.at.media))


def is_clear(script: list[tuple[str, int]]) -> bool:
    """Whether no run, of a fault or between two, is within a few frames of a time at which something changes."""
    for kind, limit in (("black", 150), ("frozen", 200), ("silent", 150)):
        for bad, run in groupby(script, lambda stretch, kind=kind: stretch[0] == kind):  # type: ignore[misc]
            frames = sum(length for _, length in run)
            if abs(frames - (limit if bad else 50)) < 10:
                return False
    return True


SCRIPTS = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(8, 300)), min_size=3, max_size=6).filter(
    is_clear
)  # stretches of so many frames


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # every example takes a second: none is left for making a failing one small
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    script=SCRIPTS,
    gop=st.sampled_from([10, 25, 48, 100]),
    segment=st.sampled_from([1.0, 2.0, 4.0]),
    container=st.sampled_from(["ts", "fmp4"]),
    scale=st.sampled_from([1, 2]),
)
def test_adaptive_depth_finds_what_full_depth_finds_and_no_later(
    script: list[tuple[str, int]], gop: int, segment: float, container: str, scale: int
) -> None:
    recipe = Recipe(
        width=64,
        height=36,
        segment_seconds=segment,
        gop_seconds=gop / 25,
        bitrate=100_000,
        container=container,  # type: ignore[arg-type]
    )
    stretches = [Stretch(2), *(KINDS[kind](scale * frames / 25) for kind, frames in script), Stretch(4 * scale)]
    with tempfile.TemporaryDirectory() as folder:
        encoded = encode(stretches, recipe, Path(folder) / "media")
        rare, whole = (look(encoded, depth, checks(scale)) for depth in ("Adaptive", "Full"))
    assert [one.words for one in rare] == [one.words for one in whole]
    for ours, theirs in zip(rare, whole, strict=True):
        assert ours.agrees(theirs), (ours, theirs)
        assert ours.segment <= theirs.segment
