# SPDX-License-Identifier: Apache-2.0
"""CEL rules: when they apply, what they say, and the functions Kubernetes adds."""

from typing import Any

import pytest
from castwarden_local.standin.validation.cel_rules import BadRule, compile_rule, evaluate
from castwarden_local.standin.validation.schema import Schema, compile_schema


def schema(rule: str, **more: Any) -> Schema:
    rules = [{"rule": rule, "message": "broken"} | more.pop("extra", {})]
    return compile_schema({"type": "object", "properties": more, "x-kubernetes-validations": rules})


TEXT = {"type": "string"}


def test_a_rule_that_holds_says_nothing() -> None:
    assert evaluate(schema("has(self.a) != has(self.b)", a=TEXT, b=TEXT), {"a": "x"}) == []


def test_a_broken_rule_is_reported_at_its_object_with_its_message() -> None:
    inner = {"type": "object", "properties": {"a": TEXT}, "x-kubernetes-validations": [{"rule": "has(self.a)"}]}
    (cause,) = evaluate(compile_schema({"type": "object", "properties": {"spec": inner}}), {"spec": {}})
    assert (cause.field, cause.message) == ("spec", "Invalid value: failed rule: has(self.a)")


def test_a_rule_about_a_scalar_names_the_value() -> None:
    field = TEXT | {"x-kubernetes-validations": [{"rule": "self.startsWith('a')", "message": "must begin with a"}]}
    (cause,) = evaluate(compile_schema({"type": "object", "properties": {"x": field}}), {"x": "b"})
    assert (cause.field, cause.message) == ("x", 'Invalid value: "b": must begin with a')


def test_a_rule_may_choose_field_reason_and_a_computed_message() -> None:
    extra = {"messageExpression": "'not ' + self.a", "reason": "FieldValueForbidden", "fieldPath": ".a"}
    (cause,) = evaluate(schema("self.a != 'x'", a=TEXT, extra=extra), {"a": "x"})
    assert (cause.field, cause.message, cause.reason) == ("a", "Forbidden: not x", "FieldValueForbidden")


def test_a_transition_rule_applies_to_updates_only() -> None:
    frozen = schema("self == oldSelf", a=TEXT)
    assert evaluate(frozen, {"a": "x"}) == []
    assert evaluate(frozen, {"a": "x"}, {"a": "x"}) == []
    assert len(evaluate(frozen, {"a": "x"}, {"a": "y"})) == 1


def test_a_transition_rule_of_a_field_that_was_absent_does_not_apply() -> None:
    field = TEXT | {"x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    once = compile_schema({"type": "object", "properties": {"x": field}})
    assert evaluate(once, {"x": "a"}, {}) == []
    assert len(evaluate(once, {"x": "a"}, {"x": "b"})) == 1


def test_elements_of_a_list_map_are_compared_by_their_key() -> None:
    items = {
        "type": "object",
        "properties": {"name": TEXT, "v": TEXT},
        "x-kubernetes-validations": [{"rule": "self.v == oldSelf.v"}],
    }
    listed = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    parts = compile_schema({"type": "object", "properties": {"l": listed}})
    old = {"l": [{"name": "a", "v": "1"}, {"name": "b", "v": "2"}]}
    assert evaluate(parts, {"l": [{"name": "b", "v": "2"}, {"name": "c", "v": "3"}]}, old) == []
    (cause,) = evaluate(parts, {"l": [{"name": "b", "v": "1"}]}, old)
    assert cause.field == "l[0]"


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("[has(self.a), has(self.b)].filter(x, x).size() == 1", {"a": "1"}),
        ("self.l.all(i, i > 0) && self.l.exists_one(i, i == 2)", {"l": [1, 2]}),
        ("self.l.isSorted() && self.l.sum() == 3 && self.l.max() == 2 && self.l.min() == 1", {"l": [1, 2]}),
        ("self.s.find('[0-9]+') == '12' && self.s.findAll('[0-9]') == ['1', '2']", {"s": "a12"}),
        ("!self.s.split('/').exists(p, p == '..')", {"s": "a/b"}),
        ("self.s.lowerAscii() == 'abc' && self.s.replace('A', 'x') == 'xBC'", {"s": "ABC"}),
        (
            "isURL(self.s) && url(self.s).getHost() == 'h:1' && url(self.s).getScheme() == 'https'",
            {"s": "https://h:1/p"},
        ),
        ("url(self.s).getHostname() == 'h' && url(self.s).getPort() == '1'", {"s": "https://u@h:1/p"}),
        ("!isURL(self.s)", {"s": "::"}),
        ("isIP(self.s) && !isCIDR(self.s)", {"s": "10.0.0.1"}),
        ("isQuantity(self.s)", {"s": "2Gi"}),
        ("duration(self.s) >= duration('30s')", {"s": "1m"}),
        ("timestamp(self.s) > timestamp('2020-01-01T00:00:00Z')", {"s": "2021-01-01T00:00:00Z"}),
        ("self.?a.orValue('x') == 'x'", {}),
        ("self.n > 1", {"n": 2}),
    ],
)
def test_kubernetes_functions_are_there(rule: str, value: dict[str, Any]) -> None:
    listed = {"type": "array", "items": {"type": "integer"}}
    assert evaluate(schema(rule, a=TEXT, b=TEXT, s=TEXT, l=listed, n={"type": "number"}), value) == []


def test_field_names_that_cel_reserves_are_escaped() -> None:
    rule = "self.__namespace__ == 'x' && self.a__dash__b == 'y'"
    assert evaluate(schema(rule, namespace=TEXT, **{"a-b": TEXT}), {"namespace": "x", "a-b": "y"}) == []


def test_a_rule_that_fails_to_evaluate_refuses_the_object() -> None:
    (cause,) = evaluate(schema("self.missing == 'x'", a=TEXT), {"a": "x"})
    assert "no such key" in cause.message or "not found" in cause.message


def test_a_rule_that_does_not_compile_is_told_apart() -> None:
    with pytest.raises(BadRule, match="Syntax error"):
        compile_rule("self.+")
    with pytest.raises(BadRule, match="undeclared reference"):
        compile_rule("nonesuch(self)")
