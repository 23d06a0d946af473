# SPDX-License-Identifier: Apache-2.0
"""The controller of pools: takes one from its queue, plans with the pure reconciler, gives seats, makes Pods."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from .apply import Applier
from .book import Book
from .cache import Cache
from .controller import refusal
from .errors import ApiError, NameTakenError, OperatorError, RetryError
from .kinds import POD, Object, Ref
from .reconcile.packed import seat_standing
from .reconcile.plan import Action, Create, Is
from .reconcile.pool import Member, PoolPlan, reconcile
from .seats import Seat
from .settings import Settings

K = TypeVar("K")
V = TypeVar("V")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PoolController:
    """The handler of one WorkQueue. `tell` has a Monitor looked at."""

    def __init__(
        self,
        cache: Cache,
        applier: Applier,
        book: Book,
        settings: Settings,
        tell: Callable[[Ref], None],
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._cache = cache
        self._applier = applier
        self._book = book
        self._settings = settings
        self._tell = tell
        self._now = now
        self._idle: dict[Ref, dict[str, datetime]] = {}  # by pool: its Pods without seats, and since when
        self._standings: dict[Ref, dict[Ref, Is]] = {}  # by pool: how the Pods stand that seats name

    async def handle(self, pool: Ref) -> float | None:
        """Seats for all who want one, Pods for all who sit. Returns when to look again; raises RetryError."""
        found = self._cache.children(pool)
        pods = [child for child in found if child["kind"] == POD.name]
        members = self._book.members(pool, [child for child in found if child["kind"] != POD.name])
        plan = self._plan(pool, members, pods)
        for monitor in self._book.give(pool, plan.seats):
            self._tell(monitor)
        refused: OperatorError | None = None
        for action in plan.actions:
            refused = await self._act(action) or refused
        self._tell_standings(pool, members)
        if refused is not None:
            raise RetryError(str(refused), after=getattr(refused, "retry_after", 0.0)) from refused
        return plan.again_in

    def _plan(self, pool: Ref, members: Sequence[Member], pods: Sequence[Object]) -> PoolPlan:
        now, idle = self._now(), self._idle.get(pool, {})
        plan = reconcile(pool, members, pods, idle, now, self._settings)
        _keep(self._idle, pool, {name: idle.get(name, now) for name in plan.empty})
        return plan

    async def _act(self, action: Action) -> OperatorError | None:
        """Carries one action out; one that is refused does not keep the others from their turn."""
        if self._applier.is_futile(action):
            return None
        made = action.manifest if isinstance(action, Create) else None
        ref = None if made is None else Ref(POD.name, made["metadata"]["namespace"], made["metadata"]["name"])
        try:
            await self._applier.act(action)
        except RetryError as error:
            return error
        except (ApiError, NameTakenError) as error:
            why = refusal(error)
            if ref is not None and why is not None:
                self._book.refused[ref] = why
            return error
        if ref is not None:
            self._book.refused.pop(ref, None)
        return None

    def _tell_standings(self, pool: Ref, members: Sequence[Member]) -> None:
        """Has those looked at whose Pod stands otherwise than before."""
        before, now = self._standings.get(pool, {}), dict[Ref, Is]()
        for member in members:
            seat = member.seat
            if seat is None:
                continue
            ref = Ref(POD.name, pool.namespace, seat.pod)
            if ref not in now:
                now[ref] = self._standing(seat, ref)
            if before.get(ref) != now[ref]:
                self._tell(Ref("Monitor", pool.namespace, member.name))
        _keep(self._standings, pool, now)
        self._book.forget_refusals(pool, now)

    def _standing(self, seat: Seat, ref: Ref) -> Is:
        return seat_standing(seat, self._cache.get(ref), self._book.refused.get(ref))


def _keep(memory: dict[Ref, dict[K, V]], pool: Ref, now: dict[K, V]) -> None:
    """What is no more is forgotten: a Pod that is made again under its name begins anew."""
    if now:
        memory[pool] = now
    else:
        memory.pop(pool, None)
