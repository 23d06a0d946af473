# SPDX-License-Identifier: Apache-2.0
"""Which filters let which event types through."""

import pytest
from castwarden_gateway.webhooks.filters import is_known, matches, patterns_for
from castwarden_gateway.webhooks.models import EndpointCreate
from castwarden_model.events import CATALOGUE


@pytest.mark.parametrize(
    ("filters", "event_type", "expected"),
    [
        (["*"], "alert.blackout", True),
        (["alert.*"], "alert.blackout", True),
        (["alert.blackout"], "alert.blackout", True),
        (["alert.blackout"], "alert.blackout_recovered", False),
        (["alert.black*"], "alert.blackout", False),
        (["alert"], "alert.blackout", False),
        (["stream.*", "video.created"], "video.created", True),
        (["stream.*", "video.created"], "video.updated", False),
        ([], "video.updated", False),
        (["a.*"], "a.b.c", True),
        (["a.b.*"], "a.b.c", True),
        (["a.b.c.*"], "a.b.c", False),
    ],
)
def test_a_filter_is_a_type_a_prefix_or_all(filters: list[str], event_type: str, expected: bool) -> None:
    assert matches(filters, event_type) is expected


def test_the_patterns_of_a_type_are_few() -> None:
    assert patterns_for("alert.blackout") == ["*", "alert.*", "alert.blackout"]


@pytest.mark.parametrize(
    ("pattern", "known"),
    [("*", True), ("alert.*", True), ("video.created", True), ("video.deleted", False), ("alrt.*", False), ("", False)],
)
def test_a_filter_that_can_never_match_is_told_apart(pattern: str, known: bool) -> None:
    assert is_known(pattern, CATALOGUE) is known


def test_the_example_of_an_endpoint_names_every_kind_of_event_that_there_is() -> None:
    (example,) = EndpointCreate.model_json_schema()["examples"]
    assert [type_ for type_ in CATALOGUE if not matches(example["events"], type_)] == []
