# SPDX-License-Identifier: Apache-2.0
"""The demo's story: the main job of Castwarden on this machine, through its public interfaces only."""

import asyncio
import hashlib
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from castwarden_base.waiting import wait_until

from castwarden_local.demo import media, script
from castwarden_local.demo.clients import Rest, apply
from castwarden_local.demo.receiver import Received, Receiver
from castwarden_local.demo.script import SCRIPT, SEGMENT
from castwarden_local.demo.told import Account, describe
from castwarden_local.demo.view import View
from castwarden_local.origin.live import LiveOrigin
from castwarden_local.up import Stack

PATIENCE = 100.0  # seconds for everything, once the stack runs
COLUMNS = ("made by", "webhook", "because", "threshold (s)", "after (s)", "late (s)")
MANIFEST = """\
apiVersion: castwarden.dev/v1alpha1
kind: Monitor
metadata:
  name: by-kubectl
spec:
  source:
    url: {url}
  checks: {checks}
"""


class Story:
    """One telling of the demo against a running stack. `work` closes what it opens; `folder` is scratch space."""

    def __init__(self, stack: Stack, view: View, work: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self._view = view
        self._work = work
        self._folder = folder
        self._receiver = Receiver()
        self._called: dict[str, str] = {}  # what the view calls a resource with a long name

    async def tell(self) -> list[str]:
        """Runs everything, shows the table and returns what went wrong: nothing when all is well."""
        rest = await self._work.enter_async_context(Rest(self._stack.api_url, self._stack.api_key or ""))
        await self._register_webhook(rest)
        clip = self._folder / media.CLIP
        await asyncio.to_thread(media.write_clip, clip)
        files = await self._work.enter_async_context(media.serving(media.channel(), self._folder))
        origin = await self._go_on_air()
        monitors = await self._create_monitors(rest, origin)
        channel = await self._create_channel(rest, files)
        download = await self._create_download(rest, files)
        others = {("video.created", channel): 2, ("download.completed", download): 1}
        account = Account(origin.went_on_air, script.expected(SCRIPT), monitors, others)
        await self._listen(account)
        problems = account.missing() + account.doubled() + account.unverified()
        if not problems:
            problems = await self._check_download(rest, download, clip)
        self._view.table("What happened when", COLUMNS, account.rows())
        if not problems:
            self._view.tell("demo", "everything came, once, and signed. Next: castwarden up", good=True)
        return problems

    async def _register_webhook(self, rest: Rest) -> None:
        await self._work.enter_async_context(self._receiver)
        body = {"url": self._receiver.url, "events": ["*"], "description": "demo"}
        endpoint = await rest.post("/api/v1/webhooks/endpoints", body)
        self._receiver.secret = endpoint["secret"]
        self._view.tell("REST", f"webhook endpoint {self._receiver.url}; its secret is shown once", good=True)

    async def _go_on_air(self) -> LiveOrigin:
        origin = await self._work.enter_async_context(LiveOrigin(SCRIPT, segment_seconds=SEGMENT))
        self._view.on_air(lambda: script.on_air(SCRIPT, origin.elapsed))
        self._view.tell("origin", f"live HLS stream {origin.url}", good=True)
        return origin

    async def _create_monitors(self, rest: Rest, origin: LiveOrigin) -> dict[str, str]:
        body = {"stream_url": origin.url, "checks": script.CHECKS, "metadata": {"made": "by REST"}}
        created = await rest.post("/api/v1/monitors", body)
        name = self._call(created["monitor_id"], "by-rest")
        self._view.tell("REST", f"Monitor {name}", good=True)
        manifest = MANIFEST.format(url=f"{origin.url}?again=1", checks=json.dumps(script.CHECKS))
        await apply(self._stack.kubeconfig, manifest)
        self._view.tell("Kubernetes", "Monitor by-kubectl", good=True)
        return {name: "REST", "by-kubectl": "kubectl"}

    def _call(self, name: str, short: str) -> str:
        self._called[name] = short
        return name

    async def _create_channel(self, rest: Rest, files: str) -> str:
        feed = f"{files}/channel/feeds/videos.xml?channel_id={media.CHANNEL_ID}"
        created = await rest.post("/api/v1/channels", {"feed_url": feed})
        name = self._call(created["id"], "channel")
        self._view.tell("REST", f"Channel {name}; its first poll runs at once", good=True)
        return name

    async def _create_download(self, rest: Rest, files: str) -> str:
        created = await rest.post("/api/v1/downloads", {"url": f"{files}/files/media/{media.CLIP}"})
        name = self._call(created["id"], "download")
        self._view.tell("REST", f"DownloadJob {name}", good=True)
        return name

    async def _listen(self, account: Account) -> None:
        """Enters webhooks until nothing is missing, or patience ends."""
        try:
            async with asyncio.timeout(PATIENCE):
                async for received in self._receiver.stream():
                    account.take(received)
                    self._show(received, account)
                    if not account.missing():
                        return
        except TimeoutError:
            return

    def _show(self, received: Received, account: Account) -> None:
        late = next(
            (
                f"{delay[1]:.1f} s late"
                for event in account.expected
                if event.type == received.type and event.threshold and (delay := account.delay(event, received.subject))
            ),
            "",
        )
        who = self._called.get(received.subject, received.subject)
        details = ", ".join(filter(None, (describe(received.event), late)))
        text = f"{received.type:<25} {who:<11} {details}"
        self._view.tell("webhook", text + ("" if received.verified else "  WRONG SIGNATURE"), good=received.verified)

    async def _check_download(self, rest: Rest, name: str, original: Path) -> list[str]:
        """The file is in place under its final name and is what was served, by its SHA-256."""

        async def result() -> dict[str, Any] | None:
            found = (await rest.get(f"/api/v1/downloads/{name}")).get("result")
            return dict(found) if found else None

        found = await wait_until(result, timeout=10)
        path = self._stack.downloads / str(found["path"])
        digest = await asyncio.to_thread(lambda: hashlib.sha256(path.read_bytes()).hexdigest())
        self._view.tell("download", f"{path.name}: {found['bytes']} bytes, SHA-256 {digest[:16]}…", good=True)
        return [] if digest == found["sha256"] else [f"{path} is not the file whose SHA-256 was reported"]
