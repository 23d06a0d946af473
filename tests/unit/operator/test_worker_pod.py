# SPDX-License-Identifier: Apache-2.0
"""The worker's Pod is what docs/architecture.md promises, and nothing it should not be."""

import re
from pathlib import Path

import pytest
from castwarden_operator.kinds import POOL, Object, Ref
from castwarden_operator.reconcile.channel import cron_job_for
from castwarden_operator.reconcile.downloadjob import job_for
from castwarden_operator.reconcile.monitor import pod_for
from castwarden_operator.reconcile.pool import shared_pod
from castwarden_operator.reconcile.worker import SPEC_HASH, child_name

from .objects import SETTINGS, channel, container, download, monitor

ARCHITECTURE = Path(__file__).parents[3] / "docs" / "architecture.md"


def _templates() -> dict[str, Object]:
    return {
        "monitor": pod_for(monitor(), SETTINGS),
        "poll": cron_job_for(channel(), SETTINGS)["spec"]["jobTemplate"]["spec"]["template"],
        "download": job_for(download(), SETTINGS)["spec"]["template"],
        "monitors": shared_pod(Ref(POOL, "media-team", "default"), 0, SETTINGS),
    }


def _env(pod: Object) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container(pod)["env"]}


@pytest.mark.parametrize("role", ["monitor", "poll", "download", "monitors"])
def test_every_role_passes_pod_security_restricted(role: str) -> None:
    spec = _templates()[role]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(spec)
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= {
        "projected",
        "emptyDir",
        "persistentVolumeClaim",
    }
    for each in spec["containers"]:
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("role", ["monitor", "poll", "download", "monitors"])
def test_every_variable_of_the_contract_is_set_and_no_other_of_that_prefix(role: str) -> None:
    table = ARCHITECTURE.read_text("utf-8").split("Every worker container")[1].split("Probes:")[0]
    promised = set(re.findall(r"`(CASTWARDEN_\w+|POD_\w+)`", table))
    given = set(_env(_templates()[role]))
    if role == "monitors":
        promised -= {"CASTWARDEN_KIND", "CASTWARDEN_NAME", "CASTWARDEN_UID"}
        promised |= {"CASTWARDEN_POOL", "CASTWARDEN_RECYCLE_RSS_MIB"}
    if role != "download":
        promised -= {"CASTWARDEN_DOWNLOAD_DIR"}
    assert {name for name in given if name.startswith(("CASTWARDEN_", "POD_"))} == promised


def test_the_variables_say_which_resource_the_worker_is_for() -> None:
    env = _env(pod_for(monitor("main"), SETTINGS))
    assert env["CASTWARDEN_KIND"] == "Monitor"
    assert env["CASTWARDEN_NAMESPACE"] == "media-team"
    assert env["CASTWARDEN_NAME"] == "main"
    assert env["CASTWARDEN_UID"] == "uid-main"
    assert env["CASTWARDEN_GATEWAY_URL"] == "http://gateway:8081"


def test_name_and_ip_come_from_the_downward_api_whatever_the_template_says() -> None:
    pod = pod_for(monitor(template={"env": [{"name": "POD_IP", "value": "6.6.6.6"}]}), SETTINGS)
    sources = {entry["name"]: entry["valueFrom"] for entry in container(pod)["env"] if "valueFrom" in entry}
    assert sources == {
        "POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "POD_IP": {"fieldRef": {"fieldPath": "status.podIP"}},
    }


def test_a_template_can_add_variables_but_not_change_the_contracts() -> None:
    settings = SETTINGS.model_copy(update={"worker_env": {"HTTPS_PROXY": "http://a:1", "LANG": "C.UTF-8"}})
    chosen = [{"name": "HTTPS_PROXY", "value": "http://b:2"}, {"name": "CASTWARDEN_UID", "value": "stolen"}]
    env = _env(pod_for(monitor(template={"env": chosen}), settings))
    assert (env["HTTPS_PROXY"], env["LANG"], env["CASTWARDEN_UID"]) == ("http://b:2", "C.UTF-8", "uid-main")


def test_a_template_can_add_labels_but_not_change_ours() -> None:
    chosen = {"team": "sport", "castwarden.dev/name": "other"}
    labels = pod_for(monitor(template={"labels": chosen}), SETTINGS)["metadata"]["labels"]
    assert labels == {
        "team": "sport",
        "app.kubernetes.io/managed-by": "castwarden",
        "app.kubernetes.io/component": "worker",
        "castwarden.dev/kind": "Monitor",
        "castwarden.dev/name": "main",
        "castwarden.dev/role": "monitor",
    }


def test_the_token_is_short_lived_and_for_the_gateway_only() -> None:
    volume = next(v for v in pod_for(monitor(), SETTINGS)["spec"]["volumes"] if v["name"] == "token")
    assert volume["projected"]["sources"] == [
        {"serviceAccountToken": {"audience": "castwarden-gateway", "expirationSeconds": 3600, "path": "token"}}
    ]


def test_the_claim_is_mounted_for_downloads_only() -> None:
    mounts = {
        role: {mount["mountPath"] for mount in template["spec"]["containers"][0]["volumeMounts"]}
        for role, template in _templates().items()
    }
    assert "/downloads" in mounts["download"]
    assert "/downloads" not in mounts["monitor"] | mounts["poll"]


@pytest.mark.parametrize(
    ("chosen", "requests", "limits"),
    [
        ({}, {"cpu": "100m", "memory": "128Mi"}, {"memory": "1Gi"}),
        ({"requests": {"memory": "1Gi"}}, {"cpu": "100m", "memory": "1Gi"}, {}),
        ({"limits": {"memory": "64Mi"}}, {"cpu": "100m"}, {"memory": "64Mi"}),
        ({"limits": {"cpu": 2}}, {"memory": "128Mi"}, {"cpu": 2, "memory": "1Gi"}),
    ],
)
def test_default_resources_fill_only_what_they_cannot_contradict(
    chosen: Object, requests: Object, limits: Object
) -> None:
    pod = pod_for(monitor(template={"resources": chosen}), SETTINGS)
    assert container(pod)["resources"] == {"requests": requests, "limits": limits}


def test_node_choice_reaches_the_pod() -> None:
    template = {
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "media", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "low",
    }
    spec = pod_for(monitor(template=template), SETTINGS)["spec"]
    assert {key: spec[key] for key in template} == template


@pytest.mark.parametrize(
    "change",
    [
        {"checks": {"black": {"raiseAfter": "5s"}}},
        {"depth": "Full"},
        {"metadata": {"show": "news"}},
        {"webhookUrl": "https://hooks.example/a"},
    ],
)
def test_what_the_assignment_carries_does_not_change_the_hash(change: Object) -> None:
    before, after = pod_for(monitor(), SETTINGS), pod_for(monitor(**change), SETTINGS)
    assert before["metadata"]["annotations"][SPEC_HASH] == after["metadata"]["annotations"][SPEC_HASH]


@pytest.mark.parametrize(
    "template",
    [{"labels": {"team": "sport"}}, {"env": [{"name": "A", "value": "b"}]}, {"resources": {"limits": {"cpu": 1}}}],
)
def test_a_changed_template_changes_the_hash(template: Object) -> None:
    before, after = pod_for(monitor(), SETTINGS), pod_for(monitor(template=template), SETTINGS)
    assert before["metadata"]["annotations"][SPEC_HASH] != after["metadata"]["annotations"][SPEC_HASH]


def test_a_changed_image_changes_the_hash() -> None:
    other = SETTINGS.model_copy(update={"worker_image": "registry.example/worker:2"})
    before, after = pod_for(monitor(), SETTINGS), pod_for(monitor(), other)
    assert before["metadata"]["annotations"][SPEC_HASH] != after["metadata"]["annotations"][SPEC_HASH]


def test_a_long_name_is_cut_and_stays_unique_and_valid() -> None:
    one, other = child_name("monitor", "x" * 80 + "a", 57), child_name("monitor", "x" * 80 + "b", 57)
    assert one != other
    assert len(one) == len(other) == 57
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", child_name("poll", "a" * 42 + ".-" + "b" * 20, 52))
    assert ".-" not in child_name("poll", "a" * 37 + "." + "b" * 20, 52)
