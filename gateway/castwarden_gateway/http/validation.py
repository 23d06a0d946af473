# SPDX-License-Identifier: Apache-2.0
"""Bodies and queries as the models of a route. Raises the Problem that names what is wrong."""

import asyncio
import re

from aiohttp import web
from pydantic import BaseModel, ValidationError

from castwarden_gateway.http.problems import (
    MalformedRequest,
    UnsupportedMediaType,
    invalid_body,
    invalid_query,
    pointer,
    refused_character,
)
from castwarden_gateway.http.reading import read_bytes
from castwarden_gateway.http.text import CONTROLS, find

_MUCH = 256 * 1024  # bytes of a body that other requests should not wait for


async def read_body(http: web.Request, model: type[BaseModel], refused: re.Pattern[str] = CONTROLS) -> BaseModel:
    """The body, validated. Raises a Problem that names the wrong fields."""
    if http.content_type != "application/json" and not http.content_type.endswith("+json"):
        raise UnsupportedMediaType(f"Content-Type is {http.content_type}; send application/json.")
    raw = await read_bytes(http)
    try:
        body = model.model_validate_json(raw)
    except ValidationError as error:
        if error.error_count() == 1 and (only := error.errors(include_input=False)[0])["type"] == "json_invalid":
            raise MalformedRequest(f"The body is not JSON: {only['ctx']['error']}.") from error
        raise invalid_body(error) from error
    path = find(raw, refused) if len(raw) <= _MUCH else await asyncio.to_thread(find, raw, refused)
    if path is not None:
        raise refused_character(pointer=pointer(path))
    return body


def read_query(http: web.Request, model: type[BaseModel]) -> BaseModel:
    """The query's parameters, validated. A parameter given more than once becomes a list."""
    for key, value in http.query.items():
        if CONTROLS.search(value):
            raise refused_character(parameter=key)
    values = {key: http.query.getall(key) for key in http.query}
    try:
        return model.model_validate({key: found[0] if len(found) == 1 else found for key, found in values.items()})
    except ValidationError as error:
        raise invalid_query(error, model.model_fields) from error
