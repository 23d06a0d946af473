# SPDX-License-Identifier: Apache-2.0
"""How often a process says that the gateway is away."""

from collections.abc import Iterator

import pytest
from castwarden_worker.errors import Away, Unavailable
from castwarden_worker.outage import Outage
from structlog.testing import capture_logs
from structlog.typing import EventDict


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


def said(lines: list[EventDict]) -> list[tuple[str, str]]:
    return [(line["log_level"], line["event"]) for line in lines if line["log_level"] != "debug"]


def test_a_gateway_that_is_away_is_said_once_for_all_seats_and_so_is_that_it_is_back(lines: list[EventDict]) -> None:
    outage = Outage("reports")
    for _ in range(2):
        for _seat in range(50):
            outage.failed("report_not_taken", Away("ClientConnectorError"), waiting=1)
    for _seat in range(50):
        outage.over()
    outage.failed("report_not_taken", Away("ClientConnectorError"))
    assert said(lines) == [("warning", "report_not_taken"), ("info", "gateway_back"), ("warning", "report_not_taken")]
    assert len(lines) == 102


def test_an_answer_that_concerns_one_resource_is_always_said(lines: list[EventDict]) -> None:
    outage = Outage("assignments")
    for _ in range(2):
        outage.failed("assignment_unavailable", Unavailable("assignment: HTTP 503"))
        outage.over()
    assert said(lines) == [("warning", "assignment_unavailable")] * 2
