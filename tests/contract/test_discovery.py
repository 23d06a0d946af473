# SPDX-License-Identifier: Apache-2.0
"""What clients learn before their first call: groups, kinds, short names, verbs, formats."""

import pytest

from tests.plugins.kube import Kube
from tests.plugins.objects import Object

VERBS = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


async def resources(kube: Kube, path: str) -> dict[str, Object]:
    listing = await kube.request("GET", path)
    assert listing["kind"] == "APIResourceList"
    return {each["name"]: each for each in listing["resources"]}


@pytest.mark.parametrize(
    ("plural", "kind", "short"),
    [("monitors", "Monitor", "mon"), ("channels", "Channel", "chan"), ("downloadjobs", "DownloadJob", "dlj")],
)
async def test_discovery_lists_each_of_our_kinds(kube: Kube, plural: str, kind: str, short: str) -> None:
    found = await resources(kube, "/apis/castwarden.dev/v1alpha1")
    entry = found[plural]
    assert {key: entry[key] for key in ("kind", "singularName", "namespaced", "shortNames", "categories")} == {
        "kind": kind,
        "singularName": kind.lower(),
        "namespaced": True,
        "shortNames": [short],
        "categories": ["castwarden"],
    }
    assert set(entry["verbs"]) == VERBS
    status = found[f"{plural}/status"]
    assert (status["kind"], set(status["verbs"])) == (kind, {"get", "patch", "update"})


async def test_discovery_names_our_group_and_its_version(kube: Kube) -> None:
    group = await kube.request("GET", "/apis/castwarden.dev")
    version = {"groupVersion": "castwarden.dev/v1alpha1", "version": "v1alpha1"}
    assert (group["kind"], group["name"], group["preferredVersion"]) == ("APIGroup", "castwarden.dev", version)
    groups = await kube.request("GET", "/apis")
    listed = {each["name"]: each["versions"] for each in groups["groups"]}
    assert listed["castwarden.dev"] == [version]
    assert {"batch", "coordination.k8s.io", "authentication.k8s.io", "apiextensions.k8s.io"} <= listed.keys()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (
            "/api/v1",
            {"configmaps", "events", "namespaces", "persistentvolumeclaims", "pods", "pods/log", "pods/status"},
        ),
        ("/api/v1", {"secrets", "serviceaccounts", "serviceaccounts/token"}),
        ("/apis/batch/v1", {"cronjobs", "cronjobs/status", "jobs", "jobs/status"}),
        ("/apis/coordination.k8s.io/v1", {"leases"}),
        ("/apis/authentication.k8s.io/v1", {"tokenreviews"}),
        ("/apis/apiextensions.k8s.io/v1", {"customresourcedefinitions"}),
    ],
)
async def test_discovery_lists_what_we_use_of_kubernetes(kube: Kube, path: str, names: set[str]) -> None:
    assert names <= (await resources(kube, path)).keys()


async def test_one_request_discovers_all_groups_when_the_client_can_read_it(kube: Kube) -> None:
    listing = await kube.request("GET", "/apis", accept=f"{AGGREGATED},application/json")
    if listing["kind"] == "APIGroupList":  # a server may answer in the older form, and clients cope
        assert "castwarden.dev" in {group["name"] for group in listing["groups"]}
        return
    ours = next(group for group in listing["items"] if group["metadata"]["name"] == "castwarden.dev")
    entries = {each["resource"]: each for each in ours["versions"][0]["resources"]}
    assert entries["monitors"]["shortNames"] == ["mon"]
    assert entries["monitors"]["responseKind"]["kind"] == "Monitor"


async def test_the_server_tells_its_version(kube: Kube) -> None:
    version = await kube.request("GET", "/version")
    assert version["major"] == "1"
    assert version["gitVersion"].startswith(f"v1.{version['minor']}")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_the_server_says_that_it_is_well(kube: Kube, path: str) -> None:
    assert await kube.request("GET", path) == "ok"


async def test_the_definitions_say_that_they_are_served(kube: Kube) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/monitors.castwarden.dev"
    definition = await kube.request("GET", path)
    conditions = {each["type"]: each["status"] for each in definition["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert definition["status"]["acceptedNames"]["shortNames"] == ["mon"]
    assert definition["status"]["storedVersions"] == ["v1alpha1"]
