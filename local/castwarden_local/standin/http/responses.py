# SPDX-License-Identifier: Apache-2.0
"""Small pieces of HTTP that the handlers share: media types, bodies of deletes, JSON responses with warnings."""

import orjson
from aiohttp import web

from castwarden_local.standin.http import protobuf
from castwarden_local.standin.http.requests import decode, decode_message
from castwarden_local.standin.interface import Object
from castwarden_local.standin.resources import Resource


def media_type(request: web.Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def delete_body(request: web.Request) -> object:
    raw, wrong = await request.read(), "error decoding DeleteOptions: "
    if media_type(request) == protobuf.MEDIA_TYPE:
        return decode_message(raw, "DeleteOptions", wrong)
    return decode(raw, wrong) if raw.strip() else {}


def removed(resource: Resource, obj: Object) -> Object:
    """The Status that a delete answers with."""
    subject = resource.subject(obj["metadata"]["name"])
    details = {"name": subject.name, "group": subject.group, "kind": subject.kind, "uid": obj["metadata"]["uid"]}
    known = {key: value for key, value in details.items() if value}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": known}


def answer(body: bytes | Object, status: int = 200, warnings: tuple[str, ...] = ()) -> web.Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    response = web.Response(body=raw, status=status, content_type="application/json")
    response.headers["Cache-Control"] = "no-cache, private"
    for warning in warnings:
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response
