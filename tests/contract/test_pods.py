# SPDX-License-Identifier: Apache-2.0
"""What a Pod may say. A resource's `spec.template` reaches the server as part of a Pod, and faults in it show here."""

from typing import Any

import pytest

from tests.plugins.kube import Kube
from tests.plugins.objects import PODS, SERVICE_ACCOUNTS, Object, pod, pod_spec
from tests.plugins.refusals import about, causes, failure, refusal


def of(**spec: Any) -> Object:
    body = pod("a")
    return body | {"spec": body["spec"] | spec}


def container(**more: Any) -> Object:
    (only,) = pod_spec()["containers"]
    return of(containers=[only | more])


def annotated(key: str) -> Object:
    return pod("a") | {"metadata": {"name": "a", "annotations": {key: "x"}}}


INVALID = "FieldValueInvalid"
FIRST = "spec.containers[0]"
TERM = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

# what is sent; field and reason of each cause
FAULTS: dict[str, tuple[Object, list[tuple[str, str]]]] = {
    "no container": (of(containers=[]), [("spec.containers", "FieldValueRequired")]),
    "a container without an image": (container(image=""), [(f"{FIRST}.image", "FieldValueRequired")]),
    "a container's name that is none": (container(name="A B"), [(f"{FIRST}.name", INVALID)]),
    "two containers of one name": (
        of(containers=pod_spec()["containers"] * 2),
        [("spec.containers[1].name", "FieldValueDuplicate")],
    ),
    "a node label's value that is none": (of(nodeSelector={"zone": "a b!"}), [("spec.nodeSelector", INVALID)]),
    "a node label's key that is none": (of(nodeSelector={"a b": "x"}), [("spec.nodeSelector", INVALID)]),
    "a label that is none": (pod("a", labels={"a b": "c"}), [("metadata.labels", INVALID)]),
    "an annotation's key that is none": (annotated("a b"), [("metadata.annotations", INVALID)]),
    "a variable's name that is none": (container(env=[{"name": "a=b"}]), [(f"{FIRST}.env[0].name", INVALID)]),
    "a request above its limit": (
        container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
        [(f"{FIRST}.resources.requests", INVALID)],
    ),
    "a negative limit": (
        container(resources={"limits": {"cpu": "-1"}, "requests": {"cpu": "0"}}),
        [(f"{FIRST}.resources.limits[cpu]", INVALID), (f"{FIRST}.resources.requests", INVALID)],
    ),
    "a toleration with a value it does not use": (
        of(tolerations=[{"key": "a", "operator": "Exists", "value": "x"}]),
        [("spec.tolerations[0].operator", INVALID)],
    ),
    "a toleration of nothing": (of(tolerations=[{"operator": "Equal"}]), [("spec.tolerations[0].operator", INVALID)]),
    "a toleration's time without its effect": (
        of(tolerations=[{"key": "a", "tolerationSeconds": 5}]),
        [("spec.tolerations[0].effect", INVALID)],
    ),
    "an affinity's operator that is none": (
        of(
            affinity={
                "nodeAffinity": {
                    REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Is"}]}]}
                }
            }
        ),
        [(f"{TERM}.matchExpressions[0].operator", INVALID)],
    ),
    "a mount without its volume": (
        container(volumeMounts=[{"name": "data", "mountPath": "/x"}]),
        [(f"{FIRST}.volumeMounts[0].name", "FieldValueNotFound")],
    ),
    "a restart policy that is none": (
        of(restartPolicy="Sometimes"),
        [("spec.restartPolicy", "FieldValueNotSupported")],
    ),
    "a pull policy that is none": (
        container(imagePullPolicy="Sometimes"),
        [(f"{FIRST}.imagePullPolicy", "FieldValueNotSupported")],
    ),
}


@pytest.mark.parametrize(("body", "expected"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_pod_that_makes_no_sense_is_refused_naming_the_field(
    kube: Kube, body: Object, expected: list[tuple[str, str]]
) -> None:
    status = await refusal(kube.create(body))
    assert about(status) == failure(422, "Invalid", kind="Pod", name="a")
    assert causes(status) == expected


UNREADABLE: dict[str, Object] = {
    "a quantity that is none": container(resources={"limits": {"cpu": "lots"}}),
    "a word where a number belongs": of(terminationGracePeriodSeconds="x"),
    "a number where an object belongs": of(affinity={"nodeAffinity": 5}),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_pod_that_cannot_be_read_is_refused(kube: Kube, body: Object) -> None:
    status = await refusal(kube.create(body))
    assert about(status) == failure(400, "BadRequest")
    assert status["message"].startswith('Pod in version "v1" cannot be handled as a Pod: ')


async def test_a_pod_needs_its_service_account(kube: Kube) -> None:
    status = await refusal(kube.create(of(serviceAccountName="nobody")))
    assert about(status) == failure(403, "Forbidden", kind="pods", name="a")
    await kube.create({"apiVersion": "v1", "kind": SERVICE_ACCOUNTS.kind, "metadata": {"name": "nobody"}})
    made = await kube.create(of(serviceAccountName="nobody"))
    assert made["spec"]["serviceAccountName"] == "nobody"


async def test_a_new_pod_is_pending_and_has_the_servers_defaults(kube: Kube) -> None:
    made = await kube.create(pod("a"))
    assert made["status"]["phase"] == "Pending"
    spec = made["spec"]
    assert (spec["restartPolicy"], spec["serviceAccountName"], spec["terminationGracePeriodSeconds"]) == (
        *("Never", "default", 30),
    )
    assert spec["containers"][0]["name"] == "worker"
    assert "nodeName" not in spec


async def test_an_unknown_field_of_a_pod_is_refused_when_strictness_is_asked_for(kube: Kube) -> None:
    status = await refusal(kube.create(of(colour="red"), fieldValidation="Strict"))
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.colour"' in status["message"]
    assert "colour" not in (await kube.create(of(colour="red")))["spec"]


async def test_of_a_pods_containers_only_the_image_can_change(kube: Kube) -> None:
    await kube.create(pod("a"))
    containers = [{"name": "worker", "image": "castwarden-worker", "command": ["false"]}]
    status = await refusal(kube.patch(PODS, "a", {"spec": {"containers": containers}}))
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert [field for field, _ in causes(status)] == ["spec"]
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "another"}]
    assert (await kube.patch(PODS, "a", image, kind="json"))["spec"]["containers"][0]["image"] == "another"


async def test_a_pods_state_is_written_through_its_status(kube: Kube) -> None:
    await kube.create(pod("a"))
    moment = "2030-01-01T00:00:00Z"
    ended = {"exitCode": 3, "reason": "Error", "startedAt": moment, "finishedAt": moment}
    state: Object = {"terminated": ended}
    status = {"name": "worker", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    patch = {"status": {"phase": "Failed", "containerStatuses": [status]}}
    patched = await kube.patch(PODS, "a", patch, subresource="status")
    assert patched["status"]["phase"] == "Failed"
    assert patched["status"]["containerStatuses"][0]["state"] == state


async def test_an_unbound_pod_is_deleted_at_once(kube: Kube) -> None:
    await kube.create(pod("a"))
    await kube.delete(PODS, "a")
    assert not await kube.exists(PODS, "a")


async def test_a_running_pod_stays_until_its_node_has_ended_it(kube: Kube) -> None:
    await kube.create(of(nodeName="somewhere"))
    await kube.patch(PODS, "a", {"status": {"phase": "Running"}}, subresource="status")
    ending = await kube.delete(PODS, "a")
    assert ending["kind"] == "Pod"
    assert ending["metadata"]["deletionGracePeriodSeconds"] == 30
    assert ending["metadata"]["deletionTimestamp"] > ending["metadata"]["creationTimestamp"]
    assert await kube.exists(PODS, "a")
    sooner = await kube.delete(PODS, "a", {"gracePeriodSeconds": 5})
    assert sooner["metadata"]["deletionGracePeriodSeconds"] == 5
    await kube.delete(PODS, "a", {"gracePeriodSeconds": 0})
    assert not await kube.exists(PODS, "a")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_pod_that_has_ended_is_deleted_at_once(kube: Kube, phase: str) -> None:
    await kube.create(of(nodeName="somewhere"))
    await kube.patch(PODS, "a", {"status": {"phase": phase}}, subresource="status")
    await kube.delete(PODS, "a")
    assert not await kube.exists(PODS, "a")
