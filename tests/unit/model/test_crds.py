# SPDX-License-Identifier: Apache-2.0
"""The definitions in crds/ are those that the models make, and say what an API server needs to hear."""

import re
from pathlib import Path
from typing import Any

import pytest
from castwarden_model import crds
from castwarden_model.resources import KINDS, Resource

FOLDER = Path(__file__).parents[3] / "crds"


def spec_of(kind: type[Resource]) -> dict[str, Any]:
    schema: dict[str, Any] = crds.object_schema(kind)
    spec: dict[str, Any] = schema["properties"]["spec"]
    return spec


def nodes(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Every node of a schema."""
    found = [schema]
    for member in schema.get("properties", {}).values():
        found += nodes(member)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += nodes(schema[key])
    return found


def test_the_files_are_up_to_date() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")} == crds.rendered()


def test_no_name_reads_as_true_or_false_to_kubectl() -> None:
    bare = re.compile(r"^[\s-]*(y|n|yes|no|on|off)(:|$)", re.IGNORECASE | re.MULTILINE)
    assert bare.search("- y")
    assert bare.search("  n:")
    for text in crds.rendered().values():
        assert not bare.search(text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_node_is_structural(kind: type[Resource]) -> None:
    for node in nodes(crds.object_schema(kind)):
        assert "$ref" not in node
        assert "anyOf" not in node or node.get("x-kubernetes-int-or-string")
        assert node.get("type") or node.get("x-kubernetes-int-or-string"), node
        assert not ({"properties", "additionalProperties"} <= node.keys())


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_a_person_writes_is_described(kind: type[Resource]) -> None:
    for name, member in spec_of(kind)["properties"].items():
        assert member.get("description"), name


def test_durations_default_to_what_people_write() -> None:
    monitor = spec_of(KINDS[0])
    assert monitor["properties"]["checks"]["properties"]["freeze"]["properties"]["raiseAfter"]["default"] == "1m"


def test_objects_with_defaults_inside_default_to_empty_and_others_to_nothing() -> None:
    properties = spec_of(KINDS[0])["properties"]
    assert properties["checks"]["default"] == {}
    assert "default" not in properties["template"]
    assert "default" not in properties["source"]
