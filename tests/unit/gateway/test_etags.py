# SPDX-License-Identifier: Apache-2.0
import pytest
from castwarden_gateway.http.etags import IfMatch, tag_of, unchanged
from castwarden_gateway.http.problems import PreconditionFailed

TAG = tag_of(b"body", "v1")


def test_a_tag_is_strong_and_differs_with_any_byte_and_version() -> None:
    assert TAG.startswith('"v1.')
    assert len({TAG, tag_of(b"bodies", "v1"), tag_of(b"body", "v2"), tag_of(b"body")}) == 4


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        (TAG, True),
        (f'"other", {TAG}', True),
        (f"W/{TAG}", True),
        ("*", True),
        ('"v1.other"', False),
        (TAG.strip('"'), False),
    ],
)
def test_unchanged_means_the_same_bytes(header: str | None, expected: bool) -> None:
    assert unchanged(header, TAG) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, True),
        ("*", True),
        (TAG, True),
        (tag_of(b"seen later", "v1"), True),
        (f'"v0.x", {TAG}', True),
        (f"W/{TAG}", False),
        ('"v0.x"', False),
        ('"v1"', False),
        ("v1.x", False),
        ("", False),
    ],
)
def test_a_change_is_on_condition_of_the_version_alone(header: str | None, expected: bool) -> None:
    assert IfMatch(header).holds("v1") is expected
    if not expected:
        with pytest.raises(PreconditionFailed):
            IfMatch(header).require("v1")
