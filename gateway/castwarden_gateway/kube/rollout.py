# SPDX-License-Identifier: Apache-2.0
"""Waits until no Pod runs another image than ours: then a migration may do what older code would not live with.

The chart's Job after an upgrade calls it (`castwarden-gateway migrate --post --once-all-run IMAGE`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from castwarden_base.logs import get_logger

from castwarden_gateway.kube.client import Kube, KubernetesUnavailable, Object, segment

log = get_logger(__name__)
_PAUSE_SECONDS = 2.0
_ENDED = ("Succeeded", "Failed")


class RolloutUnfinished(Exception):
    """Older Pods still run and did not end in time."""


def others(pods: Iterable[Object], image: str) -> list[str]:
    """Names of Pods with a container of another image. Those being deleted still run; those that ended do not."""
    return sorted(
        pod["metadata"]["name"]
        for pod in pods
        if pod.get("status", {}).get("phase") not in _ENDED
        and any(container["image"] != image for container in pod["spec"]["containers"])
    )


async def until_all_run(
    image: str, pods: Callable[[], Awaitable[Sequence[Object]]], patience_seconds: float, pause: float = _PAUSE_SECONDS
) -> None:
    """Asks for the Pods again and again. Raises RolloutUnfinished after `patience_seconds`."""
    left: list[str] = []
    told: list[str] = []
    try:
        async with asyncio.timeout(patience_seconds):
            while True:
                try:
                    left = others(await pods(), image)
                    if not left:
                        return
                    if left != told:
                        log.info("rollout_awaited", pods=left, image=image)
                        told = left
                except KubernetesUnavailable as error:
                    log.warning("kubernetes_away", reason=str(error))
                await asyncio.sleep(pause)
    except TimeoutError:
        still = ", ".join(left) or "nobody could be asked"
        raise RolloutUnfinished(f"after {patience_seconds:g} s another image than {image} runs: {still}") from None


async def pods_of(kube: Kube, namespace: str, selector: str) -> list[Object]:
    """All Pods that match."""
    found: list[Object] = []
    cursor = None
    while True:
        page = await kube.list_page(f"/api/v1/namespaces/{segment(namespace)}/pods", selector, cursor)
        found += page["items"]
        cursor = page["metadata"].get("continue")
        if not cursor:
            return found
