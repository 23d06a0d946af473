# SPDX-License-Identifier: Apache-2.0
"""Who owns what after updates and applies; conflicts; what is removed when a manager stops applying it."""

from typing import Any

import pytest
from castwarden_local.standin.apply.fields import encode
from castwarden_local.standin.apply.managers import (
    Manager,
    Owners,
    Ownership,
    after_update,
    apply,
    read_owners,
    write_owners,
)
from castwarden_local.standin.errors import Conflict
from castwarden_local.standin.validation.schema import compile_schema

CONDITIONS = {
    "type": "array",
    "items": {"type": "object", "properties": {"type": {"type": "string"}, "status": {"type": "string"}}},
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
SCHEMA = compile_schema(
    {
        "type": "object",
        "properties": {
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
            "rooms": {
                "type": "object",
                "additionalProperties": {"type": "object", "properties": {"a": {}, "b": {}}},
            },
            "status": {"type": "object", "properties": {"conditions": CONDITIONS}},
        },
    }
)
GATEWAY = Manager("gateway", "Apply", "v1")
OPERATOR = Manager("operator", "Apply", "v1")
PERSON = Manager("person", "Update", "v1")
ZEALOT = Manager("zealot", "Apply", "v1")
LONG_AGO = "2020-01-01T00:00:00Z"


def spec(**fields: str) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": fields}


def names(owners: Owners) -> dict[str, dict[str, Any]]:
    return {manager.name: encode(ownership.fields) for manager, ownership in owners.items()}


def test_an_update_owns_what_it_adds_and_takes_over_what_it_changes() -> None:
    owners = after_update(SCHEMA, {}, PERSON, {"metadata": {}}, spec(a="1", b="1"))
    assert names(owners) == {"person": {"f:spec": {".": {}, "f:a": {}, "f:b": {}}}}
    other = Manager("other", "Update", "v1")
    owners = after_update(SCHEMA, owners, other, spec(a="1", b="1"), spec(a="2", b="1"))
    assert names(owners) == {"person": {"f:spec": {".": {}, "f:b": {}}}, "other": {"f:spec": {"f:a": {}}}}


def test_an_update_that_removes_a_field_leaves_it_to_nobody() -> None:
    owners = after_update(SCHEMA, {}, PERSON, {"metadata": {}}, spec(a="1"))
    owners = after_update(SCHEMA, owners, Manager("other", "Update", "v1"), spec(a="1"), {"metadata": {"name": "x"}})
    assert owners == {}


def test_an_update_without_a_change_keeps_even_the_time() -> None:
    owners = after_update(SCHEMA, {}, PERSON, {"metadata": {}}, spec(a="1"))
    assert after_update(SCHEMA, owners, PERSON, spec(a="1"), spec(a="1")) == owners


def test_two_managers_may_apply_the_same_value() -> None:
    live, owners = apply(SCHEMA, {}, GATEWAY, spec(), spec(a="1"), force=False)
    live, owners = apply(SCHEMA, owners, OPERATOR, live, spec(a="1"), force=False)
    assert names(owners) == {"gateway": {"f:spec": {"f:a": {}}}, "operator": {"f:spec": {"f:a": {}}}}


def test_another_value_is_a_conflict_that_names_manager_and_field() -> None:
    live, owners = apply(SCHEMA, {}, GATEWAY, spec(), spec(a="1"), force=False)
    with pytest.raises(Conflict) as refused:
        apply(SCHEMA, owners, OPERATOR, live, spec(a="2"), force=False)
    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "gateway": .spec.a'
    (cause,) = refused.value.causes
    assert (cause.field, cause.message, cause.reason) == (".spec.a", 'conflict with "gateway"', "FieldManagerConflict")


def test_force_takes_the_field_away_from_its_owner() -> None:
    live, owners = apply(SCHEMA, {}, GATEWAY, spec(), spec(a="1", b="1"), force=False)
    live, owners = apply(SCHEMA, owners, OPERATOR, live, spec(a="2"), force=True)
    assert live["spec"] == {"a": "2", "b": "1"}
    assert names(owners) == {"gateway": {"f:spec": {"f:b": {}}}, "operator": {"f:spec": {"f:a": {}}}}


def test_a_conflict_with_an_updater_names_its_version() -> None:
    owners = after_update(SCHEMA, {}, PERSON, {"metadata": {}}, spec(a="1"))
    with pytest.raises(Conflict, match=r'conflict with "person" using v1: \.spec\.a'):
        apply(SCHEMA, owners, OPERATOR, spec(a="1"), spec(a="2"), force=False)


def test_what_a_manager_no_longer_applies_is_removed_unless_another_owns_it() -> None:
    live, owners = apply(SCHEMA, {}, GATEWAY, spec(), spec(a="1", b="1"), force=False)
    live, owners = apply(SCHEMA, owners, OPERATOR, live, spec(b="1"), force=False)
    live, owners = apply(SCHEMA, owners, GATEWAY, live, spec(), force=False)
    assert live["spec"] == {"b": "1"}
    assert names(owners) == {"operator": {"f:spec": {"f:b": {}}}, "gateway": {"f:spec": {}}}


def test_a_parent_that_is_no_longer_applied_stays_while_another_owns_a_field_below_it() -> None:
    live, owners = apply(SCHEMA, {}, GATEWAY, {}, {"rooms": {"x": {"a": 1}}}, force=False)
    more = {"rooms": {"x": {"a": 1, "b": 2}}}
    owners = after_update(SCHEMA, owners, PERSON, live, more)
    assert names(owners) == {
        "gateway": {"f:rooms": {"f:x": {".": {}, "f:a": {}}}},
        "person": {"f:rooms": {"f:x": {"f:b": {}}}},
    }
    live, owners = apply(SCHEMA, owners, GATEWAY, more, {}, force=False)
    assert live == {"rooms": {"x": {"b": 2}}}
    assert names(owners) == {"person": {"f:rooms": {"f:x": {"f:b": {}}}}}


def test_applying_the_same_again_keeps_the_time_of_the_entry_and_applying_more_renews_it() -> None:
    live, owners = apply(SCHEMA, {}, GATEWAY, spec(), spec(a="1"), force=False)
    owners = {GATEWAY: Ownership(owners[GATEWAY].fields, LONG_AGO)}
    assert apply(SCHEMA, owners, GATEWAY, live, spec(a="1"), force=False) == (live, owners)
    _, owners = apply(SCHEMA, owners, GATEWAY, live, spec(a="1", b="1"), force=False)
    assert owners[GATEWAY].time > LONG_AGO


def test_conditions_of_two_managers_live_side_by_side() -> None:
    def condition(kind: str, status: str) -> dict[str, Any]:
        return {"metadata": {"name": "x"}, "status": {"conditions": [{"type": kind, "status": status}]}}

    gateway, operator = GATEWAY._replace(subresource="status"), OPERATOR._replace(subresource="status")
    live, owners = apply(SCHEMA, {}, gateway, {"metadata": {"name": "x"}}, condition("Degraded", "True"), force=False)
    live, owners = apply(SCHEMA, owners, operator, live, condition("Ready", "True"), force=False)
    live, owners = apply(SCHEMA, owners, gateway, live, condition("Degraded", "False"), force=False)
    assert {each["type"]: each["status"] for each in live["status"]["conditions"]} == {
        "Degraded": "False",
        "Ready": "True",
    }
    live, owners = apply(SCHEMA, owners, operator, live, {"metadata": {"name": "x"}}, force=False)
    assert [each["type"] for each in live["status"]["conditions"]] == ["Degraded"]


def test_owners_survive_being_written_and_read() -> None:
    owners = after_update(SCHEMA, {}, PERSON, {"metadata": {}}, spec(a="1"))
    assert read_owners(write_owners(owners)) == owners


def test_applied_entries_come_first() -> None:
    owners: Owners = {PERSON: Ownership({("f:spec", "f:b")}, LONG_AGO)}
    _, owners = apply(SCHEMA, owners, ZEALOT, spec(b="1"), spec(a="1"), force=False)
    assert [entry["operation"] for entry in write_owners(owners)] == ["Apply", "Update"]


@pytest.mark.parametrize("entries", [["x"], [{"operation": "Steal"}], [{"operation": "Apply", "fieldsV1": {"x": {}}}]])
def test_entries_that_make_no_sense_are_refused(entries: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|unknown path element"):
        read_owners(entries)
