# SPDX-License-Identifier: Apache-2.0
"""The yardstick: an aiohttp handler that does nothing. GET answers $ANSWER, POST reads the body and says so."""

import asyncio
import json
import os
import sys

import uvloop
from aiohttp import web


async def main() -> None:
    answer = os.environ["ANSWER"].encode()

    async def get(_: web.Request) -> web.Response:
        return web.Response(body=answer, content_type="application/json")

    async def post(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=b'{"ok":true}', content_type="application/json")

    app = web.Application()
    app.router.add_get("/api/v1/monitors/{id}", get)
    app.router.add_post("/internal/v1/reports", post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stderr.write(json.dumps({"event": "listening", "port": runner.addresses[0][1]}) + "\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
