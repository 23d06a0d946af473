# SPDX-License-Identifier: Apache-2.0
"""The verdict of a chaos run notices each kind of fault, or a run that goes well would prove nothing."""

from tests.chaos.receivers import Receipt
from tests.chaos.verdict import judge

MADE = ["a", "b", "c"]


def receipts(*came: str) -> list[Receipt]:
    """`a` came under its own webhook-id, `a2` is a under another."""
    return [Receipt(f"id-{each}", each[0], 0.0) for each in came]


def test_every_event_once_or_repeated_under_its_id_is_no_fault() -> None:
    verdict = judge(MADE, receipts("a", "b", "a", "c", "c"), ordered=False)
    assert (verdict.faults, verdict.receipts, verdict.repeated) == ({}, 5, 2)


def test_an_event_that_never_came_is_lost() -> None:
    assert judge(MADE, receipts("a", "c"), ordered=True).faults == {"lost": ["b"]}


def test_an_event_that_nobody_made_is_unknown() -> None:
    assert judge(MADE, receipts("a", "b", "c", "d"), ordered=True).faults == {"unknown": ["d"]}


def test_an_event_under_a_second_webhook_id_is_doubled() -> None:
    assert judge(MADE, receipts("a", "b", "c", "a2"), ordered=True).faults == {"doubled": ["a"]}


def test_an_event_that_first_comes_after_a_later_one_is_disordered_where_order_was_asked_for() -> None:
    swapped = receipts("b", "a", "c")
    assert judge(MADE, swapped, ordered=True).faults == {"disordered": ["a"]}
    assert judge(MADE, swapped, ordered=False).faults == {}


def test_a_repeat_of_an_earlier_event_is_not_out_of_order() -> None:
    assert judge(MADE, receipts("a", "b", "a", "c"), ordered=True).faults == {}
