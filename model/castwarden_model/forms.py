# SPDX-License-Identifier: Apache-2.0
"""Texts that must have a certain form, refused in words: by the API server with a CEL rule, by us with a ValueError."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function


def form_schema(pattern: str, message: str, max_length: int) -> dict[str, Any]:
    """The JSON schema of such a text. A bare `pattern` would be answered with the pattern itself."""
    expression = f"self.matches(r'{pattern}')"
    return {
        "type": "string",
        "maxLength": max_length,
        "x-kubernetes-validations": [{"rule": expression, "message": message}],
    }


@dataclass(frozen=True, slots=True)
class Form:
    """The same rule for pydantic, put into `Annotated[str, ...]`."""

    pattern: str
    message: str
    _compiled: re.Pattern[str]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": self.pattern}

    def _check(self, text: str) -> str:
        if not self._compiled.match(text):
            raise ValueError(self.message)
        return text


def of_form(pattern: str, message: str) -> Form:
    """`pattern` begins with ^ and ends with $, and means the same in RE2 and ECMA 262."""
    return Form(pattern, message, re.compile(pattern.removesuffix("$") + r"\Z"))
