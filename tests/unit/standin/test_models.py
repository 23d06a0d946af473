# SPDX-License-Identifier: Apache-2.0
"""The schemas of the built-in kinds are those of the `kubernetes` client that is installed."""

from castwarden_local.standin.builtin.generate_models import FILE, KINDS, text
from castwarden_local.standin.builtin.table import built_in_resources, model_schema


def test_the_written_models_are_up_to_date() -> None:
    assert FILE.read_text("utf-8") == text()


def test_every_kind_resolves_without_references() -> None:
    for kind in KINDS:
        assert "$ref" not in str(model_schema(kind))


def test_resources_of_one_store_agree_on_their_strategy() -> None:
    kinds = {resource.storage: type(resource.strategy) for resource in built_in_resources()}
    assert all(kinds[resource.storage] is type(resource.strategy) for resource in built_in_resources())
