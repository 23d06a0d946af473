# SPDX-License-Identifier: Apache-2.0
"""How far a worker's clock is off, and when that is told."""

import pytest
from castwarden_gateway.internal.clocks import OFF, Clocks
from castwarden_model.messages import ResourceRef

NOW = 1_800_000_000.0


def ref(name: str) -> ResourceRef:
    return ResourceRef(kind="Monitor", namespace="media", name=name, uid=f"uid-{name}")


def clocks() -> Clocks:
    return Clocks(lambda: NOW)


@pytest.mark.parametrize(
    ("given", "offset"),
    [
        (f"{NOW + 95.5}", 95.5),
        (f"{NOW - 95.5}", -95.5),
        (f"{NOW}", 0.0),
        (None, 0.0),
        ("", 0.0),
        ("noon", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
    ],
)
def test_an_offset_is_what_the_worker_says_less_our_time(given: str | None, offset: float) -> None:
    assert clocks().offset(ref("one"), given) == pytest.approx(offset)


def test_clocks_that_are_off_are_counted_until_they_are_right_again_or_gone() -> None:
    told = clocks()
    for name, ahead in (("one", 31), ("two", -31), ("three", 29)):
        told.offset(ref(name), str(NOW + ahead))
    assert OFF._value.get() == 2
    told.offset(ref("one"), str(NOW + 60))
    assert OFF._value.get() == 2
    told.offset(ref("one"), str(NOW))
    assert OFF._value.get() == 1
    told.forget("uid-two")
    assert OFF._value.get() == 0
