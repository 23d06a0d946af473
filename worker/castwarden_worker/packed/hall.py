# SPDX-License-Identifier: Apache-2.0
"""All seats of one process: those that are listed are watched, the others are left."""

import asyncio
from collections.abc import Iterable

from castwarden_base.logs import get_logger
from castwarden_model.messages import ResourceRef
from prometheus_client import Gauge

from ..settings import PackedSettings
from .seat import Seat, forget_all_but
from .shared import Shared

log = get_logger(__name__)
SEATS = Gauge("castwarden_worker_seats", "Monitors that have their seat in this process")


class Hall:
    """`arrange` takes each new list; `close` leaves every seat and keeps what a restarted process will need."""

    def __init__(self, settings: PackedSettings, shared: Shared) -> None:
        self._settings = settings
        self._shared = shared
        self._seats: dict[str, tuple[Seat, asyncio.Task[None]]] = {}  # by uid
        self._leaving: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._seats)

    def trouble(self) -> str | None:
        """Why some seat's reports would be lost with this process, or None."""
        return next((why for seat, _ in self._seats.values() if (why := seat.trouble())), None)

    def arrange(self, refs: Iterable[ResourceRef]) -> None:
        """Begins what is new and leaves what is no longer listed; whoever stays is not disturbed."""
        wanted = {ref.uid: ref for ref in refs}
        for uid in self._seats.keys() - wanted.keys():
            self._leave(uid)
        for uid, ref in wanted.items():
            if uid not in self._seats:
                seat = Seat(ref, self._settings.of_seat(ref), self._shared)
                task = asyncio.create_task(self._sit(seat, self._leaving.get(uid)), name=f"seat {ref.name}")
                self._seats[uid] = seat, task
        SEATS.set(len(self._seats))
        log.info("seats", count=len(self._seats), leaving=len(self._leaving))

    async def tidy(self) -> None:
        """Removes what is kept for seats that are not here."""
        uids = {*self._seats, *self._leaving}
        await asyncio.to_thread(forget_all_but, self._settings.state_dir / "seats", uids)

    async def close(self) -> None:
        """Leaves all at once; each has a few seconds to tell its last."""
        tasks = [*(task for _, task in self._seats.values()), *self._leaving.values()]
        for _, task in self._seats.values():
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._seats.clear()
        SEATS.set(0)

    def _leave(self, uid: str) -> None:
        seat, task = self._seats.pop(uid)
        task.cancel()
        leaving = asyncio.create_task(self._left(seat, task), name=f"leave {seat.ref.name}")
        self._leaving[uid] = leaving
        leaving.add_done_callback(lambda done: self._leaving.pop(uid) if self._leaving.get(uid) is done else None)

    async def _left(self, seat: Seat, task: "asyncio.Task[None]") -> None:
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(seat.leave_no_trace)

    async def _sit(self, seat: Seat, before: "asyncio.Task[None] | None") -> None:
        """The same seat's last occupant, if it is still leaving, has the folder."""
        if before is not None:
            await asyncio.wait({before})
        await seat.run()
