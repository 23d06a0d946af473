# SPDX-License-Identifier: Apache-2.0
"""What the chart makes is safe by default: restricted Pods, few rights, secrets that are made once, closed networks."""

import base64
import json
from typing import Any

import pytest
from castwarden_base.settings import Settings
from castwarden_gateway.settings import DatabaseSettings, GatewaySettings
from castwarden_operator.settings import Settings as OperatorSettings
from castwarden_worker.settings import PackedSettings, WorkerSettings

from .rendering import (
    EVERYTHING,
    NAMESPACE,
    Object,
    containers,
    environment,
    gateway,
    helm,
    merged,
    namespace_of,
    operator,
    pod_specs,
    render,
    the,
)

pytestmark = pytest.mark.helm
CLUSTER_WIDE = merged(EVERYTHING, {"rbac": {"clusterWide": True}, "watchNamespaces": []})
SCOPES = [pytest.param(EVERYTHING, id="namespaces"), pytest.param(CLUSTER_WIDE, id="cluster")]


def test_helm_lint_finds_nothing_in_its_strict_mode() -> None:
    from .rendering import CHART

    helm("lint", "--strict", str(CHART))


def test_every_pod_passes_pod_security_restricted() -> None:
    specs = dict(pod_specs(render(EVERYTHING)))
    assert len(specs) == 5
    for name, spec in specs.items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(spec), name
        kinds = {kind for volume in spec.get("volumes", ()) for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "secret", "persistentVolumeClaim", "projected"}, name
        for container in containers(spec):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert set(container["resources"]) == {"requests", "limits"}, name


def _unknown(settings: type[Settings], container: Object) -> dict[str, str | None]:
    values = {name: str(value) for name, value in environment(container).items()}
    known = {str(field.alias) for field in settings.model_fields.values()} | {"DATABASE_URL"}
    strange = {name: None for name in values if not name.startswith("CASTWARDEN_") and name not in known}
    return {**settings.unknown(values), **strange}


def test_every_variable_is_one_that_its_program_knows() -> None:
    objects = render(EVERYTHING)
    (init,), (serving,) = gateway(objects)["initContainers"], gateway(objects)["containers"]
    assert _unknown(GatewaySettings, serving) == {}
    assert _unknown(OperatorSettings, operator(objects)["containers"][0]) == {}
    for container in (
        init,
        *(c for name, spec in pod_specs(objects) if name.startswith("Job") for c in containers(spec)),
    ):
        assert _unknown(DatabaseSettings, container) == {}
    for settings in (WorkerSettings, PackedSettings):
        given = json.loads(environment(operator(objects)["containers"][0])["CASTWARDEN_WORKER_ENV"])
        assert settings.unknown(given) == {}


def test_the_operator_takes_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(operator(render(EVERYTHING))["containers"][0]).items():
        if isinstance(value, str):
            monkeypatch.setenv(name, value)
    settings = OperatorSettings.load()
    assert settings.watch_namespaces == (NAMESPACE, "studio")
    assert settings.worker_image == "castwarden-worker:0.1.0"
    assert settings.worker_service_account == "castwarden-worker"
    assert settings.worker_pull_secrets == ("registry",)
    assert settings.gateway_url == "http://castwarden-gateway-internal.media.svc:8081"
    assert settings.download_claim == "castwarden-downloads"
    assert settings.pool_resources["limits"] == {"memory": "1Gi"}


def test_the_gateway_takes_what_it_is_told_and_the_key_that_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = render(EVERYTHING)
    made = {
        "castwarden": the(objects, "Secret", "castwarden")["data"],
        "castwarden-postgres": the(objects, "Secret", "castwarden-postgres")["data"],
    }
    for name, value in environment(gateway(objects)["containers"][0]).items():
        if isinstance(value, str):
            monkeypatch.setenv(name, value)
        elif value["secretKeyRef"]["key"] in made[value["secretKeyRef"]["name"]]:
            text = made[value["secretKeyRef"]["name"]][value["secretKeyRef"]["key"]]
            monkeypatch.setenv(name, base64.b64decode(text).decode())
        else:
            assert value["secretKeyRef"]["optional"] is True
    settings = GatewaySettings.load()
    assert len(settings.secret_keys[0]) == 32
    assert settings.api_key is not None
    assert settings.namespace == NAMESPACE
    assert list(settings.watch_namespaces) == [NAMESPACE, "studio"]
    assert settings.webhook_hosts == ("hook.tools.svc",)
    assert settings.database_url.endswith("@castwarden-postgres.media.svc:5432/castwarden")


@pytest.mark.parametrize("values", SCOPES)
def test_nobody_may_read_secrets_or_do_everything(values: Any) -> None:
    rules = [
        (each["metadata"]["name"], rule)
        for each in render(values)
        if each["kind"] in ("Role", "ClusterRole")
        for rule in each["rules"]
    ]
    assert rules
    for name, rule in rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], name
        assert "secrets" not in rule["resources"], name
        assert not {"pods/exec", "pods/attach", "nodes", "roles", "clusterroles"} & set(rule["resources"]), name


def test_only_token_reviews_and_peoples_roles_are_of_the_cluster_unless_asked() -> None:
    def of_the_cluster(values: Any) -> set[str]:
        return {each["metadata"]["name"] for each in render(values) if each["kind"] == "ClusterRole"}

    usual = {"media-castwarden-tokens", "media-castwarden-view", "media-castwarden-edit"}
    assert of_the_cluster(EVERYTHING) == usual
    assert of_the_cluster(CLUSTER_WIDE) == {*usual, "media-castwarden-gateway", "media-castwarden-operator"}
    tokens = the(render(EVERYTHING), "ClusterRole", "media-castwarden-tokens")
    assert tokens["rules"] == [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    ]


def test_every_namespace_gets_roles_an_account_for_workers_and_a_policy() -> None:
    objects = render(EVERYTHING)
    for namespace in (NAMESPACE, "studio"):
        there = {(each["kind"], each["metadata"]["name"]) for each in objects if namespace_of(each) == namespace}
        assert {
            ("Role", "castwarden-gateway"),
            ("RoleBinding", "castwarden-gateway"),
            ("Role", "castwarden-operator"),
            ("RoleBinding", "castwarden-operator"),
            ("ServiceAccount", "castwarden-worker"),
            ("NetworkPolicy", "castwarden-worker"),
        } <= there


@pytest.mark.parametrize("values", SCOPES)
def test_every_binding_names_a_role_and_an_account_that_exist(values: Any) -> None:
    objects = render(values)
    made = {(each["kind"], namespace_of(each), each["metadata"]["name"]) for each in objects}
    bindings = [each for each in objects if each["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    assert bindings
    for binding in bindings:
        role = binding["roleRef"]
        namespace = NAMESPACE if role["kind"] == "ClusterRole" else namespace_of(binding)
        assert (role["kind"], namespace, role["name"]) in made
        for subject in binding["subjects"]:
            assert (subject["kind"], subject["namespace"], subject["name"]) in made


def test_nothing_reaches_a_worker_and_a_worker_reaches_nothing_private() -> None:
    policy = the(render(), "NetworkPolicy", "castwarden-worker")["spec"]
    assert policy["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/managed-by": "castwarden",
        "app.kubernetes.io/component": "worker",
    }
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == []
    dns, internal, internet = policy["egress"]
    assert {each["port"] for each in dns["ports"]} == {53}
    assert internal["ports"] == [{"port": "internal", "protocol": "TCP"}]
    assert "10.0.0.0/8" in internet["to"][0]["ipBlock"]["except"]


def test_only_workers_reach_the_internal_listener() -> None:
    policy = the(render(), "NetworkPolicy", "castwarden-gateway")["spec"]
    public, internal = policy["ingress"]
    assert public == {"ports": [{"port": "public", "protocol": "TCP"}]}
    (peer,) = internal["from"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "worker"
    assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == [NAMESPACE]


def test_ways_in_from_outside_lead_to_the_public_listener_only() -> None:
    objects = render(EVERYTHING)
    backend = the(objects, "Ingress", "castwarden-gateway")["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    (route,) = the(objects, "HTTPRoute", "castwarden-gateway")["spec"]["rules"]
    assert backend["service"]["name"] == route["backendRefs"][0]["name"] == "castwarden-gateway"
    (port,) = the(objects, "Service", "castwarden-gateway")["spec"]["ports"]
    assert port["targetPort"] == "public"


def test_what_cannot_be_made_again_outlives_an_uninstall() -> None:
    kept = {
        (each["kind"], each["metadata"]["name"])
        for each in render(EVERYTHING)
        if (each["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {
        ("CustomResourceDefinition", "monitors.castwarden.dev"),
        ("CustomResourceDefinition", "channels.castwarden.dev"),
        ("CustomResourceDefinition", "downloadjobs.castwarden.dev"),
        ("Secret", "castwarden"),
        ("Secret", "castwarden-postgres"),
        ("PersistentVolumeClaim", "castwarden-downloads"),
    }
