# SPDX-License-Identifier: Apache-2.0
"""A pool and what it is told, step by step: the plans of the pure reconciler are carried out on plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from castwarden_operator.kinds import POOL, Object, Ref
from castwarden_operator.reconcile.plan import Apply, Create, Delete
from castwarden_operator.reconcile.pool import DRAIN, Member, PoolPlan, reconcile
from castwarden_operator.seats import Seat, pod_name
from castwarden_operator.settings import Settings

from .objects import NOW, SETTINGS, pod_status, stored

A_POOL = Ref(POOL, "media-team", "default")
SMALL = SETTINGS.model_copy(update={"pool_seats": 3})
FIRST, SECOND, THIRD = (pod_name("default", number) for number in range(3))


@dataclass
class PoolWorld:
    """`look` plans and carries out; a seat that is given is shown at once, as the Monitor's controller would do."""

    settings: Settings = SMALL
    now: datetime = NOW
    members: dict[str, Member] = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict)
    idle: dict[str, datetime] = field(default_factory=dict)

    def want(self, *names: str, watched: bool = False) -> None:
        self.members |= {name: Member(name, wants=True, watched=watched) for name in names}

    def unwant(self, name: str) -> None:
        """Deleted, or suspended and its status cleared."""
        del self.members[name]

    def plan(self) -> PoolPlan:
        return reconcile(
            A_POOL, list(self.members.values()), list(self.pods.values()), self.idle, self.now, self.settings
        )

    def look(self, *, starts: bool = True) -> PoolPlan:
        """One pass. With `starts` what it makes is ready at once."""
        plan = self.plan()
        self.idle = {name: self.idle.get(name, self.now) for name in plan.empty}
        for name, seat in plan.seats.items():
            self.members[name] = replace(self.members[name], seat=seat, shown=seat, watched=False)
        for action in plan.actions:
            match action:
                case Create(manifest) | Apply(manifest):
                    self.put(manifest, pod_status("Running", ready=True) if starts else pod_status("Pending"))
                case Delete(obj):
                    self.pods.pop(obj["metadata"]["name"], None)
        return plan

    def settle(self) -> None:
        """Looks until nothing changes. Fails when that does not end."""
        for _ in range(20):
            plan = self.look()
            if not plan.actions and not plan.seats:
                return
        raise AssertionError("the pool does not come to rest")

    def put(self, manifest: Object, status: Object) -> None:
        name = manifest["metadata"]["name"]
        made = self.now.isoformat()
        self.pods[name] = stored(manifest, status, uid=f"uid-{name}-{made}", creationTimestamp=made)

    def ready(self, pod: str) -> None:
        self.pods[pod]["status"] = pod_status("Running", ready=True)

    def fail(self, pod: str) -> None:
        self.pods[pod]["status"] = {"phase": "Failed", "reason": "Evicted"}

    def end(self, pod: str) -> None:
        """`kubectl delete pod`: it is on its way out."""
        due = self.now + timedelta(seconds=30)
        self.pods[pod]["metadata"]["deletionTimestamp"] = due.isoformat()

    def drain(self, pod: str) -> None:
        self.pods[pod]["metadata"]["annotations"][DRAIN] = "true"

    def unready(self, pod: str, since: timedelta) -> None:
        status: dict[str, Any] = pod_status("Running")
        began = (self.now - timedelta(hours=1)).isoformat()
        status["containerStatuses"][0]["state"] = {"running": {"startedAt": began}}
        status["conditions"][0]["lastTransitionTime"] = (self.now - since).isoformat()
        self.pods[pod]["status"] = status

    def seats(self) -> dict[str, str]:
        return {name: str(member.seat) for name, member in self.members.items() if member.seat is not None}

    def pods_of(self, names: Iterable[str]) -> Sequence[str]:
        return [seat.pod for name in names if (seat := self.members[name].seat) is not None]


def seat(text: str) -> Seat:
    found = Seat.parse(text)
    assert found is not None
    return found


def world(*names: str, **settings: Any) -> PoolWorld:
    """A pool that is at rest, with a seat for each of these."""
    made = PoolWorld(settings=SMALL.model_copy(update=settings))
    made.want(*names)
    made.settle()
    return made
