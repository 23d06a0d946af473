# SPDX-License-Identifier: Apache-2.0
"""What the controller of pools remembers from one time to the next, and whom it has looked at."""

import pytest
from castwarden_operator.errors import ApiError, RetryError
from castwarden_operator.reconcile.pool import shared_pod

from .objects import pod_status, stored
from .packed_world import A_POOL, FIRST, POD, SECOND, SMALL, World


@pytest.fixture
async def world() -> World:
    """Two share a Pod, a third has one of its own."""
    made = World()
    for name in ("a", "b", "c"):
        made.has(name)
    await made.settle()
    return made


async def test_those_whose_pod_stands_otherwise_than_before_are_looked_at_once_and_nobody_else(world: World) -> None:
    world.runs(FIRST)
    await world.pools.handle(A_POOL)
    assert world.todo == [world.ref("a"), world.ref("b")]
    world.todo.clear()
    world.pod_is(FIRST, pod_status("Running", ready=True), annotations={"of": "no interest"})
    await world.pools.handle(A_POOL)
    assert world.todo == []


async def test_those_whose_pod_is_gone_are_looked_at(world: World) -> None:
    world.runs(FIRST, SECOND)
    await world.settle()
    world.gone(world.pod(SECOND))
    await world.pools.handle(A_POOL)
    assert world.todo == [world.ref("c")]


async def test_a_pod_under_the_name_of_one_that_is_gone_is_empty_anew(world: World) -> None:
    world.change("c", suspend=True)
    await world.settle()
    assert await world.pools.handle(A_POOL) == SMALL.pool_empty_seconds
    world.gone(world.pod(SECOND))
    await world.pools.handle(A_POOL)
    world.passes(SMALL.pool_empty_seconds)
    world.api.has(POD, stored(shared_pod(A_POOL, 1, SMALL), uid="another"))
    assert await world.pools.handle(A_POOL) == SMALL.pool_empty_seconds
    assert SECOND in world.pods()


async def test_of_a_pool_that_is_gone_nothing_is_remembered(world: World) -> None:
    world.change("c", suspend=True)
    await world.settle()
    world.api.refuse["create Pod"] = ApiError(403, "Forbidden", "pods is forbidden: exceeded quota: small")
    world.gone(world.pod(FIRST))
    with pytest.raises(RetryError):
        await world.pools.handle(A_POOL)
    kept = world.pools._idle, world.pools._standings, world.book.refused, world.book._given
    assert all(kept)
    for name in ("a", "b", "c"):
        world.gone(world.ref(name))
    world.gone(world.pod(SECOND))
    await world.pools.handle(A_POOL)
    assert not any(kept)
