# SPDX-License-Identifier: Apache-2.0
"""Every command in README.md works as it is written there, in its order, and so do its snippets."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from castwarden_local.demo.receiver import Receiver
from castwarden_local.origin.live import LiveOrigin
from standardwebhooks import Webhook

from tests.e2e.readme import CLIP, HOOK, ROOT, STREAM, blocks, commands

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"alert.blackout"}'
_EXAMPLE = "docs/examples/all.yaml"


def signed(body: str) -> dict[str, str]:
    at = datetime.now(UTC)
    signature = Webhook(SECRET).sign("evt_1", at, body)
    return {"webhook-id": "evt_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def test_the_python_snippet_takes_what_is_signed_and_nothing_else() -> None:
    space: dict[str, object] = {}
    exec(blocks("python")[0], space)
    verify = space["verify"]
    assert callable(verify)
    assert verify(SECRET, signed(BODY), BODY.encode())
    assert not verify(SECRET, signed(BODY), BODY.replace("black", "white").encode())


@pytest.mark.node
def test_the_javascript_snippet_takes_what_is_signed_and_nothing_else() -> None:
    headers = ", ".join(f'"{name}": "{value}"' for name, value in signed(BODY).items())
    calls = [f"verify('{SECRET}', {{{headers}}}, '{body}')" for body in (BODY, BODY.replace("black", "white"))]
    script = blocks("js")[0] + "".join(f"console.log({call});\n" for call in calls)
    out = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, timeout=30)
    assert out.stdout.split() == ["true", "false"]


def test_the_example_file_is_the_readmes_yaml() -> None:
    assert (ROOT / _EXAMPLE).read_text("utf-8") == blocks("yaml")[0]
    assert [document["kind"] for document in yaml.safe_load_all(blocks("yaml")[0])] == [
        "Monitor",
        "Channel",
        "DownloadJob",
    ]


def test_make_has_every_target_that_is_named() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {command.split()[1] for command in commands() if command.startswith("make ")}
    assert named
    assert named <= targets


@asynccontextmanager
async def up(folder: Path, environment: dict[str, str]) -> AsyncIterator[str]:
    """`castwarden up` with ports of its own; yields what it printed."""
    ports = ("--port", "0", "--internal-port", "0", "--operator-port", "0", "--kube-port", "0")
    argv = ["castwarden", "up", *ports, "--allow-private", "127.0.0.0/8", "--downloads"]
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout
    try:
        async with asyncio.timeout(100):
            printed = (await process.stdout.readuntil(b"Ctrl-C")).decode()
        yield printed
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0


async def shell(command: str, folder: Path, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, f"{command}\n{output.decode()}"
    return output.decode()


@pytest.mark.timeout(300)
@pytest.mark.kubectl
async def test_every_command_works_as_written(folder: Path) -> None:
    (folder / ".curlrc").write_text("fail-with-body\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CURL_HOME": str(folder)}
    environment.pop("KUBECONFIG", None)
    finished: list[str] = []
    async with (
        LiveOrigin([(200, "motion")]) as live,
        LiveOrigin([(3, "motion")], live=False) as ended,
        Receiver() as receiver,
        up(folder, environment) as printed,
    ):
        key, api = re.findall(r"yttr_\S+", printed)[0], re.findall(r"REST API\s+(\S+)/api/v1", printed)[0]
        real = {STREAM: live.url, CLIP: f"{live.url.rsplit('/', 1)[0]}/clip.mp4", HOOK: receiver.url}
        (folder / _EXAMPLE).parent.mkdir(parents=True)
        (folder / _EXAMPLE).write_text(substituted((ROOT / _EXAMPLE).read_text("utf-8"), real))
        for command in commands():
            if command.startswith(("make ", "castwarden up")):
                continue  # CI runs the one; the other is running
            if command.startswith("export KUBECONFIG="):
                environment["KUBECONFIG"] = command.split("=", 1)[1].replace("$PWD", str(folder))
            elif command.startswith("export CASTWARDEN="):
                environment |= {"CASTWARDEN": api, "KEY": key}
            else:
                stream = ended.url if command.startswith("castwarden probe") else live.url
                await shell(substituted(command, {**real, STREAM: stream}), folder, environment)
            finished.append(command)
    assert len(finished) > 10


def substituted(text: str, real: dict[str, str]) -> str:
    for example, url in real.items():
        text = text.replace(example, url)
    return text
