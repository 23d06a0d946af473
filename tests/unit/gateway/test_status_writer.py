# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from castwarden_gateway.kube.cache import Cache, Object
from castwarden_gateway.kube.client import KubernetesError, KubernetesUnavailable, Refused
from castwarden_gateway.kube.status import StatusWriter
from castwarden_model.messages import ResourceRef

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def ref(number: int = 1) -> ResourceRef:
    return ResourceRef(kind="Monitor", namespace="default", name=f"m{number}", uid=f"uid-{number}")


class Api:
    """Stands for the Kubernetes API; every write takes `seconds`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.writes: list[tuple[float, str, Any]] = []
        self.error: KubernetesError | None = None
        self.seconds = seconds

    async def apply(self, path: str, body: Object) -> Object:
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        now = round(asyncio.get_running_loop().time(), 1)
        self.writes.append((now, body["metadata"]["name"], body["status"]))
        meta = {**body["metadata"], "resourceVersion": str(len(self.writes))}
        return {"metadata": meta, "status": body["status"]}


@asynccontextmanager
async def running(api: Api) -> AsyncIterator[StatusWriter]:
    writer = StatusWriter({"Monitor": ("monitors", Cache("Monitor"))})
    task = asyncio.create_task(writer.run(api))  # type: ignore[arg-type]
    yield writer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_changes_within_a_second_become_one_write() -> None:
    api = Api()
    async with running(api) as writer:
        for number in range(20):
            writer.submit(ref(), {"openConditions": [str(number)]})
            await asyncio.sleep(0.1)
        await asyncio.sleep(3)
    assert [at for at, _, _ in api.writes] == [0.0, 1.0, 2.0]
    assert api.writes[-1][2] == {"openConditions": ["19"]}


async def test_a_slow_api_is_not_written_to_more_often() -> None:
    api = Api(seconds=0.7)
    async with running(api) as writer:
        for number in range(50):
            writer.submit(ref(), {"openConditions": [str(number)]})
            await asyncio.sleep(0.1)
    assert [at for at, _, _ in api.writes] == [0.7, 1.7, 2.7, 3.7, 4.7]


async def test_counters_alone_are_written_every_half_minute() -> None:
    api = Api()
    async with running(api) as writer:
        for number in range(70):
            writer.submit(ref(), {"stream": {"state": "Live"}, "statistics": {"totalSegmentsAnalyzed": number}})
            await asyncio.sleep(1)
    assert [at for at, _, _ in api.writes] == [0.0, 30.0, 60.0]


async def test_what_is_submitted_can_be_read_before_it_is_written() -> None:
    api = Api(seconds=5)
    async with running(api) as writer:
        writer.submit(ref(), {"stream": {"state": "Live"}})
        await asyncio.sleep(1)
        assert writer.current("Monitor", "default", "m1", "uid-1")["stream"] == {"state": "Live"}
        await asyncio.sleep(10)
        assert writer.pending("uid-1") is None
        assert writer.current("Monitor", "default", "m1", "uid-1")["stream"] == {"state": "Live"}


async def test_the_same_status_again_is_not_written() -> None:
    api = Api()
    async with running(api) as writer:
        for _ in range(3):
            writer.submit(ref(), {"stream": {"state": "Live"}})
            await asyncio.sleep(2)
    assert len(api.writes) == 1


async def test_an_api_that_is_away_gets_the_newest_status_when_it_is_back() -> None:
    api = Api()
    api.error = KubernetesUnavailable("away")
    async with running(api) as writer:
        writer.submit(ref(), {"stream": {"state": "Live"}})
        await asyncio.sleep(7)
        writer.submit(ref(), {"stream": {"state": "Ended"}})
        api.error = None
        await asyncio.sleep(7)
    assert [status for _, _, status in api.writes] == [{"stream": {"state": "Ended"}}]


@pytest.mark.parametrize("code", [404, 409, 422])
async def test_a_status_that_is_refused_is_not_tried_again(code: int) -> None:
    api = Api()
    api.error = Refused(code, {"message": "no"})
    async with running(api) as writer:
        writer.submit(ref(), {"stream": {"state": "Live"}})
        await asyncio.sleep(7)
        api.error = None
        await asyncio.sleep(60)
        assert writer.pending("uid-1") is None
    assert api.writes == []


async def test_many_resources_are_written_at_a_bounded_pace() -> None:
    api = Api()
    async with running(api) as writer:
        for number in range(100):
            writer.submit(ref(number), {"stream": {"state": "Live"}})
        await asyncio.sleep(1.01)
        assert 20 <= len(api.writes) <= 30
        await asyncio.sleep(4)
    assert len({name for _, name, _ in api.writes}) == 100


async def test_what_the_api_holds_already_is_not_kept_here_as_well() -> None:
    status = {"openConditions": ["black"], "conditions": []}
    cache = Cache("Monitor")
    meta = {"name": "m1", "namespace": "default", "uid": "uid-1", "resourceVersion": "1"}
    cache.put({"metadata": meta, "status": {**status, "podName": "p"}})
    writer = StatusWriter({"Monitor": ("monitors", cache)})
    writer.submit(ref(), status)
    assert (writer.pending("uid-1"), len(writer)) == (None, 0)
    writer.submit(ref(), {**status, "openConditions": []})
    assert (writer.pending("uid-1") is not None, len(writer)) == (True, 1)


async def test_counters_of_many_do_not_make_an_alert_wait() -> None:
    api = Api()
    async with running(api) as writer:
        for number in range(300):
            writer.submit(ref(number), {"statistics": {"totalSegmentsAnalyzed": number}})
        await asyncio.sleep(1)
        writer.submit(ref(999), {"openConditions": ["black"]})
        await asyncio.sleep(0.2)
    assert "m999" in {name for _, name, _ in api.writes}
