# SPDX-License-Identifier: Apache-2.0
"""A real API server takes every object of the chart as it is, without a warning, where Pod Security is restricted."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import yaml

from .rendering import CHART, EVERYTHING, RELEASE, helm, merged

pytestmark = [pytest.mark.real, pytest.mark.helm, pytest.mark.kubectl]
_OF_OTHERS = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")  # whose definitions are not there


def _kubectl(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl", *arguments], input=given, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(name="namespaces")
def _namespaces() -> Iterator[tuple[str, str]]:
    names = (f"chart-{uuid4().hex[:8]}", f"chart-{uuid4().hex[:8]}")
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    for name in names:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        assert _kubectl("apply", "-f", "-", given=json.dumps(namespace)).returncode == 0
    yield names
    _kubectl("delete", "namespace", *names, "--wait=false")


@pytest.mark.parametrize("cluster_wide", [False, True], ids=["namespaces", "cluster"])
def test_every_object_is_taken_without_a_warning(namespaces: tuple[str, str], cluster_wide: bool) -> None:
    own, other = namespaces
    scope: dict[str, Any] = {"rbac": {"clusterWide": cluster_wide}, "watchNamespaces": [] if cluster_wide else [other]}
    values = json.dumps(merged(EVERYTHING, scope))
    text = helm("template", RELEASE, str(CHART), "--namespace", own, "--values", "-", given=values)
    objects = [each for each in yaml.safe_load_all(text) if each]
    ours = [each for each in objects if not each["apiVersion"].startswith(_OF_OTHERS)]
    assert len(ours) < len(objects)
    for each in ours:
        each["metadata"].setdefault("namespace", own)
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": ours})
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    done = _kubectl("apply", *options, "-f", "-", given=listed)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("(server dry run)") == len(ours)
