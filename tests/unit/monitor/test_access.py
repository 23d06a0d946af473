# SPDX-License-Identifier: Apache-2.0
"""How far an access unit is read to tell whether decoding can begin there."""

import pytest
from castwarden_worker.monitor.media import access
from castwarden_worker.monitor.media.access import is_key

SEI, RECOVERY, WAIT = b"\0\0\1\6", b"\6\1\x80\x80", b"\6\1\x00\x80"
IDR, SLICE = b"\0\0\1\x65aa", b"\0\0\1\x41aa"


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (IDR, True),
        (SLICE, False),
        (SEI + RECOVERY + SLICE, True),
        (SEI + WAIT + SLICE, False),
        (SEI + b"\5\1a\x80" + SEI + RECOVERY + SLICE, True),
        (SEI + b"\5\1a" + RECOVERY + SLICE, True),
        (SEI + b"\5\xff\xff", None),
    ],
)
def test_decoding_can_begin_at_an_idr_and_at_a_recovery_point_without_waiting(unit: bytes, expected: bool) -> None:
    assert is_key("h264", unit, False) is expected


def test_a_message_that_claims_to_go_on_behind_the_next_start_code_ends_there() -> None:
    assert is_key("h264", SEI + b"\5\4" + SLICE[:4] + RECOVERY, False) is False


def test_an_access_unit_full_of_messages_is_read_only_at_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    inner = access._recovers_here

    def counted(data: bytes) -> bool:
        read.append(len(data))
        return inner(data)

    monkeypatch.setattr(access, "_recovers_here", counted)
    assert is_key("h264", SEI * 100_000 + IDR, False) is None
    assert len(read) <= access._MOST_UNITS
    assert sum(read) <= access._MOST_BYTES
    read.clear()
    assert is_key("h264", SEI + b"\5\1" * 200_000 + IDR, False) is None
    assert sum(read) <= access._MOST_BYTES
    assert is_key("hevc", b"\0\0\1\x4e" * 100_000 + b"\0\0\1\x26", False) is None
