# SPDX-License-Identifier: Apache-2.0
"""Resources and children as the API server would show them, for the tables of the reconcilers' tests."""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from castwarden_model.resources import Channel, DownloadJob, Monitor
from castwarden_operator.kinds import Object
from castwarden_operator.reconcile.plan import Is, Plan
from castwarden_operator.settings import Settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SETTINGS = Settings(
    worker_image="registry.example/worker:1",
    gateway_url="http://gateway:8081",
    downloads_enabled=True,
    download_claim="media",
)


def resource(kind: str, name: str = "main", status: Object | None = None, **spec: Any) -> Object:
    """A custom resource; `spec` gets a source unless it has one."""
    source = {"feedUrl": "https://feeds.example/atom"} if kind == "Channel" else {"url": "https://live.example/a.m3u8"}
    return {
        "apiVersion": "castwarden.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "media-team",
            "uid": f"uid-{name}",
            "generation": 3,
            "resourceVersion": "10",
        },
        "spec": {"source": source, **spec},
        "status": status or {},
    }


def monitor(name: str = "main", **spec: Any) -> Monitor:
    return Monitor.model_validate(resource("Monitor", name, **spec))


def channel(name: str = "news", status: Object | None = None, **spec: Any) -> Channel:
    return Channel.model_validate(resource("Channel", name, status, **spec))


def download(name: str = "film", status: Object | None = None, **spec: Any) -> DownloadJob:
    return DownloadJob.model_validate(resource("DownloadJob", name, status, **spec))


def stored(manifest: Object, status: Object | None = None, **metadata: Any) -> Object:
    """What the API server makes of a manifest: a uid, a version, a few of its defaults."""
    obj = copy.deepcopy(manifest)
    obj["metadata"] |= {"resourceVersion": "20", "creationTimestamp": "2026-11-20T11:00:00Z", **metadata}
    obj["metadata"].setdefault("uid", f"uid-of-{obj['metadata']['name']}")
    obj["status"] = status or {}
    return obj


def pod_status(phase: str, *, ready: bool = False, waiting: str = "", message: str = "", **more: Any) -> Object:
    state: Mapping[str, Any] = {"waiting": {"reason": waiting, "message": message}} if waiting else {"running": {}}
    return {
        "phase": phase,
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [{"name": "worker", "state": state}],
        **more,
    }


def condition(plan: Plan, type_: str) -> Is:
    return next(found for found in plan.conditions if found.type == type_)


def said(plan: Plan) -> tuple[bool, str]:
    """Status and reason of Ready."""
    ready = condition(plan, "Ready")
    return ready.status, ready.reason


def container(manifest: Object) -> Object:
    found: Object = manifest["spec"]["containers"][0]
    return found


class Turn:
    """Of a Monitor in a rollout: may be replaced after `seconds`, None: waits."""

    def __init__(self, seconds: float | None = 0.0) -> None:
        self.seconds = seconds
        self.is_done = False

    def wait(self) -> float | None:
        return self.seconds

    def done(self) -> None:
        self.is_done = True
