# SPDX-License-Identifier: Apache-2.0
"""Leader election over a Lease that several candidates share, in virtual time."""

import asyncio
import copy
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from castwarden_operator.election import Election, Lease
from castwarden_operator.errors import ApiError, LeaseLostError

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def now() -> float:
    return asyncio.get_running_loop().time()


class Store:
    """One Lease with optimistic locking, which can be cut off for everybody or for one client."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.version = 0


class Client:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.down = False
        self.hangs = False

    async def read(self) -> Lease | None:
        await self._reach()
        return copy.deepcopy(self.store.lease)

    async def create(self, spec: Lease) -> Lease:
        await self._reach()
        if self.store.lease is not None:
            raise ApiError(409, "AlreadyExists", "somebody was faster")
        return self._put({"metadata": {}, "spec": spec})

    async def replace(self, lease: Lease) -> Lease:
        await self._reach()
        assert self.store.lease is not None
        if lease["metadata"]["resourceVersion"] != self.store.lease["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "somebody was faster")
        return self._put(lease)

    def _put(self, lease: Lease) -> Lease:
        self.store.version += 1
        lease["metadata"]["resourceVersion"] = str(self.store.version)
        self.store.lease = copy.deepcopy(lease)
        return copy.deepcopy(lease)

    async def _reach(self) -> None:
        await asyncio.sleep(0.01)
        if self.hangs:
            await asyncio.Event().wait()
        if self.down:
            raise ApiError(0, "NoAnswer", "connection refused")


def candidate(store: Store, name: str, clock_error: float = 0.0) -> tuple[Election, Client]:
    client = Client(store)
    began = now()

    def wall() -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=now() - began + clock_error)

    return Election(client, name, now=wall), client


def holder(store: Store) -> str:
    assert store.lease is not None
    return str(store.lease["spec"]["holderIdentity"])


async def test_the_first_candidate_leads_at_once() -> None:
    store = Store()
    began = now()
    election, _ = candidate(store, "a")
    await election.acquire()
    assert holder(store) == "a"
    assert now() - began < 1


async def test_the_second_candidate_waits_as_long_as_the_first_renews() -> None:
    store = Store()
    first, _ = candidate(store, "a")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    second, _ = candidate(store, "b")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.acquire(), 300)
    assert holder(store) == "a"
    holding.cancel()


async def test_after_a_crash_the_second_leads_when_the_lease_has_expired() -> None:
    store = Store()
    first, _ = candidate(store, "a")
    await first.acquire()
    second, _ = candidate(store, "b")
    began = now()
    await second.acquire()
    assert 15 <= now() - began <= 18
    assert store.lease is not None
    assert store.lease["spec"]["leaseTransitions"] == 1


async def test_a_clock_that_is_an_hour_off_changes_nothing() -> None:
    store = Store()
    first, _ = candidate(store, "a", clock_error=-3600)
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    second, _ = candidate(store, "b", clock_error=3600)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.acquire(), 120)
    holding.cancel()


async def test_a_released_lease_is_taken_at_the_next_try() -> None:
    store = Store()
    first, _ = candidate(store, "a")
    await first.acquire()
    second, _ = candidate(store, "b")
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(5)
    await first.release()
    began = now()
    await waiting
    assert now() - began < 3
    assert holder(store) == "b"


@pytest.mark.parametrize("trouble", ["down", "hangs"])
async def test_a_leader_that_cannot_renew_stops_before_another_may_lead(trouble: str) -> None:
    store = Store()
    first, client = candidate(store, "a")
    await first.acquire()
    second, _ = candidate(store, "b")
    taken = asyncio.create_task(second.acquire())
    holding = asyncio.create_task(first.hold())
    await asyncio.sleep(60)
    setattr(client, trouble, True)
    with pytest.raises(LeaseLostError):
        await holding
    assert not taken.done()
    assert holder(store) == "a"
    await taken
    assert holder(store) == "b"


async def test_a_short_outage_does_not_cost_the_lease() -> None:
    store = Store()
    election, client = candidate(store, "a")
    await election.acquire()
    holding = asyncio.create_task(election.hold())
    for _ in range(5):
        await asyncio.sleep(20)
        client.down = True
        await asyncio.sleep(6)
        client.down = False
    assert not holding.done()
    holding.cancel()


async def test_a_leader_that_sees_another_holder_stops_at_once() -> None:
    store = Store()
    election, _ = candidate(store, "a")
    await election.acquire()
    holding = asyncio.create_task(election.hold())
    await asyncio.sleep(3)
    assert store.lease is not None
    store.lease["spec"] |= {"holderIdentity": "b", "renewTime": "2026-01-01T00:00:03.000000Z"}
    began = now()
    with pytest.raises(LeaseLostError):
        await holding
    assert now() - began < 3


async def test_two_candidates_never_lead_at_the_same_time_through_repeated_failovers() -> None:
    store = Store()
    leading: list[str] = []

    async def live(name: str) -> None:
        for life in count():
            election, client = candidate(store, f"{name}{life}")
            await election.acquire()
            leading.append(name)
            assert len(leading) == 1
            asyncio.get_running_loop().call_later(30, setattr, client, "down", True)
            with pytest.raises(LeaseLostError):
                await election.hold()
            leading.remove(name)

    lives = [asyncio.create_task(live(name)) for name in ("a", "b", "c")]
    await asyncio.sleep(1000)
    assert not any(task.done() for task in lives)
    assert store.lease is not None
    assert store.lease["spec"]["leaseTransitions"] > 10
    for task in lives:
        task.cancel()


async def test_releasing_after_the_lease_went_to_another_leaves_it_alone() -> None:
    store = Store()
    first, _ = candidate(store, "a")
    await first.acquire()
    second, _ = candidate(store, "b")
    await second.acquire()
    await first.release()
    assert holder(store) == "b"
