# SPDX-License-Identifier: Apache-2.0
"""The pure parts of the HTTP plumbing."""

from typing import Any

import pytest
from castwarden_gateway.http.cursors import decode, encode
from castwarden_gateway.http.limits import Limiter, Rate, exceeds
from castwarden_gateway.http.problems import InvalidRequest, pointer
from castwarden_gateway.kube.client import Refused
from castwarden_gateway.kube.errors import problem_of
from castwarden_gateway.monitors.bodies import FIELDS, MonitorCreate, MonitorPatch, merged, spec_of
from castwarden_gateway.monitors.service import canonical
from castwarden_gateway.tenants.keys import hash_of, new_key, shown_prefix
from castwarden_gateway.tenants.principal import covers


@pytest.mark.parametrize(("path", "text"), [((), ""), (("a", 0, "b"), "/a/0/b"), (("a/b", "c~d"), "/a~1b/c~0d")])
def test_pointers_escape_as_rfc_6901_says(path: tuple[str | int, ...], text: str) -> None:
    assert pointer(path) == text


def test_a_cursor_comes_back_as_it_was_and_nothing_else_is_one() -> None:
    assert decode(encode("a", 1), lambda *key: key) == ("a", 1)
    assert decode(None, str) is None
    for bad in ("", "nonsense", "????", encode("a")[:-2], "WzIsImEiXQ"):
        with pytest.raises(InvalidRequest):
            decode(bad, int)


@pytest.mark.parametrize(
    ("rate", "other", "expected"),
    [
        ((100, 60), (100, 60), False),
        ((101, 60), (100, 60), True),
        ((100, 59), (100, 60), True),
        ((200, 120), (100, 60), True),
        ((50, 60), (100, 60), False),
        ((0, 60), (100, 60), True),
        ((100, 60), (0, 60), False),
        ((0, 60), (0, 60), False),
    ],
)
def test_a_rate_exceeds_another_in_the_long_run_or_at_once(rate: Rate, other: Rate, expected: bool) -> None:
    assert exceeds(rate, other) is expected


def test_a_bucket_lets_its_limit_through_at_once_and_refills_evenly() -> None:
    now = [0.0]
    limiter = Limiter(lambda: now[0])
    assert [limiter.take("k", 2, 10).retry_after for _ in range(3)] == [0, 0, 5]
    now[0] = 5.0
    assert [limiter.take("k", 2, 10).retry_after for _ in range(2)] == [0, 5]
    assert limiter.take("other", 2, 10).headers["RateLimit"] == '"default";r=1;t=10'


@pytest.mark.parametrize(
    ("granted", "wanted", "expected"),
    [
        ("*", "monitors:write", True),
        ("*", "admin", False),
        ("admin", "monitors:read", False),
        ("admin", "admin", True),
        ("monitors:*", "monitors:write", True),
        ("monitors:*", "channels:write", False),
        ("monitors:*", "*", False),
        ("monitors:read", "monitors:write", False),
        ("monitors:read", "monitors:*", False),
    ],
)
def test_what_a_scope_covers(granted: str, wanted: str, expected: bool) -> None:
    assert covers(granted, wanted) is expected


def test_two_keys_differ_and_their_prefix_gives_little_away() -> None:
    first, second = new_key(), new_key()
    assert first != second
    assert len(hash_of(first)) == 64
    assert first.startswith(shown_prefix(first))
    assert len(shown_prefix(first)) == 12
    assert len(shown_prefix("short-key")) == 3


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("spec.source.url", "/stream_url"),
        ("spec.source", "/stream_url"),
        ("spec.webhookUrl", "/callback_url"),
        ("spec.checks.black.raiseAfter", "/checks/black/raiseAfter"),
        ("spec.metadata[show]", "/metadata/show"),
        ("spec", ""),
    ],
)
def test_a_refused_field_of_the_resource_is_named_as_the_body_names_it(field: str, expected: str) -> None:
    status = {"reason": "Invalid", "details": {"causes": [{"field": field, "message": "no"}]}}
    assert problem_of(Refused(422, status), FIELDS).errors[0].pointer == expected


@pytest.mark.parametrize(
    ("body", "spec"),
    [
        ({}, {}),
        ({"config": {"silence_db_threshold": 0}}, {}),
        ({"config": {"silence_db_threshold": -45}}, {"checks": {"silence": {"levelDb": -45}}}),
        ({"webhook_url": "https://a.example/h"}, {"webhookUrl": "https://a.example/h"}),
        ({"callback_url": None}, {"webhookUrl": None}),
        (
            {"config": {"blackout_threshold_sec": 9}, "checks": {"black": {"raise_after": "8s"}, "freeze": {}}},
            {"checks": {"black": {"raiseAfter": "8s"}, "freeze": {}}},
        ),
        ({"look_interval": "90s", "suspend": False}, {"lookInterval": "1m30s", "suspend": False}),
    ],
)
def test_a_patch_names_only_what_the_body_names(body: dict[str, Any], spec: dict[str, Any]) -> None:
    assert spec_of(MonitorPatch.model_validate(body)) == spec


def test_a_new_monitor_names_no_defaults() -> None:
    body = MonitorCreate.model_validate({"stream_url": "https://a.example/x", "callback_url": None})
    assert spec_of(body) == {"source": {"url": "https://a.example/x"}}


def test_merging_is_nested_and_leaves_its_parts_alone() -> None:
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert merged(base, {"a": {"c": {"d": 4}}, "e": None}) == {"a": {"b": 1, "c": {"d": 4}}, "e": None}
    assert base["a"] == {"b": 1, "c": {"d": 2}}


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtube.com/watch?t=3&v=dQw4w9WgXcQ",
        "https://m.youtube.com/watch?v=dQw4w9WgXcQ#x",
        "https://youtu.be/dQw4w9WgXcQ",
        "https://www.youtube.com/live/dQw4w9WgXcQ?si=x",
    ],
)
def test_one_stream_of_youtube_has_one_name_however_it_is_spelt(url: str) -> None:
    assert canonical(url) == "youtube:dQw4w9WgXcQ"


def test_other_urls_differ_by_everything_but_the_fragment() -> None:
    assert canonical("https://CDN.example.com/a.m3u8#t=1") == canonical("https://cdn.example.com/a.m3u8")
    assert canonical("https://cdn.example.com/a.m3u8?x=1") != canonical("https://cdn.example.com/a.m3u8?x=2")
