# SPDX-License-Identifier: Apache-2.0
"""Kubernetes Events of the controllers and of the Pod runner: what `kubectl describe` shows. Never waits or fails."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime

from castwarden_base.logs import get_logger

from castwarden_local.controllers.objects import Note, Object, format_time
from castwarden_local.standin.errors import ApiError
from castwarden_local.standin.interface import EVENTS, Api

log = get_logger(__name__)


class Recorder:
    """Notes wait in a bounded queue; what a reader in trouble cannot take is dropped, as Kubernetes does."""

    def __init__(self, api: Api, component: str, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._component = component
        self._clock = clock
        self._waiting: asyncio.Queue[Object] = asyncio.Queue(maxsize=1000)

    def record(self, api_version: str, kind: str, subject: Object, note: Note) -> None:
        meta, moment = subject["metadata"], format_time(self._clock())
        event = {
            "metadata": {"name": f"{meta['name'][:200]}.{uuid.uuid4().hex[:16]}", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": api_version,
                "kind": kind,
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "reason": note.reason,
            "message": note.message[:1024],
            "type": note.type,
            "source": {"component": self._component},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        if not self._waiting.full():
            self._waiting.put_nowait(event)

    async def run(self) -> None:
        """Writes them, for ever."""
        while True:
            event = await self._waiting.get()
            try:
                await self._api.create(EVENTS, event)
            except ApiError as error:  # the namespace is gone, the database is away: an Event is not worth more
                log.debug("event_dropped", reason=error.reason)
