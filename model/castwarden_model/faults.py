# SPDX-License-Identifier: Apache-2.0
"""What pydantic found wrong, in the words of people who write JSON and YAML, not of the validator."""

import re
from collections.abc import Mapping
from typing import Any

UNKNOWN = "extra_forbidden"
_SHOULD = re.compile(r"^(Input|Value|String|List|Tuple|Set|Dictionary|Data|URL) should")
_WORDS = {
    UNKNOWN: "unknown field",
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
}


def sentence(fault: Mapping[str, Any]) -> str:
    """One of `ValidationError.errors()`."""
    kind = fault["type"]
    if kind in _WORDS:
        return _WORDS[kind]
    if kind.startswith("datetime"):
        return "must be a date and time such as 2026-11-20T12:00:00Z"
    text = str(fault["msg"]).removeprefix("Value error, ")
    if kind.endswith("_parsing"):
        text = text.partition(",")[0]
    return _SHOULD.sub("must", text)
