# SPDX-License-Identifier: Apache-2.0
"""Making, reading, replacing and patching: identity, generation, optimistic locking, the status subresource."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.plugins.kube import Kube
from tests.plugins.objects import CONFIG_MAPS, MONITORS, PODS, Object, config_map, make, monitor, pod
from tests.plugins.refusals import about, failure, refusal

CUSTOM = {"group": "castwarden.dev", "kind": "monitors"}
STATUS = {"stream": {"state": "Live"}}


def version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


def generation(obj: Object) -> int:
    return int(obj["metadata"]["generation"])


async def test_a_new_object_gets_its_identity_from_the_server(kube: Kube) -> None:
    made = await kube.create(monitor("a", labels={"team": "news"}))
    metadata = made["metadata"]
    assert (made["apiVersion"], made["kind"]) == ("castwarden.dev/v1alpha1", "Monitor")
    assert (metadata["name"], metadata["namespace"], metadata["labels"]) == ("a", kube.namespace, {"team": "news"})
    assert UUID(metadata["uid"])
    assert metadata["generation"] == 1
    age = datetime.now(UTC) - datetime.strptime(metadata["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(age.total_seconds()) < 60
    assert int(metadata["resourceVersion"]) > 0
    assert await kube.get(MONITORS, "a") == made


async def test_what_the_server_decides_cannot_be_given(kube: Kube) -> None:
    given = monitor("a")
    given["metadata"] |= {"uid": "mine", "generation": 7, "creationTimestamp": "2001-01-01T00:00:00Z"}
    made = await kube.create(given | {"status": STATUS})
    metadata = made["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["generation"] == 1
    assert not metadata["creationTimestamp"].startswith("2001")
    assert "status" not in made


async def test_a_name_made_again_is_another_object(kube: Kube) -> None:
    first = await kube.create(monitor("a"))
    await kube.delete(MONITORS, "a")
    assert (await kube.create(monitor("a")))["metadata"]["uid"] != first["metadata"]["uid"]


async def test_a_generated_name_begins_with_its_prefix_and_is_its_own(kube: Kube) -> None:
    body = monitor("") | {"metadata": {"generateName": "job-"}}
    names = {(await kube.create(body))["metadata"]["name"] for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("job-") and len(name) == len("job-") + 5 for name in names)


async def test_a_long_prefix_is_cut_so_that_the_generated_name_fits(kube: Kube) -> None:
    made = await kube.create(monitor("") | {"metadata": {"generateName": "a" * 200}})
    assert len(made["metadata"]["name"]) == 63


async def test_a_name_can_be_taken_once(kube: Kube) -> None:
    await kube.create(monitor("a"))
    status = await refusal(kube.create(monitor("a")))
    assert about(status) == failure(409, "AlreadyExists", name="a", **CUSTOM)
    assert status["message"] == 'monitors.castwarden.dev "a" already exists'


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_what_is_not_there_is_not_found(kube: Kube, method: str) -> None:
    body = {"PUT": monitor("a"), "PATCH": {"spec": {}}}.get(method)
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    status = await refusal(kube.request(method, MONITORS.path(kube.namespace, "a"), body, content_type=kind))
    assert about(status) == failure(404, "NotFound", name="a", **CUSTOM)
    assert status["message"] == 'monitors.castwarden.dev "a" not found'


async def test_core_kinds_are_refused_without_a_group(kube: Kube) -> None:
    status = await refusal(kube.get(PODS, "a"))
    assert about(status) == failure(404, "NotFound", name="a", kind="pods")
    assert status["message"] == 'pods "a" not found'


async def test_a_namespace_must_exist(kube: Kube) -> None:
    status = await refusal(kube.request("POST", MONITORS.path("nowhere"), monitor("a")))
    assert about(status) == failure(404, "NotFound", name="nowhere", kind="namespaces")


async def test_the_body_must_agree_with_the_address(kube: Kube) -> None:
    elsewhere = monitor("a") | {"metadata": {"name": "a", "namespace": "elsewhere"}}
    status = await refusal(kube.create(elsewhere))
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    await kube.create(monitor("a"))
    renamed = kube.request("PUT", MONITORS.path(kube.namespace, "a"), monitor("b"))
    status = await refusal(renamed)
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert status["message"] == "the name of the object (b) does not match the name on the URL (a)"


async def test_a_body_that_is_no_json_is_refused(kube: Kube) -> None:
    status = await refusal(kube.request("POST", MONITORS.path(kube.namespace), b"{nope"))
    assert (status["code"], status["reason"]) == (400, "BadRequest")


async def test_a_patch_of_unknown_sort_is_refused(kube: Kube) -> None:
    await kube.create(monitor("a"))
    status = await refusal(kube.request("PATCH", MONITORS.path(kube.namespace, "a"), {}))
    assert (status["code"], status["reason"]) == (415, "UnsupportedMediaType")
    strategic = kube.patch(MONITORS, "a", {"spec": {"suspend": True}}, kind="strategic")
    assert (await refusal(strategic))["code"] == 415


async def test_replacing_an_outdated_version_is_a_conflict(kube: Kube) -> None:
    old = await kube.create(monitor("a"))
    await kube.patch(MONITORS, "a", {"spec": {"suspend": True}})
    status = await refusal(kube.update(old | {"spec": old["spec"] | {"depth": "Full"}}))
    assert about(status) == failure(409, "Conflict", name="a", **CUSTOM)
    assert status["message"] == (
        'Operation cannot be fulfilled on monitors.castwarden.dev "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (await kube.get(MONITORS, "a"))["spec"]["depth"] == "Adaptive"


async def test_replacing_the_current_version_removes_what_is_left_out(kube: Kube) -> None:
    made = await kube.create(monitor("a", labels={"x": "y"}, webhookUrl="https://hooks.example.org/a"))
    body = monitor("a", depth="Full")
    body["metadata"]["resourceVersion"] = version(made)
    replaced = await kube.update(body)
    assert "webhookUrl" not in replaced["spec"]
    assert "labels" not in replaced["metadata"]
    assert replaced["spec"]["depth"] == "Full"
    assert replaced["metadata"]["uid"] == made["metadata"]["uid"]
    assert replaced["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]


async def test_replacing_a_resource_of_ours_needs_its_version(kube: Kube) -> None:
    await kube.create(monitor("a"))
    status = await refusal(kube.update(monitor("a")))
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["details"]["causes"][0]["field"] == "metadata.resourceVersion"


async def test_replacing_a_core_object_without_its_version_always_wins(kube: Kube) -> None:
    await kube.create(config_map("a", x="1"))
    assert (await kube.update(config_map("a", y="2")))["data"] == {"y": "2"}


async def test_a_merge_patch_changes_adds_and_removes(kube: Kube) -> None:
    await kube.create(monitor("a", metadata={"x": "1", "y": "2"}, labels={"team": "news"}))
    patch = {"metadata": {"labels": {"team": None, "tier": "1"}}, "spec": {"metadata": {"x": None, "z": "3"}}}
    patched = await kube.patch(MONITORS, "a", patch)
    assert patched["spec"]["metadata"] == {"y": "2", "z": "3"}
    assert patched["metadata"]["labels"] == {"tier": "1"}


async def test_a_merge_patch_can_be_bound_to_a_version(kube: Kube) -> None:
    made = await kube.create(monitor("a"))
    bound: Any = {"metadata": {"resourceVersion": version(made)}, "spec": {"suspend": True}}
    assert (await kube.patch(MONITORS, "a", bound))["spec"]["suspend"] is True
    status = await refusal(kube.patch(MONITORS, "a", bound | {"spec": {"suspend": False}}))
    assert about(status) == failure(409, "Conflict", name="a", **CUSTOM)


async def test_a_json_patch_applies_its_operations_in_order(kube: Kube) -> None:
    await kube.create(monitor("a", metadata={"x": "1"}))
    patch = [
        {"op": "test", "path": "/spec/metadata/x", "value": "1"},
        {"op": "replace", "path": "/spec/metadata/x", "value": "2"},
        {"op": "add", "path": "/spec/metadata/y", "value": "3"},
        {"op": "add", "path": "/metadata/labels", "value": {"example.org/tier": "1"}},
        {"op": "replace", "path": "/metadata/labels/example.org~1tier", "value": "2"},
    ]
    patched = await kube.patch(MONITORS, "a", patch, kind="json")
    assert patched["spec"]["metadata"] == {"x": "2", "y": "3"}
    assert patched["metadata"]["labels"] == {"example.org/tier": "2"}


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param({"op": "test", "path": "/spec/depth", "value": "Full"}, id="a test that fails"),
        pytest.param({"op": "remove", "path": "/spec/nope"}, id="a path that is not there"),
        pytest.param({"op": "nope", "path": "/spec/depth"}, id="an operation that is none"),
    ],
)
async def test_a_json_patch_that_cannot_be_applied_changes_nothing(kube: Kube, operation: Object) -> None:
    made = await kube.create(monitor("a"))
    patch = [{"op": "replace", "path": "/spec/suspend", "value": True}, operation]
    status = await refusal(kube.patch(MONITORS, "a", patch, kind="json"))
    assert about(status) == failure(422, "Invalid")
    assert status["message"] == "the server rejected our request due to an error in our request"
    assert await kube.get(MONITORS, "a") == made


async def test_a_json_patch_must_be_a_list(kube: Kube) -> None:
    await kube.create(monitor("a"))
    status = await refusal(kube.patch(MONITORS, "a", {"op": "remove"}, kind="json"))
    assert (status["code"], status["reason"]) == (400, "BadRequest")


async def test_a_strategic_patch_merges_a_core_objects_lists_by_their_keys(kube: Kube) -> None:
    await kube.create(pod("a"))
    patch = {"spec": {"containers": [{"name": "worker", "image": "another"}]}}
    (container,) = (await kube.patch(PODS, "a", patch, kind="strategic"))["spec"]["containers"]
    assert (container["image"], container["command"]) == ("another", ["true"])


@pytest.mark.parametrize(
    ("patch", "kind"),
    [
        ({"spec": {"suspend": False}}, "merge"),
        ({"spec": {"nothing": "known"}}, "merge"),
        ([{"op": "replace", "path": "/spec/suspend", "value": False}], "json"),
    ],
    ids=["merge", "dropped", "json"],
)
async def test_a_patch_that_changes_nothing_writes_nothing(kube: Kube, patch: Any, kind: str) -> None:
    made = await kube.create(monitor("a"))
    assert await kube.patch(MONITORS, "a", patch, kind=kind) == made
    assert await kube.get(MONITORS, "a") == made


async def test_an_update_that_changes_nothing_writes_nothing(kube: Kube) -> None:
    made = await kube.create(monitor("a"))
    assert version(await kube.update(made)) == version(made)


async def test_the_generation_counts_changes_of_the_spec_only(kube: Kube) -> None:
    made = await kube.create(monitor("a"))
    labelled = await kube.patch(MONITORS, "a", {"metadata": {"labels": {"x": "y"}, "annotations": {"x": "y"}}})
    summed = await kube.patch(MONITORS, "a", {"status": STATUS}, subresource="status")
    changed = await kube.patch(MONITORS, "a", {"spec": {"suspend": True}})
    assert [generation(each) for each in (made, labelled, summed, changed)] == [1, 1, 1, 2]
    versions = [int(version(each)) for each in (made, labelled, summed, changed)]
    assert versions == sorted(set(versions))


async def test_the_status_endpoint_changes_nothing_but_the_status(kube: Kube) -> None:
    made = await kube.create(monitor("a"))
    patch = {"spec": {"suspend": True}, "metadata": {"labels": {"x": "y"}}, "status": STATUS}
    patched = await kube.patch(MONITORS, "a", patch, subresource="status")
    assert (patched["spec"], patched["status"]) == (made["spec"], STATUS)
    replaced = await kube.update(patched | {"spec": {}, "status": {"podName": "p"}}, subresource="status")
    assert (replaced["spec"], replaced["status"]) == (made["spec"], {"podName": "p"})
    assert (await kube.get(MONITORS, "a", subresource="status"))["status"] == {"podName": "p"}


async def test_the_main_endpoint_leaves_the_status_alone(kube: Kube) -> None:
    await kube.create(monitor("a"))
    current = await kube.patch(MONITORS, "a", {"status": STATUS}, subresource="status")
    patched = await kube.patch(MONITORS, "a", {"spec": {"suspend": True}, "status": {"podName": "p"}})
    assert patched["status"] == STATUS
    current["metadata"]["resourceVersion"] = version(patched)
    del current["status"]
    assert (await kube.update(current))["status"] == STATUS


async def test_a_dry_run_answers_like_the_real_thing_and_leaves_no_trace(kube: Kube) -> None:
    dry = await kube.create(monitor("a"), dryRun="All")
    assert dry["metadata"]["uid"]
    assert dry["spec"]["depth"] == "Adaptive"
    assert not await kube.exists(MONITORS, "a")
    made = await kube.create(monitor("a"))
    assert (await kube.patch(MONITORS, "a", {"spec": {"suspend": True}}, dryRun="All"))["spec"]["suspend"] is True
    await kube.delete(MONITORS, "a", dryRun="All")
    assert await kube.get(MONITORS, "a") == made
    assert (await refusal(kube.create(monitor("b", depth="Deep"), dryRun="All")))["code"] == 422


async def test_labels_of_core_objects_are_checked_too(kube: Kube) -> None:
    status = await refusal(kube.create(make(CONFIG_MAPS, "a", labels={"a b": "c"})))
    assert about(status) == failure(422, "Invalid", kind="ConfigMap", name="a")
    assert status["details"]["causes"][0]["field"] == "metadata.labels"
