# SPDX-License-Identifier: Apache-2.0
"""Every value of the chart changes what it is said to change, and what is no value is refused."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml
from castwarden_model.crds import all_crds

from .rendering import CHART, EVERYTHING, Object, Refused, environment, gateway, merged, nested, operator, render, the

pytestmark = pytest.mark.helm
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))

# Another value for each, where none can be thought of by its type alone.
OTHERS: Mapping[str, Any] = {
    "affinity": {"nodeAffinity": {}},
    "claims": [],
    "accessModes": ["ReadWriteMany"],
    "allow": ["192.0.2.0/24"],
    "annotations": {"example.com/a": "b"},
    "apiServerPorts": [16443],
    "averageValue": "1",
    "className": "nginx",
    "commonLabels": {"team": "video"},
    "digest": "sha256:" + "a" * 64,
    "env": {"RATE_LIMIT": "7"},
    "hostnames": ["castwarden.example.org"],
    "hosts": ["castwarden.example.org"],
    "interval": "7s",
    "labels": {"release": "prometheus"},
    "limits": {"memory": "3Gi"},
    "logLevel": "debug",
    "maxUnavailable": "50%",
    "metricsFrom": [{"podSelector": {}}],
    "nodeSelector": {"disk": "ssd"},
    "parentRefs": [{"name": "private"}],
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"team": "video"},
    "privateRanges": ["10.0.0.0/8"],
    "privateRanges6": ["fc00::/7"],
    "publicFrom": [{"podSelector": {}}],
    "pullPolicy": "Always",
    "pullSecrets": ["other"],
    "requests": {"cpu": "7m"},
    "size": "7Gi",
    "tls": [{"secretName": "castwarden-tls"}],
    "tolerations": [{"key": "video", "operator": "Exists"}],
    "type": "NodePort",
    "watchNamespaces": ["elsewhere"],
    "webhookHosts": ["other.tools.svc"],
}
# What must be set as well for a value to matter.
WITH: Mapping[str, Mapping[str, Any]] = {
    "gateway.replicas": nested("gateway.autoscaling.enabled", value=False),
    "postgresql.existingSecret.key": nested("postgresql.existingSecret.name", "database"),
}
# Maps whose entries are the values, not the keys in them.
MAPS = {
    "limits",
    "requests",
    "env",
    "annotations",
    "labels",
    "podAnnotations",
    "podLabels",
    "nodeSelector",
    "commonLabels",
}


def _leaves(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        here = f"{path}.{key}".lstrip(".")
        if isinstance(value, dict) and value and key not in MAPS:
            yield from _leaves(value, here)
        else:
            yield here, value


def _another(path: str, value: Any) -> Any:
    key = path.rpartition(".")[2]
    if key in OTHERS:
        return OTHERS[key]
    if isinstance(value, bool):
        return not _at(merged(DEFAULTS, EVERYTHING), path)
    if isinstance(value, int):
        return value + 7
    return "other"


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def _without_chance(objects: list[Object]) -> str:
    """What is random in each rendering left out."""
    for each in objects:
        if each["kind"] == "Secret":
            each["data"] = sorted(each["data"])
    return json.dumps(objects, sort_keys=True)


LEAVES = dict(_leaves(DEFAULTS))


@pytest.mark.parametrize("path", sorted(LEAVES.keys() - {"postgresql.bundled.enabled"}))  # without it nothing renders
def test_every_value_changes_something(path: str) -> None:
    before = merged(EVERYTHING, WITH.get(path, {}))
    after = merged(before, nested(path, _another(path, LEAVES[path])))
    assert _without_chance(render(after)) != _without_chance(render(before))


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_every_value_has_a_place_in_the_schema_and_a_name_beside_it_has_none(path: str) -> None:
    jsonschema.validate(nested(path, _at(DEFAULTS, path)), SCHEMA)
    parent, _, key = path.rpartition(".")
    wrong = nested(f"{parent}.{key}Typo".lstrip("."), 1)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("logLevel", "loud"),
        ("gateway.replicas", "two"),
        ("outbound.allow", ["everything"]),
        ("watchNamespaces", ["Studio"]),
        ("gateway.service.type", "Magic"),
        ("gateway.image.digest", "latest"),
        ("worker.pool.seats", 0),
        ("postgresql.bundled.persistence.size", "much"),
    ],
)
def test_helm_refuses_a_value_that_cannot_be(path: str, value: Any) -> None:
    with pytest.raises(Refused, match=path.rpartition(".")[2]):
        render(nested(path, value))


@pytest.mark.parametrize("part", ["gateway", "operator"])
def test_a_setting_that_has_a_value_of_its_own_is_refused_among_the_others(part: str) -> None:
    spec = {"gateway": gateway, "operator": operator}[part](render())
    reserved = SCHEMA["properties"][part]["properties"]["env"]["propertyNames"]["not"]["enum"]
    assert sorted(environment(spec["containers"][0])) == reserved
    with pytest.raises(Refused, match="CASTWARDEN_LOG_LEVEL"):
        render(nested(f"{part}.env", {"CASTWARDEN_LOG_LEVEL": "debug"}))


def test_a_database_is_asked_for_when_there_is_none() -> None:
    with pytest.raises(Refused, match=r"postgresql\.existingSecret\.name"):
        render(nested("postgresql.bundled.enabled", value=False))


def test_a_way_in_without_a_host_or_a_parent_is_refused() -> None:
    with pytest.raises(Refused, match=r"gateway\.ingress\.hosts"):
        render(nested("gateway.ingress.enabled", value=True))
    with pytest.raises(Refused, match=r"gateway\.httpRoute\.parentRefs"):
        render(nested("gateway.httpRoute.enabled", value=True))


def test_a_database_of_ones_own_takes_the_place_of_the_bundled_one() -> None:
    objects = render(nested("postgresql.existingSecret", {"name": "database", "key": "dsn"}))
    assert not [each for each in objects if each["metadata"]["name"].endswith("-postgres")]
    assert "initContainers" not in gateway(objects)
    where = {"secretKeyRef": {"name": "database", "key": "dsn"}}
    assert environment(gateway(objects)["containers"][0])["DATABASE_URL"] == where
    before = the(objects, "Job", "castwarden-migrate-before")
    assert before["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert environment(before["spec"]["template"]["spec"]["containers"][0])["DATABASE_URL"] == where


def test_the_bundled_database_is_migrated_by_the_gateway_and_before_upgrades() -> None:
    objects = render()
    assert gateway(objects)["initContainers"][0]["args"] == ["migrate"]
    before = the(objects, "Job", "castwarden-migrate-before")
    assert before["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"


def test_what_older_code_would_not_live_with_waits_for_the_rollout() -> None:
    objects = render()
    after = the(objects, "Job", "castwarden-migrate-after")
    assert after["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
    arguments = after["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[:4] == ["migrate", "--post", "--once-all-run", gateway(objects)["containers"][0]["image"]]
    labels = the(objects, "Deployment", "castwarden-gateway")["spec"]["template"]["metadata"]["labels"]
    assert (
        dict(pair.split("=") for pair in arguments[arguments.index("--pods") + 1].split(",")).items() <= labels.items()
    )
    assert arguments[arguments.index("--namespace") + 1] == "media"


def test_secrets_of_ones_own_are_taken_and_none_is_made() -> None:
    objects = render(nested("secrets.existingSecret", "mine"))
    assert [each["metadata"]["name"] for each in objects if each["kind"] == "Secret"] == ["castwarden-postgres"]
    key = environment(gateway(objects)["containers"][0])["CASTWARDEN_SECRET_KEY"]
    assert key == {"secretKeyRef": {"name": "mine", "key": "secret-key"}}


def test_a_cluster_wide_install_watches_all_namespaces() -> None:
    objects = render(nested("rbac.clusterWide", value=True))
    for spec in (gateway(objects), operator(objects)):
        assert environment(spec["containers"][0])["CASTWARDEN_WATCH_NAMESPACES"] == ""
    assert environment(operator(objects)["containers"][0])["CASTWARDEN_WORKER_SERVICE_ACCOUNT"] == "default"


def test_an_image_is_named_by_registry_and_tag_or_by_its_digest() -> None:
    def image(values: Mapping[str, Any]) -> str:
        return str(gateway(render(values))["containers"][0]["image"])

    registry = nested("image", {"registry": "registry.example.com/team", "tag": "1"})
    assert image({}) == "castwarden-gateway:0.1.0"
    assert image(registry) == "registry.example.com/team/castwarden-gateway:1"
    assert image(merged(registry, nested("gateway.image.tag", "2"))) == "registry.example.com/team/castwarden-gateway:2"
    digest = "sha256:" + "0" * 64
    assert image(merged(registry, nested("gateway.image.digest", digest))).endswith(f"castwarden-gateway@{digest}")


def test_the_definitions_are_those_of_the_models() -> None:
    objects = {each["metadata"]["name"]: each for each in render() if each["kind"] == "CustomResourceDefinition"}
    assert {name: each["spec"] for name, each in objects.items()} == {
        each["metadata"]["name"]: json.loads(json.dumps(each["spec"])) for each in all_crds()
    }


def test_names_stay_short_enough_whatever_the_release_is_called() -> None:
    longest: Callable[[Object], int] = lambda each: len(each["metadata"]["name"])  # noqa: E731
    objects = render({"fullnameOverride": "a" * 60, **EVERYTHING})
    assert (
        max(map(longest, (each for each in objects if each["kind"] in ("Service", "Deployment", "StatefulSet")))) <= 63
    )
