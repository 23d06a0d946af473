# SPDX-License-Identifier: Apache-2.0
"""From a real stream to what a person sees of it: a picture and ten minutes of measurements."""

import io
from typing import Any

import aiohttp
import av
import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.demo.clients import Refused, Rest
from castwarden_local.demo.receiver import Receiver
from castwarden_local.origin.live import LiveOrigin
from castwarden_local.up import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]
CHECKS = {"black": {"raiseAfter": "2s"}}


def brightness(jpeg: bytes) -> float:
    """Mean of all pixels, 0 to 255."""
    with av.open(io.BytesIO(jpeg), "r", format="mjpeg") as container:
        return float(next(container.decode(video=0)).to_ndarray(format="gray").mean())


async def test_the_thumbnail_follows_the_stream_and_turns_black_with_the_alert(
    stack: Stack, rest: Rest, receiver: Receiver
) -> None:
    async with LiveOrigin(((12, "motion"), (60, "black"))) as origin, aiohttp.ClientSession() as session:
        created = await rest.post("/api/v1/monitors", {"stream_url": origin.url, "checks": CHECKS})
        name = str(created["monitor_id"])
        url = f"{stack.api_url}/api/v1/monitors/{name}/thumbnail"
        key = {"Authorization": f"Bearer {stack.api_key}"}

        async def picture() -> bytes | None:
            async with session.get(url, headers=key) as response:
                return await response.read() if response.status == 200 else None

        first = await wait_until(picture, timeout=60)
        assert first
        assert brightness(first) > 40
        await wait_until(lambda: any(one.type == "alert.blackout" for one in of(receiver, name)), timeout=60)

        async def dark() -> bool:
            found = await picture()
            return found is not None and brightness(found) < 20

        await wait_until(dark, timeout=30)

        async def measured() -> list[dict[str, Any]]:
            try:
                points = (await rest.get(f"/api/v1/monitors/{name}/measurements"))["points"]
            except Refused:
                return []
            return points if any(point.get("dark", 0) > 0.98 for point in points) else []

        points = await wait_until(measured, timeout=60)
        assert any(point.get("luma", 0) > 0.15 for point in points)
        assert any(point.get("bitrate_kbps", 0) > 0 for point in points)
        assert {point["state"] for point in points} <= {"Unknown", "Live", "Stalled"}
        await rest.delete(f"/api/v1/monitors/{name}")


def of(receiver: Receiver, name: str) -> list[Any]:
    return [received for received in receiver.received if received.subject == name]
