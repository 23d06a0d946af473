# SPDX-License-Identifier: Apache-2.0
"""Texts that must have a certain form, refused in words: by the API server with a CEL rule, by us with a ValueError."""

import re
from typing import Any

from pydantic import AfterValidator


def form_schema(pattern: str, message: str, max_length: int) -> dict[str, Any]:
    """The JSON schema of such a text. A bare `pattern` would be answered with the pattern itself."""
    expression = f"self.matches(r'{pattern}')"
    return {
        "type": "string",
        "maxLength": max_length,
        "x-kubernetes-validations": [{"rule": expression, "message": message}],
    }


def of_form(pattern: str, message: str) -> AfterValidator:
    """The same rule for pydantic. `pattern` begins with ^ and ends with $, and means the same in RE2."""
    compiled = re.compile(pattern.removesuffix("$") + r"\Z")

    def check(text: str) -> str:
        if not compiled.match(text):
            raise ValueError(message)
        return text

    return AfterValidator(check)
