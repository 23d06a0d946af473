# SPDX-License-Identifier: Apache-2.0
"""What a body can hold to do harm, and how little of it comes back."""

import json
from typing import Any

import pytest
from castwarden_gateway.http.problems import InvalidRequest, invalid_body
from castwarden_gateway.http.text import CONTROLS, NUL, find
from castwarden_gateway.monitors.bodies import MonitorCreate
from castwarden_gateway.tenants.keys import hash_of
from pydantic import BaseModel, ValidationError


class Numbers(BaseModel):
    """No limit of its own."""

    values: dict[str, int]


def refused(values: dict[str, Any]) -> InvalidRequest:
    with pytest.raises(ValidationError) as caught:
        Numbers.model_validate_json(json.dumps({"values": values}))
    return invalid_body(caught.value)


@pytest.mark.parametrize("count", [41, 1000, 1001, 50_000])
def test_many_errors_make_a_short_answer_that_says_how_many(count: int) -> None:
    problem = refused({f"key-{number}": "x" for number in range(count)})
    assert str(count) in problem.detail
    assert len(problem.errors) == (0 if count > 1000 else 40)
    assert len(problem.response("id", "/path").body) < 16 * 1024  # type: ignore[arg-type]


def test_names_and_sentences_that_a_client_makes_long_come_back_short() -> None:
    problem = refused({f"{number}{'k' * 5000}": "x" for number in range(100)})
    assert len(problem.response("id", "/path").body) < 16 * 1024  # type: ignore[arg-type]


def test_too_many_keys_are_refused_before_their_values_are_looked_at() -> None:
    body = {"stream_url": "https://cdn.example.com/a.m3u8", "metadata": {f"k{number}": 1 for number in range(80_000)}}
    with pytest.raises(ValidationError) as caught:
        MonitorCreate.model_validate_json(json.dumps(body))
    assert [error["loc"] for error in caught.value.errors()] == [("metadata",)]


@pytest.mark.parametrize(
    ("body", "controls", "nul"),
    [
        ({"a": "tab\t line\r\n"}, None, None),
        ({"a": "back\\u0000slash"}, None, None),
        ({"a": ["x", {"b": "y\x1b"}]}, ("a", 1, "b"), None),
        ({"a": "\x7f"}, ("a",), None),
        ({"a": "\b"}, ("a",), None),
        ({"a": {"b\x01": 1}}, ("a",), None),
        ({"a": ["\x00"]}, ("a", 0), ("a", 0)),
        ("\x00", (), ()),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_control_characters_are_found_wherever_they_are(
    body: Any, controls: tuple[str | int, ...] | None, nul: tuple[str | int, ...] | None, ascii_only: bool
) -> None:
    raw = json.dumps(body, ensure_ascii=ascii_only).encode()
    assert find(raw, CONTROLS) == controls
    assert find(raw, NUL) == nul


@pytest.mark.parametrize("bad", ["https://a\x00b/", "https://a.example/\x07", "https://a.example/x\ny"])
def test_no_url_holds_a_control_character(bad: str) -> None:
    with pytest.raises(ValidationError):
        MonitorCreate(stream_url=bad)


def test_metadata_keeps_lines_and_tabs_and_no_other_control_character() -> None:
    url = "https://cdn.example.com/a.m3u8"
    assert MonitorCreate(stream_url=url, metadata={"a": "one\n\ttwo\r\n"}).metadata["a"] == "one\n\ttwo\r\n"
    with pytest.raises(ValidationError):
        MonitorCreate(stream_url=url, metadata={"a": "one\x00"})


def test_a_key_of_any_bytes_has_a_hash() -> None:
    assert hash_of("\udcff") != hash_of("\udcfe")
