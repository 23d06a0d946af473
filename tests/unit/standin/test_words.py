# SPDX-License-Identifier: Apache-2.0
"""Names, labels, formats and quantities: what passes and what does not."""

from datetime import timedelta
from decimal import Decimal

import pytest
from castwarden_local.standin.validation.formats import CHECKS, is_url, parse_duration
from castwarden_local.standin.validation.names import (
    check_metadata,
    label_key_problems,
    label_problems,
    label_value_problems,
)
from castwarden_local.standin.validation.quantities import is_quantity, parse_quantity


@pytest.mark.parametrize("key", ["a", "app.kubernetes.io/name", "A_b.c-d", "x" * 63])
def test_label_keys_that_pass(key: str) -> None:
    assert label_key_problems(key) == []


@pytest.mark.parametrize("key", ["", "a b", "/a", "a/", "A.b/c", "a/b/c", "-a", "x" * 64, "x" * 254 + "/a", "ä"])
def test_label_keys_that_do_not_pass(key: str) -> None:
    assert label_key_problems(key)


@pytest.mark.parametrize(
    ("value", "fits"), [("", True), ("1.0_a-B", True), ("-a", False), ("a b", False), ("x" * 64, False), ("a\n", False)]
)
def test_label_values(value: str, fits: bool) -> None:
    assert (label_value_problems(value) == []) is fits


@pytest.mark.parametrize(
    ("name", "fits"), [("a-1", True), ("a.b", False), ("A", False), ("a-", False), ("x" * 64, False), ("a\n", False)]
)
def test_names_that_are_one_label(name: str, fits: bool) -> None:
    assert (label_problems(name) == []) is fits


def test_owners_finalizers_and_annotations_are_checked() -> None:
    meta = {
        "name": "x",
        "annotations": {"ok": "y" * 262_145},
        "finalizers": ["a b"],
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "A", "name": "a", "uid": "1", "controller": True},
            {"apiVersion": "", "kind": "B", "name": "b", "uid": "2", "controller": True},
        ],
    }
    assert [cause.field for cause in check_metadata(meta)] == [
        "metadata.annotations",
        "metadata.ownerReferences.apiVersion",
        "metadata.ownerReferences",
        "metadata.finalizers",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1h30m", 5400), ("1.5s", 1.5), ("-2m", -120), ("0", 0), ("1ms", 0.001), ("100us", 0.0001)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5x", "s", "1h 2m", "1e3s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2026-01-01T00:00:00Z", "2026-01-01"),
        ("micro-time", "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00Z"),
        ("date", "2026-01-31", "2026-02-30"),
        ("uri", "http://a/b", "::"),
        ("ipv4", "1.2.3.4", "1.2.3"),
        ("ipv6", "::1", "1.2.3.4"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("uuid", "0b5a2f6e-7e1d-4a53-8f6a-3d7c8b1f2a11", "0b5a"),
        ("byte", "YWI=", "!!"),
        ("email", "a@b", "ab"),
        ("hostname", "a.b-c", "-a"),
        ("quantity", "1.5Gi", "lots"),
        ("duration", "3 days", "3 moons"),
    ],
)
def test_formats(name: str, good: str, bad: str) -> None:
    assert CHECKS[name](good)
    assert not CHECKS[name](bad)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("http://a:1/b", True), ("/a", True), ("a", False), ("http://a:x", False), ("http://a b", False), ("", False)],
)
def test_urls(text: str, fits: bool) -> None:
    assert is_url(text) is fits


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", "1"),
        ("100m", "0.1"),
        ("2Gi", "2147483648"),
        ("1.5k", "1500"),
        ("-1", "-1"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("1E", "1e18"),
    ],
)
def test_quantities(text: str, amount: str) -> None:
    assert parse_quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "x", "1Xi", "1 Gi", "1e9999", "--1", "1.2.3"])
def test_what_is_no_quantity(text: str) -> None:
    assert not is_quantity(text)
