# SPDX-License-Identifier: Apache-2.0
"""Tells as `monitor.error` what keeps a Monitor from working and will not pass by itself.

The operator's condition Ready says so in the resource, where only kubectl's users see it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from castwarden_base.ids import derived_uuid7
from castwarden_base.logs import get_logger
from castwarden_model.messages import Occurrence
from castwarden_model.resources import Monitor

from castwarden_gateway.db import DatabaseUnavailable
from castwarden_gateway.facts.errors import Fenced
from castwarden_gateway.kube.cache import Object
from castwarden_gateway.kube.resources import Kind

log = get_logger(__name__)
_RETRY_SECONDS = 5.0

BROKEN = frozenset(  # reasons of Ready=False that end only when somebody does something
    {
        "Invalid",
        "Forbidden",
        "Refused",
        "QuotaExceeded",
        "NameTaken",
        "PodStuck",
        "ImagePullBackOff",
        "CreateContainerConfigError",
        "CrashLoopBackOff",
    }
)
Tell = Callable[[Monitor, Occurrence], Awaitable[None]]


class Troubles:
    """Follows the watch; each trouble is told once, however often and by however many gateways it is seen."""

    def __init__(self, monitors: Kind[Monitor], tell: Tell) -> None:
        self._monitors = monitors
        self._tell = tell
        self._seen: dict[str, Occurrence] = {}  # uid -> the last one
        self._queue: asyncio.Queue[tuple[Object, Occurrence]] = asyncio.Queue()
        monitors.cache.subscribe(self._changed)

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            found, occurrence = await self._queue.get()
            monitor = self._monitors.parse(found)
            try:
                if monitor is not None:
                    await self._tell(monitor, occurrence)
            except (DatabaseUnavailable, Fenced) as error:
                log.warning("trouble_not_told", monitor=found["metadata"]["name"], reason=str(error))
                self._queue.put_nowait((found, occurrence))
                await asyncio.sleep(_RETRY_SECONDS)

    def _changed(self, before: Object | None, after: Object | None) -> None:
        if after is None:
            if before is not None:
                self._seen.pop(before["metadata"]["uid"], None)
            return
        occurrence = trouble_of(after)
        uid = after["metadata"]["uid"]
        if occurrence is not None and self._seen.get(uid) != occurrence:
            self._seen[uid] = occurrence
            self._queue.put_nowait((after, occurrence))


def broken(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The condition Ready when it says that nothing will get better by itself."""
    for condition in status.get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] == "False" and condition.get("reason") in BROKEN:
            found: Mapping[str, Any] = condition
            return found
    return None


def trouble_of(found: Object) -> Occurrence | None:
    """The same trouble always has the same id."""
    condition = broken(found.get("status") or {})
    if condition is None:
        return None
    reason, since = condition["reason"], datetime.fromisoformat(condition["lastTransitionTime"])
    return Occurrence(
        id=derived_uuid7(since, found["metadata"]["uid"], reason),
        type="monitor.error",
        at=since,
        data={"reason": reason, "message": condition.get("message", "")},
    )
