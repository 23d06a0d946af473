# SPDX-License-Identifier: Apache-2.0
"""Alert rules and the dashboard ask for metrics that there are, by labels that those have."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import castwarden_base
import castwarden_gateway
import castwarden_worker
import pytest
import yaml
from castwarden_operator.metrics import Metrics
from prometheus_client import REGISTRY, CollectorRegistry

from .rendering import CHART, EVERYTHING, render, the

FILES = CHART / "files"
# A name in an expression: not a function, not a label, not a keyword.
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|without|on)\s*\([^)]*\)|\[[^\]]*\]|\"[^\"]*\"|'[^']*'")
_WORDS = {"by", "without", "on", "or", "and", "unless", "bool", "vector", "le"}
_FROM_THE_PROCESS = {"process_resident_memory_bytes"}  # of every process on Linux
_FROM_SCRAPING = {"pod", "namespace", "container", "job", "instance", "le"}


def _expressions() -> Iterator[str]:
    rules = yaml.safe_load((FILES / "rules.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for path in (FILES / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))


def _names(expression: str) -> set[str]:
    bare = _LABELS.sub(" ", expression)
    functions = {match[1] for match in re.finditer(r"([a-z_0-9]+)\s*\(", bare)}
    return set(_NAME.findall(bare)) - functions - _WORDS


def _labels(expression: str) -> set[str]:
    asked = {
        name for match in re.finditer(r"\{([^}]*)\}", expression) for name in re.findall(r"(\w+)\s*[=!]", match[1])
    }
    grouped = {
        name for match in re.finditer(r"\b(?:by|without)\s*\(([^)]*)\)", expression) for name in _NAME.findall(match[1])
    }
    return asked | grouped


@cache
def _series() -> dict[str, set[str]]:
    """Every name that Castwarden's processes expose, with its labels."""
    for package in (castwarden_base, castwarden_gateway, castwarden_worker):
        _import_all(package)
    operator = CollectorRegistry()
    Metrics(operator)
    found: dict[str, set[str]] = {}
    for registry in (REGISTRY, operator):
        for collector in list(registry._collector_to_names):
            names: Any = registry._collector_to_names[collector]
            for name in names:
                found[name] = set(getattr(collector, "_labelnames", ()))
    return found


def _import_all(package: ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(("__main__", "_child")):
            importlib.import_module(module.name)


@pytest.mark.parametrize("expression", sorted(set(_expressions())))
def test_every_metric_that_is_asked_for_exists_with_the_labels_it_is_asked_by(expression: str) -> None:
    names = _names(expression)
    assert names, expression
    series = _series()
    assert names - _FROM_THE_PROCESS <= series.keys()
    had = set().union(*(series.get(name, set()) for name in names))
    assert _labels(expression) - _FROM_SCRAPING <= had


def test_a_name_that_does_not_exist_would_be_found() -> None:
    assert _names('sum by (x) (rate(castwarden_no_such_total{a="b"}[5m])) > 1') == {"castwarden_no_such_total"}
    assert "castwarden_no_such_total" not in _series()


def test_every_rule_says_what_to_do_and_how_bad_it_is() -> None:
    rules = yaml.safe_load((FILES / "rules.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("info", "warning", "critical")
            assert set(rule["annotations"]) == {"summary", "description"}


@pytest.mark.helm
def test_the_rules_and_the_dashboard_come_through_helm_unchanged() -> None:
    objects = render(EVERYTHING)
    rule = the(objects, "PrometheusRule", "castwarden")
    assert rule["spec"] == yaml.safe_load((FILES / "rules.yaml").read_text("utf-8"))
    (text,) = the(objects, "ConfigMap", "castwarden-dashboard")["data"].values()
    assert json.loads(text)["uid"] == "castwarden"


@pytest.mark.helm
def test_prometheus_finds_every_process_by_a_port_that_it_has() -> None:
    objects = render(EVERYTHING)
    service = the(objects, "Service", "castwarden-gateway-internal")
    monitor = the(objects, "ServiceMonitor", "castwarden-gateway")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
    template = the(objects, "Deployment", "castwarden-operator")["spec"]["template"]
    operator = the(objects, "PodMonitor", "castwarden-operator")["spec"]
    assert operator["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert operator["podMetricsEndpoints"][0]["port"] == template["spec"]["containers"][0]["ports"][0]["name"]
    worker = the(objects, "PodMonitor", "castwarden-worker")["spec"]
    assert worker["namespaceSelector"] == {"matchNames": ["media", "studio"]}
