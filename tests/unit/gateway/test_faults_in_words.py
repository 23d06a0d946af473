# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a body is said in the API's words, not in those of the validator."""

from typing import Any

import pytest
from castwarden_gateway.http.problems import invalid_body
from castwarden_gateway.monitors.bodies import MonitorCreate
from pydantic import ValidationError

STREAM = {"stream_url": "https://cdn.example.com/live.m3u8"}


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({}, "/stream_url", "is required"),
        ({"stream_url": 5}, "/stream_url", "must be a string"),
        (STREAM | {"colour": "red"}, "/colour", "unknown field"),
        (STREAM | {"depth": "X"}, "/depth", "must be 'Adaptive', 'Keyframes' or 'Full'"),
        (STREAM | {"checks": []}, "/checks", "must be an object"),
        (STREAM | {"checks": {"black": {"luma": 4}}}, "/checks/black/luma", "must be less than or equal to 1"),
        (STREAM | {"checks": {"black": {"enabled": "x"}}}, "/checks/black/enabled", "must be true or false"),
        (
            STREAM | {"config": {"blackout_threshold_sec": "x"}},
            "/config/blackout_threshold_sec",
            "must be a valid number",
        ),
        (
            STREAM | {"config": {"scheduled_start_time": "soon"}},
            "/config/scheduled_start_time",
            "must be a date and time such as 2026-11-20T12:00:00Z",
        ),
        ({"stream_url": "https://x.example/" + "a" * 3000}, "/stream_url", "must have at most 2048 characters"),
    ],
)
def test_a_fault_is_said_in_words(body: dict[str, Any], pointer: str, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MonitorCreate.model_validate(body)
    errors = [error.as_json() for error in invalid_body(refused.value).errors]
    assert [(error["pointer"], error["detail"]) for error in errors] == [(pointer, words)]
