# SPDX-License-Identifier: Apache-2.0
"""The yardstick: an aiohttp handler that does nothing. GET answers what the file $ANSWERS has for its path, POST reads
the body and says so.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import uvloop
from aiohttp import web


async def main(answers: dict[str, bytes]) -> None:
    async def get(request: web.Request) -> web.Response:
        return web.Response(body=answers[request.path_qs], content_type="application/json")

    async def post(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=b'{"ok":true}', content_type="application/json")

    app = web.Application()
    app.router.add_get("/api/v1/monitors", get)
    app.router.add_get("/api/v1/monitors/{id}", get)
    app.router.add_post("/internal/v1/reports", post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stderr.write(json.dumps({"event": "listening", "port": runner.addresses[0][1]}) + "\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    given = json.loads(Path(os.environ["ANSWERS"]).read_bytes())
    uvloop.run(main({path: json.dumps(answer).encode() for path, answer in given.items()}))
