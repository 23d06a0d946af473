# SPDX-License-Identifier: Apache-2.0
"""Which events a filter lets through, and which filters are refused, with the place of what is wrong."""

from typing import Any

import pytest
from castwarden_gateway.webhooks.conditions import DEPTH_LIMIT, SIZE_LIMIT, InvalidCondition, check, matches

EVENT = {
    "type": "alert.blackout",
    "subject": {"kind": "Monitor", "namespace": "acme", "name": "studio", "uid": "u"},
    "data": {"duration_sec": 90.5, "level": 3, "muted": False, "note": None, "tags": ["a", "b"], "deep": {"x": 1}},
    "metadata": {"desk": "7"},
}


@pytest.mark.parametrize(
    ("condition", "lets_through"),
    [
        ({}, True),
        ({"type": "alert.blackout"}, True),
        ({"type": "alert.freeze"}, False),
        ({"type": ["alert.freeze", "alert.blackout"]}, True),
        ({"type": ["alert.freeze"]}, False),
        ({"subject": {"name": "studio"}, "metadata": {"desk": "7"}}, True),
        ({"subject": {"name": "studio"}, "metadata": {"desk": "8"}}, False),
        ({"data": {"level": 3}}, True),
        ({"data": {"level": 3.0}}, True),
        ({"data": {"level": "3"}}, False),
        ({"data": {"level": True}}, False),
        ({"data": {"muted": False}}, True),
        ({"data": {"muted": 0}}, False),
        ({"data": {"note": None}}, True),
        ({"data": {"absent": None}}, False),
        ({"data": {"tags": "b"}}, True),
        ({"data": {"tags": ["x", "b"]}}, True),
        ({"data": {"tags": "c"}}, False),
        ({"data": {"deep": {"x": 1}}}, True),
        ({"data": {"deep": {"x": {"y": 1}}}}, False),
        ({"data": {"duration_sec": {"$gt": 90}}}, True),
        ({"data": {"duration_sec": {"$gt": 90.5}}}, False),
        ({"data": {"duration_sec": {"$gte": 90.5}}}, True),
        ({"data": {"duration_sec": {"$lt": 90.5}}}, False),
        ({"data": {"duration_sec": {"$lte": 90.5}}}, True),
        ({"data": {"duration_sec": {"$gte": 60, "$lt": 90}}}, False),
        ({"data": {"duration_sec": {"$gt": "60"}}}, False),
        ({"data": {"muted": {"$lt": 1}}}, False),
        ({"data": {"absent": {"$lt": 1}}}, False),
        ({"subject": {"name": {"$gt": "a"}}}, True),
        ({"data": {"note": {"$exists": True}}}, True),
        ({"data": {"absent": {"$exists": True}}}, False),
        ({"data": {"absent": {"$exists": False}}}, True),
        ({"data": {"absent": {"inside": {"$exists": False}}}}, True),
        ({"type": {"$startsWith": "alert."}}, True),
        ({"data": {"level": {"$startsWith": "3"}}}, False),
        ({"type": {"$not": "alert.freeze"}}, True),
        ({"type": {"$not": ["alert.freeze", "alert.blackout"]}}, False),
        ({"data": {"level": {"$not": {"$gt": 2}}}}, False),
        ({"data": {"absent": {"$not": {"$gt": 2}}}}, True),
        ({"$not": {"type": "alert.freeze"}}, True),
        ({"$or": [{"type": "alert.freeze"}, {"data": {"level": 3}}]}, True),
        ({"$or": [{"type": "alert.freeze"}, {"data": {"level": 4}}]}, False),
        ({"data": {"level": {"$or": [{"$lt": 2}, {"$gt": 2}]}}}, True),
        ({"$not": {"$or": [{"type": "alert.freeze"}, {"data": {"level": 3}}]}}, False),
    ],
)
def test_an_event_is_let_through_when_all_of_the_condition_holds(condition: Any, lets_through: bool) -> None:
    check(condition)
    assert matches(condition, EVENT) is lets_through


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"other": 1}, ("other",)),
        ({"data": {"x": {"$near": 1}}}, ("data", "x", "$near")),
        ({"$gt": 1}, ("$gt",)),
        ({"$or": [{"$exists": True}]}, ("$or", 0, "$exists")),
        ({"$or": []}, ("$or",)),
        ({"$or": {"type": "a"}}, ("$or",)),
        ({"$or": [{"type": "a"}, 1]}, ("$or", 1)),
        ({"$or": [{"type": "a"}, {"x": 1}]}, ("$or", 1, "x")),
        ({"$not": 1}, ("$not",)),
        ({"$not": {"x": 1}}, ("$not", "x")),
        ({"type": []}, ("type",)),
        ({"type": ["a", {}]}, ("type", 1)),
        ({"type": ["a", ["b"]]}, ("type", 1)),
        ({"data": {"x": {"$gt": None}}}, ("data", "x", "$gt")),
        ({"data": {"x": {"$gt": True}}}, ("data", "x", "$gt")),
        ({"data": {"x": {"$gte": [1]}}}, ("data", "x", "$gte")),
        ({"data": {"x": {"$exists": 1}}}, ("data", "x", "$exists")),
        ({"data": {"x": {"$startsWith": 1}}}, ("data", "x", "$startsWith")),
        ({"data": {"x": {"$not": []}}}, ("data", "x", "$not")),
        ({"data": {"x": 2**53 + 1}}, ("data", "x")),
        ({"data": {"x": 10**400}}, ("data", "x")),
        ({"data": {"x": float("nan")}}, ("data", "x")),
        ({"data": {"x": float("inf")}}, ("data", "x")),
        ({"type": "a" * 1001}, ("type",)),
        ({"data": {"x": ["a"] * SIZE_LIMIT}}, ("data",)),
        ({"data": nested(DEPTH_LIMIT)}, ("data", *("a",) * (DEPTH_LIMIT - 1))),
    ],
)
def test_a_wrong_condition_is_refused_at_the_place_that_is_wrong(condition: Any, path: Any) -> None:
    with pytest.raises(InvalidCondition) as refused:
        check(condition)
    assert refused.value.path == path


def test_the_largest_and_the_deepest_condition_are_taken() -> None:
    check({"data": {"x": ["a"] * (SIZE_LIMIT - 2)}})
    check({"data": nested(DEPTH_LIMIT - 1)})


def test_a_condition_nested_beyond_all_measure_is_refused_without_being_walked() -> None:
    condition: Any = 1
    for _ in range(100_000):
        condition = {"a": condition}
    with pytest.raises(InvalidCondition):
        check({"data": condition})
