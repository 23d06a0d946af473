# SPDX-License-Identifier: Apache-2.0
"""A receiver of webhooks in a Pod: checks each signature with the secret that `PUT /secret` gave, keeps what it got.

`GET /received` is all of it, in the order of arrival, repeats too.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

PORT = 8080
SECRET = web.AppKey("secret", list[str])
RECEIVED = web.AppKey("received", list[dict[str, Any]])


def verified(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the body was signed with `secret` in the last five minutes. Source: Standard Webhooks 1.0."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(wanted, given) for given in headers.get("webhook-signature", "").split())


async def _hook(request: web.Request) -> web.Response:
    body = await request.read()
    secret = request.app[SECRET][-1]
    request.app[RECEIVED].append(
        {
            "id": request.headers.get("webhook-id"),
            "verified": verified(secret, request.headers, body),
            "event": json.loads(body),
        }
    )
    return web.Response(status=204)


async def _secret(request: web.Request) -> web.Response:
    request.app[SECRET].append(await request.text())
    return web.Response(status=204)


async def _received(request: web.Request) -> web.Response:
    return web.json_response(request.app[RECEIVED])


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def application() -> web.Application:
    app = web.Application()
    app[SECRET] = [""]
    app[RECEIVED] = []
    app.router.add_post("/hook", _hook)
    app.router.add_put("/secret", _secret)
    app.router.add_get("/received", _received)
    app.router.add_get("/healthz", _alive)
    return app


if __name__ == "__main__":
    web.run_app(application(), port=PORT, print=None, access_log=None)
