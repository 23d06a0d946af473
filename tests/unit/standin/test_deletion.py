# SPDX-License-Identifier: Apache-2.0
"""What a delete does at once, and what it waits for."""

from typing import Any

import pytest
from castwarden_local.standin.builtin.table import built_in_resources
from castwarden_local.standin.errors import Conflict
from castwarden_local.standin.interface import CONFIG_MAPS, GVR, JOBS, NAMESPACES, PODS
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.writing.deletion import DeleteOptions, delete_steps, finished


def resource(gvr: GVR) -> Resource:
    return next(each for each in built_in_resources() if each.gvr == gvr)


def config_map(**meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", "uid": "u", "resourceVersion": "5"} | meta}


def pod(node: str = "n", phase: str = "Running", grace: int = 30) -> dict[str, Any]:
    spec = {"terminationGracePeriodSeconds": grace} | ({"nodeName": node} if node else {})
    return config_map() | {"spec": spec, "status": {"phase": phase}}


def test_an_object_that_nothing_holds_goes_at_once() -> None:
    assert delete_steps(resource(CONFIG_MAPS), config_map(), DeleteOptions()) is None


def test_a_finalizer_holds_it() -> None:
    marked = delete_steps(resource(CONFIG_MAPS), config_map(finalizers=["a/b"]), DeleteOptions())
    assert marked is not None
    assert marked["metadata"]["deletionTimestamp"]
    assert not finished(resource(CONFIG_MAPS), marked)
    marked["metadata"]["finalizers"] = []
    assert finished(resource(CONFIG_MAPS), marked)


def test_a_second_delete_changes_nothing() -> None:
    first = delete_steps(resource(CONFIG_MAPS), config_map(finalizers=["a/b"]), DeleteOptions())
    assert first is not None
    before = dict(first["metadata"])
    second = delete_steps(resource(CONFIG_MAPS), first, DeleteOptions())
    assert second is not None
    assert second["metadata"] == before


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [(None, []), ("Background", []), ("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"])],
)
def test_a_policy_becomes_a_finalizer(policy: Any, finalizers: list[str]) -> None:
    marked = delete_steps(resource(CONFIG_MAPS), config_map(), DeleteOptions(propagation=policy))
    assert (marked["metadata"]["finalizers"] if marked else []) == finalizers


def test_jobs_leave_their_pods_unless_told_otherwise() -> None:
    marked = delete_steps(resource(JOBS), config_map() | {"spec": {}}, DeleteOptions())
    assert marked is not None
    assert marked["metadata"]["finalizers"] == ["orphan"]
    assert delete_steps(resource(JOBS), config_map() | {"spec": {}}, DeleteOptions(propagation="Background")) is None


@pytest.mark.parametrize(
    ("obj", "requested", "grace"),
    [
        (pod(), None, 30),
        (pod(), 5, 5),
        (pod(), 0, None),
        (pod(node=""), None, None),
        (pod(phase="Succeeded"), None, None),
    ],
)
def test_a_running_pod_has_time_to_end(obj: dict[str, Any], requested: int | None, grace: int | None) -> None:
    marked = delete_steps(resource(PODS), obj, DeleteOptions(grace_seconds=requested))
    assert (marked["metadata"]["deletionGracePeriodSeconds"] if marked else None) == grace


def test_the_time_a_pod_has_can_be_shortened_but_not_prolonged() -> None:
    first = delete_steps(resource(PODS), pod(), DeleteOptions(grace_seconds=10))
    assert first is not None
    longer = delete_steps(resource(PODS), first, DeleteOptions(grace_seconds=20))
    assert longer is not None
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 10
    shorter = delete_steps(resource(PODS), longer, DeleteOptions(grace_seconds=2))
    assert shorter is not None
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 2


def test_a_namespace_is_held_until_it_is_empty() -> None:
    namespace = config_map() | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    marked = delete_steps(resource(NAMESPACES), namespace, DeleteOptions())
    assert marked is not None
    assert marked["status"]["phase"] == "Terminating"


@pytest.mark.parametrize("options", [DeleteOptions(uid="other"), DeleteOptions(resource_version="4")])
def test_a_precondition_that_does_not_hold_is_a_conflict(options: DeleteOptions) -> None:
    with pytest.raises(Conflict, match="in the precondition"):
        options.check(resource(CONFIG_MAPS), config_map())
