# SPDX-License-Identifier: Apache-2.0
"""What `kubectl get` shows: the server itself renders rows and columns, from the definitions' printer columns."""

import pytest

from tests.plugins.kube import Kube
from tests.plugins.objects import CHANNELS, DOWNLOAD_JOBS, JOBS, MONITORS, STREAM, Resource, job, monitor

TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
MOMENT = "2030-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("resource", "columns"),
    [
        (MONITORS, ["Name", "Ready", "Reason", "Stream", "Open", "Last Event", "Seat", "Source", "Pod", "Age"]),
        (CHANNELS, ["Name", "Ready", "Feed", "Videos", "Polled", "Schedule", "Title", "Age"]),
        (DOWNLOAD_JOBS, ["Name", "State", "Percent", "File", "Error", "Source", "Age"]),
    ],
    ids=lambda value: value.plural if isinstance(value, Resource) else "",
)
async def test_a_table_of_our_kind_has_our_columns(kube: Kube, resource: Resource, columns: list[str]) -> None:
    table = await kube.list(resource, accept=TABLE)
    assert (table["apiVersion"], table["kind"], table.get("rows") or []) == ("meta.k8s.io/v1", "Table", [])
    assert [column["name"] for column in table["columnDefinitions"]] == columns
    assert table["columnDefinitions"][0] == {
        "name": "Name",
        "type": "string",
        "format": "name",
        "priority": 0,
        "description": table["columnDefinitions"][0]["description"],
    }


async def test_a_row_holds_what_the_columns_point_at(kube: Kube) -> None:
    await kube.create(monitor("a", labels={"team": "news"}))
    ready = {"type": "Ready", "status": "False", "reason": "PodPending", "lastTransitionTime": MOMENT}
    degraded = {"type": "Degraded", "status": "True", "reason": "Black", "lastTransitionTime": MOMENT}
    status = {"conditions": [degraded, ready], "stream": {"state": "Live"}, "openSummary": "black, silence"}
    await kube.patch(MONITORS, "a", {"status": status}, subresource="status")
    table = await kube.get(MONITORS, "a", accept=TABLE)
    (row,) = table["rows"]
    names = [column["name"] for column in table["columnDefinitions"]]
    cells = dict(zip(names, row["cells"], strict=True))
    assert cells.pop("Age").endswith("s")
    assert cells == {
        "Name": "a",
        "Ready": "False",
        "Reason": "PodPending",
        "Stream": "Live",
        "Open": "black, silence",
        "Last Event": None,
        "Seat": None,
        "Source": STREAM,
        "Pod": None,
    }
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["labels"] == {"team": "news"}


async def test_wide_columns_are_marked(kube: Kube) -> None:
    table = await kube.list(MONITORS, accept=TABLE)
    wide = [column["name"] for column in table["columnDefinitions"] if column["priority"] > 0]
    assert wide == ["Source", "Pod"]


async def test_rows_can_carry_the_whole_object_or_nothing(kube: Kube) -> None:
    await kube.create(monitor("a"))
    (whole,) = (await kube.list(MONITORS, accept=TABLE, includeObject="Object"))["rows"]
    assert whole["object"]["spec"]["source"] == {"url": STREAM}
    (bare,) = (await kube.list(MONITORS, accept=TABLE, includeObject="None"))["rows"]
    assert bare.get("object") is None


async def test_a_watch_can_be_a_table_too(kube: Kube) -> None:
    start = (await kube.list(MONITORS))["metadata"]["resourceVersion"]
    async with kube.watch(MONITORS, resourceVersion=start, accept=TABLE) as watch:
        await kube.create(monitor("a"))
        await kube.patch(MONITORS, "a", {"spec": {"suspend": True}})
        first, second = await watch.take(2)
    assert (first.object["kind"], first.object["rows"][0]["cells"][0]) == ("Table", "a")
    assert [column["name"] for column in first.object["columnDefinitions"]][:2] == ["Name", "Ready"]
    assert (second.type, second.object.get("columnDefinitions")) == ("MODIFIED", None)


async def test_a_client_that_cannot_read_tables_gets_objects(kube: Kube) -> None:
    listing = await kube.list(MONITORS, accept="application/json;as=Table;g=meta.k8s.io;v=v1beta9,application/json")
    assert listing["kind"] == "MonitorList"


async def test_jobs_have_a_table_of_their_own(kube: Kube) -> None:
    await kube.create(job("fetch"))
    table = await kube.list(JOBS, accept=TABLE)
    narrow = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert narrow == ["Name", "Status", "Completions", "Duration", "Age"]
    assert table["rows"][0]["cells"][0] == "fetch"
