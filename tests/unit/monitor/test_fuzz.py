# SPDX-License-Identifier: Apache-2.0
"""Parsers survive what strangers send: what fuzzing once found, and random damage to well-formed input."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

REGRESSIONS = Path(__file__).parents[2] / "fuzz" / "regressions"
FOUND = [path for path in sorted(REGRESSIONS.glob("*/*")) if path.is_file()]
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.binary(max_size=12)), max_size=6)


def survives(target: Target, data: bytes) -> None:
    with suppress(*target.allowed):
        target.run(data)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name[:16]}")
def test_what_fuzzing_found_is_survived(path: Path) -> None:
    survives(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_its_own_seeds_are_read(name: str) -> None:
    for seed in TARGETS[name].seeds():
        survives(TARGETS[name], seed)
    TARGETS[name].run(TARGETS[name].seeds()[0])


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=150, deadline=None, derandomize=True)
@given(edits=EDITS)
def test_damage_to_a_well_formed_input_is_survived(name: str, edits: list[tuple[float, int, bytes]]) -> None:
    for seed in TARGETS[name].seeds():
        data = bytearray(seed)
        for where, cut, put in edits:
            at = int(where * len(data))
            data[at : at + cut] = put
        survives(TARGETS[name], bytes(data))
