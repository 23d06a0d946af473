# SPDX-License-Identifier: Apache-2.0
"""The operator's settings, from the environment."""

import json
import socket
from pathlib import Path
from typing import Annotated

from castwarden_base.settings import Settings as BaseSettings
from pydantic import BeforeValidator, Field

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _read_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(BaseSettings):
    """What the operator understands. `worker_*` and `download_claim` go into the Pods it makes."""

    health_host: str = Field(
        "0.0.0.0", alias="CASTWARDEN_HEALTH_HOST", description="Where /healthz and /metrics listen"
    )
    health_port: int = Field(8082, alias="CASTWARDEN_HEALTH_PORT", ge=0, le=65535, description="Their port")
    namespace: str = Field(
        "", alias="CASTWARDEN_NAMESPACE", description="Where the Lease is; empty means the Pod's own, else default"
    )
    pod_name: str = Field("", alias="POD_NAME", description="The Lease's holder; empty means the host's name")
    watch_namespaces: Words = Field(
        (), alias="CASTWARDEN_WATCH_NAMESPACES", description="Comma-separated; empty means the whole cluster"
    )
    leader_election: bool = Field(
        True, alias="CASTWARDEN_LEADER_ELECTION", description="Off when only one operator can ever run"
    )
    qps: float = Field(50.0, alias="CASTWARDEN_QPS", gt=0, description="API writes per second, sustained")
    burst: int = Field(100, alias="CASTWARDEN_BURST", ge=1, description="API writes at once after a quiet time")
    concurrency: int = Field(10, alias="CASTWARDEN_CONCURRENCY", ge=1, description="Reconciles at once, per kind")
    resync_seconds: float = Field(
        600.0, alias="CASTWARDEN_RESYNC_SECONDS", gt=0, description="Between two full comparisons with the API"
    )
    gateway_url: str = Field(
        "http://castwarden-gateway-internal:8081",
        alias="CASTWARDEN_GATEWAY_URL",
        description="The gateway's internal listener, as workers reach it",
    )
    worker_image: str = Field("castwarden-worker:latest", alias="CASTWARDEN_WORKER_IMAGE", description="Workers' image")
    worker_image_pull_policy: str = Field(
        "IfNotPresent",
        alias="CASTWARDEN_WORKER_IMAGE_PULL_POLICY",
        pattern="^(Always|IfNotPresent|Never)$",
        description="When nodes pull it",
    )
    worker_pull_secrets: Words = Field(
        (), alias="CASTWARDEN_WORKER_PULL_SECRETS", description="Secrets for its registry, comma-separated"
    )
    worker_service_account: str = Field(
        "default", alias="CASTWARDEN_WORKER_SERVICE_ACCOUNT", description="Workers' ServiceAccount; it needs no rights"
    )
    worker_env: Annotated[dict[str, str], BeforeValidator(_read_json)] = Field(
        {}, alias="CASTWARDEN_WORKER_ENV", description="More variables for workers, as a JSON object"
    )
    pool_seats: int = Field(
        50, alias="CASTWARDEN_POOL_SEATS", ge=1, le=500, description="Packed Monitors that share one Pod"
    )
    pool_resources: Annotated[dict[str, dict[str, str]], BeforeValidator(_read_json)] = Field(
        {"requests": {"cpu": "500m", "memory": "640Mi"}, "limits": {"memory": "1Gi"}},
        alias="CASTWARDEN_POOL_RESOURCES",
        description="Requests and limits of a shared Pod with all its seats taken, as a JSON object",
    )
    pool_max_age_seconds: float = Field(
        86_400.0,
        alias="CASTWARDEN_POOL_MAX_AGE",
        ge=0,
        description="A shared Pod older than this is replaced; 0: never",
    )
    pool_max_rss_mib: int = Field(
        800, alias="CASTWARDEN_POOL_MAX_RSS_MIB", ge=0, description="So is one whose worker holds more memory; 0: never"
    )
    pool_empty_seconds: float = Field(
        300.0, alias="CASTWARDEN_POOL_EMPTY_SECONDS", ge=0, description="How long a shared Pod without seats is kept"
    )
    downloads_enabled: bool = Field(False, alias="DOWNLOADS_ENABLED", description="Whether DownloadJobs run")
    download_claim: str | None = Field(
        None, alias="CASTWARDEN_DOWNLOAD_CLAIM", description="The claim for downloads that name none"
    )

    @property
    def own_namespace(self) -> str:
        """The operator's namespace."""
        if self.namespace:
            return self.namespace
        return _NAMESPACE_FILE.read_text("utf-8").strip() if _NAMESPACE_FILE.exists() else "default"

    @property
    def own_name(self) -> str:
        """The operator's Pod, or the host outside of one."""
        return self.pod_name or socket.gethostname()
