# SPDX-License-Identifier: Apache-2.0
"""Lists are in order of age whatever came, went and came again, and a cursor finds its place among what is left."""

from typing import Any

from castwarden_gateway.kube.order import ByAge
from hypothesis import given
from hypothesis import strategies as st


def found(name: str, created: str, uid: str, namespace: str = "a") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "creationTimestamp": created, "uid": uid}}


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 3), st.booleans()), max_size=40))
def test_the_order_is_that_of_sorting_whatever_comes_and_goes(changes: list[tuple[str, int, bool]]) -> None:
    order, present = ByAge(), dict[str, Any]()
    for number, (name, second, stays) in enumerate(changes):
        before = present.get(name)
        after = found(name, f"2026-11-20T12:00:0{second}Z", str(number)) if stays else None
        present[name] = after
        order.changed(before, after)
    expected = sorted(
        ((one["metadata"]["creationTimestamp"], one["metadata"]["name"]) for one in present.values() if one),
        reverse=True,
    )
    assert list(order.names("a", None)) == [name for _, name in expected]
    for position in expected:
        assert list(order.names("a", position)) == [name for created, name in expected if (created, name) < position]


def test_an_object_that_only_changed_keeps_its_place_and_each_namespace_has_its_own() -> None:
    order = ByAge()
    order.changed(None, found("one", "2026-11-20T12:00:01Z", "1"))
    order.changed(None, found("two", "2026-11-20T12:00:02Z", "2"))
    order.changed(None, found("three", "2026-11-20T12:00:03Z", "3", namespace="b"))
    order.changed(found("one", "2026-11-20T12:00:01Z", "1"), found("one", "2026-11-20T12:00:01Z", "1"))
    assert list(order.names("a", None)) == ["two", "one"]
    assert list(order.names("nowhere", None)) == []
