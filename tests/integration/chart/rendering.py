# SPDX-License-Identifier: Apache-2.0
"""The chart as Helm renders it, and what tests ask of the result."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "castwarden"
RELEASE, NAMESPACE = "castwarden", "media"
Object = dict[str, Any]
Values = Mapping[str, Any]

EVERYTHING: Values = {
    "watchNamespaces": ["studio"],
    "image": {"pullSecrets": ["registry"]},
    "downloads": {"enabled": True},
    "outbound": {"allow": ["10.20.0.0/16"], "webhookHosts": ["hook.tools.svc"]},
    "gateway": {
        "autoscaling": {"enabled": True},
        "ingress": {"enabled": True, "hosts": ["castwarden.example.com"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
    },
    "networkPolicy": {"metricsFrom": [{"namespaceSelector": {}}]},
    "monitoring": {part: {"enabled": True} for part in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboard")},
}
"""Values that render every object there is, but for those of a cluster-wide install."""


class Refused(Exception):
    """Helm did not render it; the text is what it said."""


def helm(*arguments: str, given: str = "") -> str:
    """What helm prints. Raises Refused."""
    done = subprocess.run(["helm", *arguments], input=given, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def render(values: Values | None = None) -> list[Object]:
    """Every object of the release, hooks too, for these values over the defaults. Raises Refused."""
    return json.loads(_rendered(json.dumps(values or {})))  # type: ignore[no-any-return]


@cache
def _rendered(values: str) -> str:
    text = helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", "-", given=values)
    return json.dumps([each for each in yaml.safe_load_all(text) if each])


def nested(path: str, value: Any) -> dict[str, Any]:
    """`a.b` and 1 → `{"a": {"b": 1}}`."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value  # type: ignore[no-any-return]


def merged(base: Any, over: Any) -> Any:
    """`over` laid over `base`, as Helm does with values."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    return {key: merged(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}


def the(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of this kind and name; in `media` when there are several."""
    found = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found[0] if len(found) == 1 else next(each for each in found if namespace_of(each) == NAMESPACE)


def namespace_of(each: Object) -> str:
    return str(each["metadata"].get("namespace", NAMESPACE))


def pod_specs(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Name and Pod spec of everything that makes Pods."""
    for each in objects:
        if each["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield f"{each['kind']} {each['metadata']['name']}", each["spec"]["template"]["spec"]


def containers(spec: Object) -> list[Object]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


def environment(container: Object) -> dict[str, Any]:
    """Each variable with its value, or with where it comes from."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def gateway(objects: list[Object]) -> Object:
    spec: Object = the(objects, "Deployment", "castwarden-gateway")["spec"]["template"]["spec"]
    return spec


def operator(objects: list[Object]) -> Object:
    spec: Object = the(objects, "Deployment", "castwarden-operator")["spec"]["template"]["spec"]
    return spec
