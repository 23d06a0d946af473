# SPDX-License-Identifier: Apache-2.0
"""The JavaScript in docs/rest.md, run by Node against a gateway."""

import asyncio
import os
from pathlib import Path

import pytest
from castwarden_base.ids import uuid7
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import KEY, PATIENCE, Api, monitor, report, transition
from tests.integration.gateway.kube_double import KubeDouble
from tests.plugins.pages import Page

# As much of the package `eventsource` as the snippet uses, with its names: what is tried is the snippet.
PACKAGE = """
export class EventSource {
  constructor(url, { fetch }) {
    this.read(fetch(url, { headers: { Accept: "text/event-stream" } }));
  }
  async read(answer) {
    const { body } = await answer;
    let rest = "";
    for await (const bytes of body) {
      const lines = (rest + Buffer.from(bytes).toString()).split("\\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("retry:")) console.error("open");
        if (line.startsWith("data:")) this.onmessage({ data: line.slice(5) });
      }
    }
  }
}
"""


@pytest.mark.node
async def test_the_javascript_snippet_prints_alerts_as_they_come_and_nothing_else(
    gateway: Gateway, internal: Api, kube_api: KubeDouble, tmp_path: Path
) -> None:
    package = tmp_path / "node_modules" / "eventsource"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "eventsource", "type": "module", "exports": "./index.js"}')
    (package / "index.js").write_text(PACKAGE)
    (tmp_path / "read.mjs").write_text(Page("docs/rest.md").blocks("js")[0])
    studio = kube_api.put("monitors", monitor("studio"))
    await wait_until(lambda: gateway.resources.monitors.get("default", "studio"), PATIENCE)
    environment = {**os.environ, "KEY": KEY, "CASTWARDEN": f"http://127.0.0.1:{gateway.public_port}"}
    pipe = asyncio.subprocess.PIPE
    node = await asyncio.create_subprocess_exec(
        "node", "read.mjs", cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe
    )
    assert node.stdout
    assert node.stderr
    try:
        async with asyncio.timeout(PATIENCE):
            assert await node.stderr.readline() == b"open\n"
            started = {"id": str(uuid7()), "type": "stream.started", "at": "2026-11-20T12:00:00Z", "data": {}}
            told = report(studio, occurrences=[started], transitions=[transition("black", "raised")])
            assert (await internal.post("/internal/v1/reports", told)).status == 200
            printed = await node.stdout.readuntil(b"metadata")
        assert b"alert.blackout" in printed
        assert b"stream.started" not in printed
    finally:
        node.kill()
        await node.communicate()
