# SPDX-License-Identifier: Apache-2.0
"""Lists: which objects, in which order, in which portions."""

import asyncio

import pytest

from tests.plugins.kube import Kube
from tests.plugins.objects import CONFIG_MAPS, MONITORS, NAMESPACES, PODS, config_map, monitor, pod
from tests.plugins.refusals import refusal


@pytest.fixture
async def teams(kube: Kube) -> Kube:
    """Monitors a (news, tier 1), b (news), c (sport, tier 2) and d (no labels)."""
    labels = {"a": {"team": "news", "tier": "1"}, "b": {"team": "news"}, "c": {"team": "sport", "tier": "2"}, "d": {}}
    await asyncio.gather(*(kube.create(monitor(name, labels=each)) for name, each in labels.items()))
    return kube


BY_LABEL = {
    "team=news": ["a", "b"],
    "team==news": ["a", "b"],
    "team!=news": ["c", "d"],
    "team in (news,sport)": ["a", "b", "c"],
    "team in ( sport )": ["c"],
    "team notin (news)": ["c", "d"],
    "tier": ["a", "c"],
    "!tier": ["b", "d"],
    "team=news,tier": ["a"],
    "team in (news), !tier": ["b"],
    "team=": [],
    "team=weather": [],
    "tier>1": ["c"],
    "": ["a", "b", "c", "d"],
}
BY_FIELD = {
    "metadata.name=b": ["b"],
    "metadata.name!=b": ["a", "c", "d"],
    "metadata.namespace=elsewhere": [],
    "metadata.name=a,metadata.name!=b": ["a"],
}


async def test_a_label_selector_chooses(teams: Kube) -> None:
    assert {selector: await teams.names(MONITORS, labelSelector=selector) for selector in BY_LABEL} == BY_LABEL


async def test_a_field_selector_chooses(teams: Kube) -> None:
    assert {selector: await teams.names(MONITORS, fieldSelector=selector) for selector in BY_FIELD} == BY_FIELD


@pytest.mark.parametrize("selector", ["=a", "team in news", "a b", "team in (news"])
async def test_a_label_selector_that_is_none_is_refused(kube: Kube, selector: str) -> None:
    status = await refusal(kube.list(MONITORS, labelSelector=selector))
    assert (status["code"], status["reason"]) == (400, "BadRequest")


async def test_a_field_that_cannot_be_selected_is_refused(kube: Kube) -> None:
    status = await refusal(kube.list(MONITORS, fieldSelector="spec.depth=Full"))
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert status["message"] == "field label not supported: spec.depth"


async def test_pods_are_selected_by_phase_and_node(kube: Kube) -> None:
    await kube.create(pod("a"))
    await kube.create(pod("b"))
    await kube.patch(PODS, "b", {"status": {"phase": "Succeeded"}}, subresource="status")
    assert await kube.names(PODS, fieldSelector="status.phase=Succeeded") == ["b"]
    assert await kube.names(PODS, fieldSelector="status.phase!=Succeeded") == ["a"]
    assert await kube.names(PODS, fieldSelector="spec.nodeName=") == ["a", "b"]
    assert await kube.names(PODS, fieldSelector="spec.nodeName=somewhere") == []


async def test_a_list_says_its_kind_and_version(teams: Kube) -> None:
    listing = await teams.list(MONITORS)
    assert (listing["apiVersion"], listing["kind"]) == ("castwarden.dev/v1alpha1", "MonitorList")
    newest = max(int(item["metadata"]["resourceVersion"]) for item in listing["items"])
    assert int(listing["metadata"]["resourceVersion"]) >= newest
    assert all(item["kind"] == "Monitor" for item in listing["items"])


async def test_an_empty_list_has_items(kube: Kube) -> None:
    assert (await kube.list(MONITORS))["items"] == []


async def test_a_list_of_all_namespaces_holds_ours(teams: Kube) -> None:
    listing = await teams.request("GET", MONITORS.path(""), fieldSelector=f"metadata.namespace={teams.namespace}")
    assert [item["metadata"]["name"] for item in listing["items"]] == ["a", "b", "c", "d"]


async def test_namespaces_are_selected_by_name(kube: Kube) -> None:
    assert await kube.names(NAMESPACES, fieldSelector=f"metadata.name={kube.namespace}") == [kube.namespace]


async def test_pages_together_are_the_whole_as_of_the_first(kube: Kube) -> None:
    names = [f"c{number}" for number in range(7)]
    await asyncio.gather(*(kube.create(config_map(name, labels={"x": "y"})) for name in names))
    first = await kube.list(CONFIG_MAPS, limit=3, labelSelector="x=y")
    assert "continue" in first["metadata"]
    await kube.create(config_map("c61", labels={"x": "y"}))  # after the first page: belongs to no page
    await kube.delete(CONFIG_MAPS, "c4")  # belongs to its page still
    found, page, versions = list(first["items"]), first, {first["metadata"]["resourceVersion"]}
    while token := page["metadata"].get("continue"):
        page = await kube.list(CONFIG_MAPS, limit=3, labelSelector="x=y", **{"continue": token})
        assert len(page["items"]) <= 3
        found += page["items"]
        versions.add(page["metadata"]["resourceVersion"])
    assert [item["metadata"]["name"] for item in found] == names
    assert len(versions) == 1


async def test_a_page_tells_how_many_remain(teams: Kube) -> None:
    page = await teams.list(MONITORS, limit=3)
    assert page["metadata"]["remainingItemCount"] == 1
    assert [item["metadata"]["name"] for item in page["items"]] == ["a", "b", "c"]


async def test_a_continue_token_that_is_none_is_refused(kube: Kube) -> None:
    status = await refusal(kube.list(MONITORS, **{"continue": "nonsense"}))
    assert (status["code"], status["reason"]) == (400, "BadRequest")


async def test_a_collection_can_be_deleted_by_selector(teams: Kube) -> None:
    await teams.request("DELETE", MONITORS.path(teams.namespace), labelSelector="team=news")
    assert await teams.names(MONITORS) == ["c", "d"]


async def test_metadata_alone_can_be_listed(teams: Kube) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listing = await teams.list(MONITORS, accept=accept)
    assert listing["kind"] == "PartialObjectMetadataList"
    assert [sorted(item) for item in listing["items"]] == [["apiVersion", "kind", "metadata"]] * 4
