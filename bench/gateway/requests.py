# SPDX-License-Identifier: Apache-2.0
"""Requests per second of the gateway beside a bare aiohttp handler that answers the same bytes.

An authenticated GET of one monitor, a page of 50 of them, and reports with one and with ten events (committed, with the
monitor's state) by as many workers as there are connections.
"""

import json
import os
from pathlib import Path
from typing import Any

from castwarden_local.standin.interface import GVR
from castwarden_model.resources import GROUP, VERSION, Monitor

from bench.gateway.stack import INTERNAL_KEY, KEY, Stack, process, run

CONNECTIONS = 256
MONITORS = GVR(GROUP, VERSION, Monitor.PLURAL)
_PAGE = "/api/v1/monitors?limit=50"


async def measure(running: Stack, folder: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Requests/s by case and side. The sides take turns of half a second, so that both meet the same noise."""
    workers = await prepare(running)
    paths = [f"/api/v1/monitors/{workers[0]['name']}", _PAGE]
    answers = {path: await running.api("GET", path) for path in paths}
    file = folder / "answers.json"
    file.write_text(json.dumps(answers, separators=(",", ":")), encoding="utf-8")
    async with process("bench.gateway.bare_server", {**os.environ, "ANSWERS": str(file)}) as (line, _):
        bare = int(line["port"])
        cases = {
            "GET one monitor": (get(paths[0]), running.port),
            "GET a page of 50": (get(paths[1]), running.port),
            "POST a report, 1 event": (report(workers, 1), running.internal_port),
            "POST a report, 10 events": (report(workers, 10), running.internal_port),
        }
        common = {"seconds": seconds, "connections": CONNECTIONS}
        return {
            case: await run("bench.gateway.http_load", {**job, **common, "ports": {"bare": bare, "gateway": port}})
            for case, (job, port) in cases.items()
        }


def get(path: str) -> dict[str, Any]:
    return {"method": "GET", "path": path, "headers": {"Authorization": f"Bearer {KEY}"}, "workers": []}


def report(workers: list[dict[str, str]], events: int) -> dict[str, Any]:
    headers = {"X-Internal-API-Key": INTERNAL_KEY, "Content-Type": "application/json"}
    return {
        "method": "POST",
        "path": "/internal/v1/reports",
        "headers": headers,
        "workers": workers,
        "events": events,
    }


async def prepare(running: Stack) -> list[dict[str, str]]:
    """Makes a monitor for every connection; whom to report for."""
    workers = []
    for number in range(CONNECTIONS):
        body = {"stream_url": f"https://cdn.example.com/{number}.m3u8"}
        name = (await running.api("POST", "/api/v1/monitors", body))["data"]["monitor_id"]
        meta = (await running.standin.api.get(MONITORS, name, "default"))["metadata"]
        workers.append({"name": name, "uid": meta["uid"], "namespace": meta["namespace"]})
    return workers
