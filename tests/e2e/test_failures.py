# SPDX-License-Identifier: Apache-2.0
"""What cannot work is told, and told once."""

import json

import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.demo.clients import Rest, apply
from castwarden_local.demo.receiver import Receiver
from castwarden_local.up import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_download_whose_tries_run_out_is_told_once_with_its_last_error(
    stack: Stack, rest: Rest, receiver: Receiver
) -> None:
    name = "gives-up"
    spec = {"source": {"url": "http://127.0.0.1:9/clip.mp4"}, "backoffLimit": 0}
    manifest = {
        "apiVersion": "castwarden.dev/v1alpha1",
        "kind": "DownloadJob",
        "metadata": {"name": name},
        "spec": spec,
    }
    await apply(stack.kubeconfig, json.dumps(manifest))

    def told() -> list[str]:
        return [received.type for received in receiver.received if received.subject == name]

    await wait_until(told, timeout=90)

    async def state() -> bool:
        found = await rest.get(f"/api/v1/downloads/{name}")
        return bool(found["status"] == "failed")

    await wait_until(state, timeout=20)
    assert told() == ["download.failed"]
    event = next(received.event for received in receiver.received if received.subject == name)
    assert event["data"]["message"]
