# SPDX-License-Identifier: Apache-2.0
"""A watch that keeps what it tells, sessions that may reach loopback, and media made once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from castwarden_base.http import outbound_session
from castwarden_local.origin.encode import Encoded, Recipe, Stretch, encode
from castwarden_model.messages import Occurrence, Transition
from castwarden_model.resources.monitor import MonitorSpec
from castwarden_worker.monitor.watch import Outcome, Source, Watch

LOOPBACK = [ip_network("127.0.0.0/8")]
CHECKS = {
    "black": {"raiseAfter": "3s", "clearAfter": "2s"},
    "freeze": {"raiseAfter": "5s", "clearAfter": "2s"},
    "silence": {"raiseAfter": "3s", "clearAfter": "2s"},
    "stall": {"raiseAfter": "3s"},
    "segmentErrors": {"clearAfter": "4s"},
}
_TOGETHER = 120.0


def spec(checks: dict[str, Any] | None = None, **more: Any) -> MonitorSpec:
    values = {"source": {"url": "http://stream.example/live.m3u8"}, "checks": CHECKS if checks is None else checks}
    return MonitorSpec.model_validate(values | more)


@dataclass
class Told:
    """Facts in the order in which they were told."""

    facts: list[Transition | Occurrence] = field(default_factory=list)
    hook: Callable[[Transition | Occurrence], None] = lambda fact: None

    async def __call__(self, fact: Transition | Occurrence) -> None:
        self.facts.append(fact)
        self.hook(fact)

    @property
    def words(self) -> list[str]:
        return [f"{fact.condition} {fact.state}" if isinstance(fact, Transition) else fact.type for fact in self.facts]

    def transition(self, words: str) -> Transition:
        (found,) = [
            fact for fact in self.facts if isinstance(fact, Transition) and f"{fact.condition} {fact.state}" == words
        ]
        return found


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with outbound_session(LOOPBACK, total=60) as made:
        yield made


@pytest.fixture
def watched(session: aiohttp.ClientSession) -> Callable[..., Awaitable[tuple[Watch, Told]]]:
    """Watches a URL to its end, again and again when it becomes unavailable."""

    async def run(url: str, settings: MonitorSpec | None = None, **known: Any) -> tuple[Watch, Told]:
        told = Told()
        watch = Watch(session, settings or spec(), told, **({"whole": True} | known))
        async with asyncio.timeout(_TOGETHER):
            while await watch.run(Source(url)) is not Outcome.ENDED:
                await asyncio.sleep(0.5)
        return watch, told

    return run


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Encoded]:
    """Motion of six seconds, encoded once per recipe."""
    made: dict[Recipe, Encoded] = {}

    def encoded(**given: Any) -> Encoded:
        recipe = Recipe(**given)
        if recipe not in made:
            folder: Path = tmp_path_factory.mktemp("media") / "encoded"
            made[recipe] = encode([Stretch(6)], recipe, folder)
        return made[recipe]

    return encoded
