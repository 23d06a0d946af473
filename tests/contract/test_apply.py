# SPDX-License-Identifier: Apache-2.0
"""Server-side apply: who owns which field, and what that means for the next apply."""

from typing import Any

from tests.plugins.kube import APPLY, Kube
from tests.plugins.objects import CONFIG_MAPS, JOBS, MONITORS, PODS, Object, config_map, cron_job, make, monitor, pod
from tests.plugins.refusals import about, causes, failure, refusal


def managers(obj: Object) -> list[tuple[str, str, str]]:
    """Manager, operation and subresource of each entry of managedFields."""
    entries = obj["metadata"]["managedFields"]
    return sorted((each["manager"], each["operation"], each.get("subresource", "")) for each in entries)


def fields(obj: Object, manager: str) -> Object:
    """What `manager` has applied, as fieldsV1."""
    entries = obj["metadata"]["managedFields"]
    (found,) = (each for each in entries if each["manager"] == manager and each["operation"] == "Apply")
    owned: Object = found["fieldsV1"]
    return owned


def condition(type_: str, status: str = "True", **more: Any) -> Object:
    return {"type": type_, "status": status, "lastTransitionTime": "2030-01-01T00:00:00Z"} | more


def with_conditions(*conditions: Object) -> Object:
    return make(MONITORS, "a", status={"conditions": list(conditions)})


async def test_applying_creates_what_is_not_there(kube: Kube) -> None:
    made = await kube.apply(monitor("a", depth="Full"), manager="gateway")
    assert (made["spec"]["depth"], made["spec"]["lookInterval"]) == ("Full", "30s")
    assert managers(made) == [("gateway", "Apply", "")]
    assert fields(made, "gateway") == {"f:spec": {"f:depth": {}, "f:source": {"f:url": {}}}}


async def test_applying_the_same_again_writes_nothing(kube: Kube) -> None:
    made = await kube.apply(monitor("a", labels={"x": "y"}, metadata={"k": "v"}), manager="gateway")
    assert await kube.apply(monitor("a", labels={"x": "y"}, metadata={"k": "v"}), manager="gateway") == made
    assert await kube.get(MONITORS, "a") == made


async def test_a_field_that_is_no_longer_applied_is_removed_or_gets_its_default(kube: Kube) -> None:
    body = monitor("a", depth="Full", webhookUrl="https://hooks.example.org/a", metadata={"x": "1", "y": "2"})
    await kube.apply(body, manager="gateway")
    spec = (await kube.apply(monitor("a", metadata={"y": "2"}), manager="gateway"))["spec"]
    assert (spec["depth"], spec["metadata"]) == ("Adaptive", {"y": "2"})
    assert "webhookUrl" not in spec


async def test_what_others_wrote_stays(kube: Kube) -> None:
    await kube.apply(monitor("a"), manager="gateway")
    patch = {"spec": {"metadata": {"x": "1"}}, "metadata": {"annotations": {"k": "v"}}}
    await kube.patch(MONITORS, "a", patch, fieldManager="person")
    applied = await kube.apply(monitor("a", suspend=True), manager="gateway", force=True)
    assert applied["spec"]["metadata"] == {"x": "1"}
    assert applied["metadata"]["annotations"] == {"k": "v"}
    assert managers(applied) == [("gateway", "Apply", ""), ("person", "Update", "")]


async def test_another_managers_field_is_a_conflict_that_names_it(kube: Kube) -> None:
    await kube.apply(monitor("a", depth="Full"), manager="gateway")
    body = monitor("a", depth="Adaptive", suspend=True)
    status = await refusal(kube.apply(body, manager="person"))
    assert about(status) == failure(409, "Conflict")
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "gateway"', "field": ".spec.depth"}
    ]
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "gateway": .spec.depth'
    assert (await kube.get(MONITORS, "a"))["spec"]["depth"] == "Full"


async def test_every_conflicting_field_is_a_cause(kube: Kube) -> None:
    await kube.apply(monitor("a", depth="Full", lookInterval="10s"), manager="gateway")
    status = await refusal(kube.apply(monitor("a", depth="Adaptive", lookInterval="20s"), manager="person"))
    reason = "FieldManagerConflict"
    assert sorted(causes(status)) == [(".spec.depth", reason), (".spec.lookInterval", reason)]
    assert status["message"].startswith('Apply failed with 2 conflicts: conflicts with "gateway":')


async def test_a_change_by_patch_owns_the_field_too(kube: Kube) -> None:
    await kube.apply(monitor("a", depth="Full"), manager="gateway")
    await kube.patch(MONITORS, "a", {"spec": {"depth": "Adaptive"}}, fieldManager="person")
    status = await refusal(kube.apply(monitor("a", depth="Full"), manager="gateway"))
    (cause,) = status["details"]["causes"]
    assert cause["message"].startswith('conflict with "person" using castwarden.dev/v1alpha1')


async def test_force_takes_the_field_over(kube: Kube) -> None:
    await kube.apply(monitor("a", depth="Full"), manager="gateway")
    taken = await kube.apply(monitor("a", depth="Adaptive"), manager="person", force=True)
    assert taken["spec"]["depth"] == "Adaptive"
    assert "f:depth" not in fields(taken, "gateway")["f:spec"]
    assert "f:depth" in fields(taken, "person")["f:spec"]
    # the first manager no longer owns it: leaving it out does not remove it
    assert (await kube.apply(monitor("a"), manager="gateway"))["spec"]["depth"] == "Adaptive"


async def test_the_same_value_is_owned_together_and_stays_until_both_let_go(kube: Kube) -> None:
    await kube.apply(monitor("a", webhookUrl="https://hooks.example.org/a"), manager="gateway")
    both = await kube.apply(monitor("a", webhookUrl="https://hooks.example.org/a"), manager="person")
    assert managers(both) == [("gateway", "Apply", ""), ("person", "Apply", "")]
    assert "webhookUrl" in (await kube.apply(monitor("a"), manager="gateway"))["spec"]
    assert "webhookUrl" not in (await kube.apply(monitor("a"), manager="person"))["spec"]


async def test_two_managers_keep_their_own_conditions(kube: Kube) -> None:
    await kube.create(monitor("a"))
    await kube.apply(with_conditions(condition("Ready")), manager="operator", subresource="status")
    await kube.apply(with_conditions(condition("Degraded")), manager="gateway", subresource="status")
    ready = condition("Ready", "False", reason="PodPending")
    both = await kube.apply(with_conditions(ready), manager="operator", subresource="status")
    assert both["status"]["conditions"] == [ready, condition("Degraded")]
    assert {("gateway", "Apply", "status"), ("operator", "Apply", "status")} <= set(managers(both))
    owned = fields(both, "operator")["f:status"]["f:conditions"]
    assert list(owned) == ['k:{"type":"Ready"}']
    only = await kube.apply(with_conditions(), manager="operator", subresource="status")
    assert only["status"]["conditions"] == [condition("Degraded")]


async def test_two_managers_on_one_condition_conflict(kube: Kube) -> None:
    await kube.create(monitor("a"))
    await kube.apply(with_conditions(condition("Ready")), manager="operator", subresource="status")
    other = with_conditions(condition("Ready", "False"))
    status = await refusal(kube.apply(other, manager="gateway", subresource="status"))
    assert causes(status) == [('.status.conditions[type="Ready"].status', "FieldManagerConflict")]


async def test_applying_the_status_leaves_spec_and_generation_alone(kube: Kube) -> None:
    made = await kube.create(monitor("a"))
    body = make(MONITORS, "a", spec={"suspend": True}, status={"podName": "p"})
    applied = await kube.apply(body, manager="operator", subresource="status")
    assert (applied["spec"], applied["metadata"]["generation"]) == (made["spec"], 1)
    assert applied["status"] == {"podName": "p"}
    again = await kube.apply(body, manager="operator", subresource="status")
    assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]


async def test_applying_the_status_of_what_is_not_there_is_not_found(kube: Kube) -> None:
    status = await refusal(kube.apply(make(MONITORS, "a", status={}), manager="operator", subresource="status"))
    assert (status["code"], status["reason"]) == (404, "NotFound")


async def test_applying_is_held_to_the_schema(kube: Kube) -> None:
    status = await refusal(kube.apply(monitor("a", depth="Deep"), manager="gateway"))
    assert (status["code"], status["reason"]) == (422, "Invalid")
    await kube.apply(monitor("a"), manager="gateway")
    changed = monitor("a", source={"url": "https://other.example.org/"})
    status = await refusal(kube.apply(changed, manager="gateway"))
    assert causes(status) == [("spec.source", "FieldValueInvalid")]


async def test_applying_needs_a_managers_name(kube: Kube) -> None:
    path = MONITORS.path(kube.namespace, "a")
    status = await refusal(kube.request("PATCH", path, monitor("a"), content_type=APPLY))
    assert about(status) == failure(422, "Invalid", group="meta.k8s.io", kind="PatchOptions")
    assert causes(status) == [("fieldManager", "FieldValueRequired")]


async def test_applying_in_dry_run_leaves_no_trace(kube: Kube) -> None:
    assert (await kube.apply(monitor("a"), manager="gateway", dryRun="All"))["metadata"]["name"] == "a"
    assert not await kube.exists(MONITORS, "a")


async def test_yaml_can_be_applied(kube: Kube) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: 'yes'\n"
    path = CONFIG_MAPS.path(kube.namespace, "a")
    made = await kube.request("PATCH", path, body, content_type=APPLY, fieldManager="person")
    assert made["data"] == {"x": "yes"}


async def test_a_core_objects_map_is_owned_key_by_key(kube: Kube) -> None:
    await kube.apply(config_map("a", x="1", y="1"), manager="gateway")
    await kube.apply(config_map("a", z="1"), manager="person")
    assert (await kube.apply(config_map("a", x="1"), manager="gateway"))["data"] == {"x": "1", "z": "1"}


async def test_finalizers_are_owned_one_by_one(kube: Kube) -> None:
    def finalized(name: str) -> Object:
        body = make(CONFIG_MAPS, "a")
        body["metadata"]["finalizers"] = [f"example.org/{name}"]
        return body

    await kube.apply(finalized("x"), manager="gateway")
    both = await kube.apply(finalized("y"), manager="person")
    assert set(both["metadata"]["finalizers"]) == {"example.org/x", "example.org/y"}
    one = await kube.apply(make(CONFIG_MAPS, "a"), manager="gateway")
    assert one["metadata"]["finalizers"] == ["example.org/y"]
    await kube.apply(make(CONFIG_MAPS, "a"), manager="person")


async def test_a_pod_can_be_applied_again_and_again(kube: Kube) -> None:
    made = await kube.apply(pod("a"), manager="operator", force=True)
    again = await kube.apply(pod("a"), manager="operator", force=True)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    image = pod("a")
    image["spec"]["containers"][0]["image"] = "another"
    changed = await kube.apply(image, manager="operator", force=True)
    assert [each["image"] for each in changed["spec"]["containers"]] == ["another"]
    assert (await kube.get(PODS, "a"))["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_cron_job_can_be_applied_again_and_changed(kube: Kube) -> None:
    made = await kube.apply(cron_job("a", "0 0 1 1 *"), manager="operator", force=True)
    again = await kube.apply(cron_job("a", "0 0 1 1 *"), manager="operator", force=True)
    assert again["metadata"]["generation"] == made["metadata"]["generation"] == 1
    assert (await kube.apply(cron_job("a", "0 0 2 1 *"), manager="operator", force=True))["metadata"]["generation"] == 2
    assert await kube.names(JOBS) == []
