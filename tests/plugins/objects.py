# SPDX-License-Identifier: Apache-2.0
"""The objects that tests make through the Kubernetes API, and where each kind lives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind and its path: `apiVersion` with `plural` below it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """The resource's path below the server's address; without `namespace`, of all namespaces."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        place = [f"namespaces/{namespace}"] if self.namespaced and namespace else []
        return "/".join([root, *place, self.plural, *filter(None, (name, subresource))])


MONITORS = Resource("castwarden.dev/v1alpha1", "Monitor", "monitors")
CHANNELS = Resource("castwarden.dev/v1alpha1", "Channel", "channels")
DOWNLOAD_JOBS = Resource("castwarden.dev/v1alpha1", "DownloadJob", "downloadjobs")
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SECRETS = Resource("v1", "Secret", "secrets")
PODS = Resource("v1", "Pod", "pods")
EVENTS = Resource("v1", "Event", "events")
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
JOBS = Resource("batch/v1", "Job", "jobs")
CRON_JOBS = Resource("batch/v1", "CronJob", "cronjobs")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
TOKEN_REVIEWS = Resource("authentication.k8s.io/v1", "TokenReview", "tokenreviews", namespaced=False)
DEFINITIONS = Resource(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
RESOURCES = {
    resource.kind: resource
    for resource in (
        *(MONITORS, CHANNELS, DOWNLOAD_JOBS, NAMESPACES, CONFIG_MAPS, SECRETS, PODS, EVENTS, SERVICE_ACCOUNTS),
        *(JOBS, CRON_JOBS, LEASES, TOKEN_REVIEWS, DEFINITIONS),
    )
}

STREAM = "https://live.example.org/main.m3u8"
CHANNEL_ID = "UC" + "a" * 22


def make(resource: Resource, name: str, /, *, labels: Mapping[str, str] | None = None, **fields: Any) -> Object:
    """An object of that kind; `fields` are its top-level parts, such as `spec`."""
    metadata: Object = {"name": name} | ({"labels": dict(labels)} if labels else {})
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}


def monitor(name: str, *, labels: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """A Monitor of a stream; `spec` overrides and adds."""
    return make(MONITORS, name, labels=labels, spec={"source": {"url": STREAM}} | spec)


def channel(name: str, **spec: Any) -> Object:
    return make(CHANNELS, name, spec={"source": {"youtubeChannelId": CHANNEL_ID}} | spec)


def download_job(name: str, **spec: Any) -> Object:
    return make(DOWNLOAD_JOBS, name, spec={"source": {"url": "https://media.example.org/a.mp4"}} | spec)


def config_map(name: str, *, labels: Mapping[str, str] | None = None, **data: str) -> Object:
    return make(CONFIG_MAPS, name, labels=labels, data=data)


def pod_spec(restart_policy: str = "Never") -> Object:
    """A Pod's spec that every API server takes and that nobody runs: its scheduler does not exist."""
    return {
        "restartPolicy": restart_policy,
        "schedulerName": "nobody",
        "containers": [{"name": "worker", "image": "castwarden-worker", "command": ["true"]}],
    }


def pod(name: str, *, labels: Mapping[str, str] | None = None) -> Object:
    return make(PODS, name, labels=labels, spec=pod_spec())


def job_spec(**spec: Any) -> Object:
    return {"template": {"metadata": {"labels": {"app": "fetch"}}, "spec": pod_spec()}} | spec


def job(name: str, **spec: Any) -> Object:
    return make(JOBS, name, spec=job_spec(**spec))


def cron_job(name: str, schedule: str = "* * * * *", **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "fetch"}}, "spec": job_spec()}
    return make(CRON_JOBS, name, spec={"schedule": schedule, "jobTemplate": template} | spec)


def lease(name: str, holder: str) -> Object:
    return make(LEASES, name, spec={"holderIdentity": holder, "leaseDurationSeconds": 15})


def owned_by(owner: Object, child: Object, **reference: Any) -> Object:
    """`child` with an ownerReference to `owner` added."""
    metadata = owner["metadata"]
    link = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    owners = [*child["metadata"].get("ownerReferences", []), link | reference]
    return child | {"metadata": child["metadata"] | {"ownerReferences": owners}}
