# SPDX-License-Identifier: Apache-2.0
"""Reports that share a transaction, and what one of them can do to the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from castwarden_base.ids import uuid7
from castwarden_gateway.db import Database
from castwarden_gateway.facts import taker as module
from castwarden_gateway.facts.errors import InvalidReport
from castwarden_gateway.facts.fold import fold
from castwarden_gateway.facts.taker import Taker
from castwarden_gateway.tenants.bootstrap import Tenants
from castwarden_gateway.tenants.store import TenantStore
from castwarden_model.messages import Report
from castwarden_model.resources import Monitor

from tests.integration.gateway.conftest import monitor, report, transition


def named(name: str) -> Monitor:
    obj = monitor(name, namespace=f"of-{name}")
    obj["metadata"]["uid"] = f"uid-{name}"
    return Monitor.model_validate(obj)


def of(resource: Monitor, **facts: Any) -> Report:
    obj = {"kind": "Monitor", "metadata": resource.metadata.model_dump()}
    return Report.model_validate(report(obj, **facts))


@asynccontextmanager
async def working(database_url: str) -> AsyncIterator[tuple[Taker, Database]]:
    database = (await Database.open(database_url)).of_all()
    taker = Taker(database, Tenants(TenantStore(database, 10)), lambda known: None)
    task = asyncio.create_task(taker.run())
    yield taker, database
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.close()


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (TypeError("can't compare offset-naive and offset-aware datetimes"), InvalidReport),
        (OverflowError("date value out of range"), InvalidReport),
        (ValueError("not like this"), InvalidReport),
        (KeyError("a mistake of ours"), KeyError),
    ],
)
async def test_a_report_that_cannot_be_folded_fails_alone(
    database_url: str, monkeypatch: pytest.MonkeyPatch, error: Exception, refusal: type[Exception]
) -> None:
    def fragile(known: Any, one: Report, *rest: Any) -> Any:
        if one.resource.name == "bad":
            raise error
        return fold(known, one, *rest)

    monkeypatch.setattr(module, "fold", fragile)
    names = ["one", "bad", "two", "three"]
    async with working(database_url) as (taker, _):
        answers = await asyncio.gather(
            *(taker.take(of(named(name)), named(name)) for name in names), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [bool, refusal, bool, bool]


async def test_nobody_can_use_up_the_id_of_anothers_report_or_fact(database_url: str) -> None:
    one, two = named("one"), named("two")
    fact = transition("black", "raised")
    async with working(database_url) as (taker, database):
        first = of(one, transitions=[fact])
        second = of(two, transitions=[fact]).model_copy(update={"id": first.id})
        assert [await taker.take(first, one), await taker.take(second, two)] == [False, False]
        assert [await taker.take(first, one), await taker.take(second, two)] == [True, True]
        assert await database.fetchval("select count(*) from events where type = 'alert.blackout'") == 2


async def test_nobody_can_use_up_the_id_of_anothers_download_attempt(database_url: str) -> None:
    one, two = named("one"), named("two")
    at = "2026-11-20T12:00:00Z"
    attempts = [{"id": str(uuid7()), "client": "default", "started_at": at, "finished_at": at}]
    async with working(database_url) as (taker, database):
        await taker.take(of(one, download={"attempts": attempts}), one)
        await taker.take(of(two, download={"attempts": attempts}), two)
        assert await database.fetchval("select count(*) from download_attempts") == 2
