# SPDX-License-Identifier: Apache-2.0
"""`/openapi.json` and `/docs`, for everybody: they say nothing that the source does not say."""

import gzip
from pathlib import Path
from typing import Annotated, Any

from aiohttp import hdrs, web
from castwarden_model import __version__
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from castwarden_gateway.http import vendor
from castwarden_gateway.http.etags import tag_of, unchanged
from castwarden_gateway.http.media import Html, Script
from castwarden_gateway.http.routes import Reply, Request, Routes

DESCRIPTION = web.AppKey("description", bytes)
routes = Routes()
pages = Routes()
"""What people look at; the description does not describe it."""

_REVALIDATE = {"Cache-Control": "public, no-cache"}
_SCRIPT = Path(vendor.__file__).parent / "scalar-api-reference.js.gz"
_PAGE = (Path(__file__).parent / "docs.html").read_bytes()
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self' data:; "
    "style-src 'unsafe-inline'; "  # the page's styles are in its script, which puts them into <style>
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PROTECTED = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


_EXAMPLE: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Castwarden", "version": __version__},
    "paths": {},
    "components": {},
}


@with_config(ConfigDict(extra="allow", json_schema_extra={"examples": [_EXAMPLE]}))
class OpenApi(TypedDict):
    """The OpenAPI 3.1 document of this API."""

    openapi: str
    info: dict[str, Any]
    paths: Annotated[dict[str, Any], Field(description="By path and method.")]
    components: dict[str, Any]


@routes.get("/openapi.json", open=True, returns={200: OpenApi, 304: None})
async def get_openapi(request: Request[None]) -> Reply:
    """This description."""
    return Reply(request.app[DESCRIPTION], headers=_REVALIDATE)


@pages.get("/docs", open=True, returns={200: Html, 304: None})
async def get_docs(request: Request[None]) -> web.Response:
    """This description, to read and to try."""
    return _file(request, _PAGE, Html.media_type, _PROTECTED)


@pages.get("/docs/ui.js", open=True, returns={200: Script, 304: None})
async def get_docs_script(request: Request[None]) -> web.Response:
    """What draws the page: the file of `http/vendor`, whose compressed form every browser takes."""
    packed = _SCRIPT.read_bytes()
    if "gzip" in request.http.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return _file(
            request, packed, Script.media_type, {hdrs.CONTENT_ENCODING: "gzip", hdrs.VARY: hdrs.ACCEPT_ENCODING}
        )
    return _file(request, gzip.decompress(packed), Script.media_type, {hdrs.VARY: hdrs.ACCEPT_ENCODING})


def _file(request: Request[None], content: bytes, media: str, headers: dict[str, str]) -> web.Response:
    headers = {**_REVALIDATE, "ETag": tag_of(content), "X-Content-Type-Options": "nosniff", **headers}
    if unchanged(request.http.headers.get(hdrs.IF_NONE_MATCH), headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return web.Response(body=content, content_type=media, charset="utf-8", headers=headers)
