# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas of all that routes take and answer, made by pydantic in one go so that names never clash. Pure."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, get_args, get_origin

from castwarden_model.durations import format_duration
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from castwarden_gateway.http.media import media_type
from castwarden_gateway.http.routes import Route

PREFIX = "#/components/schemas/"
Schema = dict[str, Any]
_Key = tuple[Any, JsonSchemaMode]


class AsWritten(GenerateJsonSchema):
    """Leaves fields and examples in the order in which they were written, and out the titles that only repeat names."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


class MissingExample(LookupError):
    """A model without one. Give it `json_schema_extra={"examples": [...]}`, or `@example(...)` of http/media.py."""


class Schemas:
    """`components` by name; each model's own is a reference into them."""

    def __init__(self, routes: Iterable[Route], others: Iterable[Any] = ()) -> None:
        wanted: dict[_Key, None] = {}
        for route in routes:
            wanted |= dict.fromkeys((model, "validation") for model in (route.body, route.query) if model is not None)
            wanted |= dict.fromkeys(
                (element_of(answer), "serialization")
                for answer in route.returns.values()
                if answer is not None and media_type(answer) is None
            )
        wanted |= dict.fromkeys((other, "serialization") for other in others)
        inputs = [(key, key[1], TypeAdapter(key[0])) for key in wanted]
        found, definitions = TypeAdapter.json_schemas(
            inputs, ref_template=PREFIX + "{model}", schema_generator=AsWritten
        )
        self._found: Mapping[tuple[Any, JsonSchemaMode], Schema] = found
        self.components: dict[str, Schema] = dict(definitions.get("$defs", {}))

    def sent(self, model: type[BaseModel]) -> Schema:
        """What a client may send."""
        return self._found[(model, "validation"), "validation"]

    def answered(self, model: Any) -> Schema:
        """What a client gets."""
        return self._found[(model, "serialization"), "serialization"]

    def fields(self, model: type[BaseModel]) -> Iterable[tuple[str, Schema, bool]]:
        """Name, schema and whether it must be given, of each field that a client may send."""
        schema = self.resolved(self.sent(model))
        required = schema.get("required", ())
        for name, field in schema["properties"].items():
            yield name, field, name in required

    def resolved(self, schema: Schema) -> Schema:
        return self.components[schema["$ref"].removeprefix(PREFIX)] if "$ref" in schema else schema

    def example(self, schema: Schema) -> Any:
        """The first one that its model gives. Raises MissingExample."""
        examples = self.resolved(schema).get("examples")
        if not examples:
            raise MissingExample(f"{schema.get('$ref', schema)} {MissingExample.__doc__}")
        return examples[0]


def element_of(answer: Any) -> Any:
    """Of what a page is a list; any other answer is itself."""
    return get_args(answer)[0] if is_page(answer) else answer


def is_page(answer: Any) -> bool:
    return get_origin(answer) is list
