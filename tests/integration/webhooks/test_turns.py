# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is: the endpoint that waits longest first, and none before the rest that it asked for is over."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiohttp import web
from castwarden_base.waiting import wait_until
from castwarden_gateway.webhooks import flush

from tests.integration.webhooks.conftest import QUICK, Bench, Engines, Receivers


@pytest.mark.parametrize("waits", [(1, 3, 2), (3, 1, 2), (2, 1, 3)])
async def test_the_endpoint_that_waits_longest_has_its_turn_first(
    bench: Bench, receiver: Receivers, engine: Engines, waits: Sequence[int]
) -> None:
    served: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        served.append(request.path)
        return web.Response()

    hook = await receiver(answer)
    for hours in waits:
        await bench.endpoint(f"{hook.url}/{hours}")
    await bench.emit("stream.started")
    await bench.database.execute(
        "update webhook_deliveries d set due_at = now() - right(e.url, 1)::int * interval '1 hour'"
        " from webhook_endpoints e where e.id = d.endpoint_id"
    )
    await engine(replace(QUICK, max_in_flight=1))
    await wait_until(bench.drained, 30)
    assert served == ["/hook/3", "/hook/2", "/hook/1"]


@pytest.mark.parametrize("pauses", [(3600.0, 5.0), (5.0, 3600.0)])
async def test_a_short_rest_does_not_cut_a_longer_one_short(bench: Bench, pauses: Sequence[float]) -> None:
    id_, _ = await bench.endpoint("https://hooks.example/")
    for seconds in pauses:
        await bench.database.execute(flush.SQL.pause, [id_], [seconds])
    left = "select extract(epoch from paused_until - now())::int from webhook_endpoints"
    assert 3000 < await bench.database.fetchval(left) <= 3600
