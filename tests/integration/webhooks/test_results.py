# SPDX-License-Identifier: Apache-2.0
"""What results do to the queue, also when they come late, twice, or cannot be written."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks import claim, deliver, flush
from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.flush import Result
from castwarden_gateway.webhooks.schedule import Verdict
from castwarden_gateway.webhooks.send import Answer

from tests.integration.webhooks.conftest import Bench, Engines, Receivers

ME, ANOTHER = uuid4(), uuid4()
SENT = Answer(ms=1, status=200), Verdict("sent")
FAILED = Answer(ms=1, status=500, error="status_500"), Verdict("failed", wait=60.0)
DEAD = Answer(ms=1, status=500, error="status_500"), Verdict("dead")


async def leased(bench: Bench, owner: UUID = ME) -> Claim:
    """One delivery that `owner` has claimed."""
    await bench.endpoint("https://hooks.example/")
    await bench.emit("stream.started")
    async with bench.database.connection() as connection:
        (found,) = await claim.claim(connection, owner, {}, {}, 10, 10, 10.0)
    return found


async def write(bench: Bench, found: Claim, outcome: tuple[Answer, Verdict], owner: UUID = ME) -> None:
    result = Result(found, datetime(2026, 11, 20, tzinfo=UTC), *outcome)
    async with bench.database.connection() as connection:
        await flush.write(connection, owner, [result])


async def counts(bench: Bench) -> tuple[int, int, int]:
    """Unfinished, dead, attempts."""
    row: Any = await bench.row(
        "select (select count(*) from webhook_deliveries), (select count(*) from webhook_dead),"
        " (select count(*) from webhook_attempts)"
    )
    return tuple(row)


async def test_what_is_leased_is_not_claimed_again(bench: Bench) -> None:
    await leased(bench)
    async with bench.database.connection() as connection:
        assert await claim.claim(connection, ANOTHER, {}, {}, 10, 10, 10.0) == []


async def test_a_look_at_some_endpoints_takes_nothing_of_others(bench: Bench) -> None:
    here, _ = await bench.endpoint("https://hooks.example/")
    await bench.endpoint("https://hooks.example/")
    await bench.emit("stream.started", "stream.ended")
    async with bench.database.connection() as connection:
        found = await claim.claim(connection, ME, {here: 1}, {}, 10, 10, 10.0, None, [here])
        assert [one.endpoint_id for one in found] == [here]
        found = await claim.claim(connection, ME, {here: 0}, {}, 10, 10, 10.0, 2)
        assert [one.endpoint_id != here for one in found] == [True, True]


async def test_a_released_delivery_is_due_at_once_unless_it_is_still_in_hand(bench: Bench) -> None:
    found = await leased(bench)
    async with bench.database.connection() as connection:
        await claim.release(connection, ME, [found.id])
        assert await claim.claim(connection, ANOTHER, {}, {}, 10, 10, 10.0) == []
        await claim.release(connection, ME, [])
        (again,) = await claim.claim(connection, ANOTHER, {}, {}, 10, 10, 10.0)
    assert again.id == found.id


@pytest.mark.parametrize(
    ("outcome", "expected"), [(SENT, (0, 0, 1)), (FAILED, (1, 0, 1)), (DEAD, (0, 1, 1))], ids=["sent", "failed", "dead"]
)
async def test_writing_a_result_twice_changes_nothing_more(
    bench: Bench, outcome: tuple[Answer, Verdict], expected: tuple[int, int, int]
) -> None:
    found = await leased(bench)
    await write(bench, found, outcome)
    await write(bench, found, outcome)
    assert await counts(bench) == expected


@pytest.mark.parametrize("outcome", [FAILED, DEAD], ids=["failed", "dead"])
async def test_a_failure_that_comes_after_the_lease_went_to_another_leaves_the_delivery_to_that_one(
    bench: Bench, outcome: tuple[Answer, Verdict]
) -> None:
    found = await leased(bench, ANOTHER)
    await write(bench, found, outcome, ME)
    row = await bench.row("select lease_owner, attempt from webhook_deliveries")
    assert (row["lease_owner"], row["attempt"]) == (ANOTHER, 0)
    assert await counts(bench) == (1, 0, 1)


async def test_a_success_counts_whoever_holds_the_lease(bench: Bench) -> None:
    found = await leased(bench, ANOTHER)
    await write(bench, found, SENT, ME)
    assert await counts(bench) == (0, 0, 1)


async def test_a_result_that_cannot_be_written_holds_up_no_other(
    bench: Bench, receiver: Receivers, engine: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = await receiver()
    await bench.endpoint(hook.url, events=["stream.*"], timeout_seconds=1)
    await bench.endpoint(hook.url, events=["alert.*"])
    poison_once(monkeypatch)
    await engine()
    ids = await bench.emit("stream.started", "alert.freeze")
    await wait_until(bench.drained, 30)
    assert hook.ids[str(ids[1])] == 1
    assert hook.ids[str(ids[0])] == 2


def poison_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer to a stream.* event carries text that PostgreSQL does not take."""
    poisoned: list[UUID] = []

    async def attempt(session: Any, signer: Any, found: Claim) -> tuple[Answer, Verdict]:
        answer, verdict = await deliver.attempt(session, signer, found)
        if found.event is not None and found.event.type.startswith("stream.") and not poisoned:
            poisoned.append(found.id)
            answer = replace(answer, detail="\0")
        return answer, verdict

    monkeypatch.setattr("castwarden_gateway.webhooks.engine.attempt", attempt)
