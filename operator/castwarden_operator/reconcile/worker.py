# SPDX-License-Identifier: Apache-2.0
"""The Pod that a worker runs in, the same for all roles. Passes Pod Security "restricted". Pure."""

import hashlib
import json
from collections.abc import Mapping

from castwarden_model.resources import API_VERSION, Channel, DownloadJob, Monitor, WorkerTemplate

from ..kinds import CHILD_LABELS, KIND_LABEL, NAME_LABEL, POOL_LABEL, POOL_ROLE, ROLE_LABEL, Object
from ..settings import Settings

AnyResource = Monitor | Channel | DownloadJob

SPEC_HASH = "castwarden.dev/spec-hash"
CONTAINER = "worker"
_AUDIENCE = "castwarden-gateway"
_TOKEN_DIR = "/var/run/secrets/castwarden"  # noqa: S105 - a path
_STATE_DIR = "/var/lib/castwarden"
_DOWNLOAD_DIR = "/downloads"
_PORT = 8082
_RESERVED = ("CASTWARDEN_", "POD_", "INTERNAL_", "LD_", "PYTHON", "PATH")  # prefixes that a template may not set
_DEFAULT_RESOURCES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "monitor": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
    "poll": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
    "download": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
}


def child_name(prefix: str, name: str, longest: int) -> str:
    """`prefix-name`, cut and completed with a hash when it is longer than allowed."""
    full = f"{prefix}-{name}"
    if len(full) <= longest:
        return full
    return f"{full[: longest - 9].rstrip('-.')}-{_digest(full)[:8]}"


def labels(resource: AnyResource, role: str) -> dict[str, str]:
    """The labels that every child carries."""
    return {
        **CHILD_LABELS,
        KIND_LABEL: resource.KIND,
        NAME_LABEL: resource.metadata.name,
        ROLE_LABEL: role,
    }


def owner_reference(resource: AnyResource) -> Object:
    """Makes the API's garbage collector remove the child with its resource, operator or not."""
    return {
        "apiVersion": API_VERSION,
        "kind": resource.KIND,
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_template(resource: AnyResource, role: str, settings: Settings, restart: str) -> Object:
    """`metadata` and `spec` of the worker's Pod, with the hash of both as an annotation."""
    template = resource.spec.template
    volumes, mounts = _volumes(resource, settings)
    env = _env({variable.name: variable.value for variable in template.env}, _identity(resource), settings)
    container = _container(role, settings, env, _resources(role, template), mounts)
    pod: Object = {
        "metadata": {
            "labels": {**template.labels, **labels(resource, role)},
            "annotations": dict(template.annotations),
        },
        "spec": {**_pod_spec(settings, restart, container, volumes), **_chosen(template)},
    }
    pod["metadata"]["annotations"][SPEC_HASH] = hash_of(pod)
    return pod


def shared_pod_template(namespace: str, pool: str, settings: Settings) -> Object:
    """Like `pod_template`, for a Pod that many Monitors of one pool share: it names none of them."""
    own = {"CASTWARDEN_NAMESPACE": namespace, "CASTWARDEN_POOL": pool}
    if settings.pool_max_rss_mib:
        own["CASTWARDEN_RECYCLE_RSS_MIB"] = str(settings.pool_max_rss_mib)
    volumes, mounts = _own_volumes()
    container = _container(POOL_ROLE, settings, _env({}, own, settings), settings.pool_resources, mounts)
    pod: Object = {
        "metadata": {"labels": {**CHILD_LABELS, ROLE_LABEL: POOL_ROLE, POOL_LABEL: pool}, "annotations": {}},
        "spec": _pod_spec(settings, "OnFailure", container, volumes),
    }
    pod["metadata"]["annotations"][SPEC_HASH] = hash_of(pod)
    return pod


def hash_of(content: object) -> str:
    """A short hash that is the same whenever the content is."""
    return _digest(json.dumps(content, sort_keys=True, separators=(",", ":"), default=str))[:16]


def annotation(obj: Object, key: str) -> str | None:
    """One annotation of an observed object."""
    value = (obj["metadata"].get("annotations") or {}).get(key)
    return None if value is None else str(value)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _chosen(template: WorkerTemplate) -> Object:
    """Where a tenant wants the Pod to run."""
    chosen = template.model_dump(
        by_alias=True,
        exclude_none=True,
        include={"node_selector", "tolerations", "affinity", "priority_class_name"},
    )
    return {key: value for key, value in chosen.items() if value}


def _pod_spec(settings: Settings, restart: str, container: Object, volumes: list[Object]) -> Object:
    spec: Object = {
        "restartPolicy": restart,
        "serviceAccountName": settings.worker_service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
    if settings.worker_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in settings.worker_pull_secrets]
    return spec


def _container(
    role: str, settings: Settings, env: list[Object], resources: Mapping[str, object], mounts: list[Object]
) -> Object:
    return {
        "name": CONTAINER,
        "image": settings.worker_image,
        "imagePullPolicy": settings.worker_image_pull_policy,
        "command": ["castwarden-worker"],
        "args": [role],
        "env": env,
        "ports": [{"name": "health", "containerPort": _PORT, "protocol": "TCP"}],
        "livenessProbe": _probe("/healthz", initialDelaySeconds=10, periodSeconds=10, failureThreshold=6),
        "readinessProbe": _probe("/readyz", periodSeconds=5, failureThreshold=3),
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _ours(variable: str) -> bool:
    return variable.upper().startswith(_RESERVED)


def _identity(resource: AnyResource) -> dict[str, str]:
    """What tells a worker which resource is its own."""
    values = {
        "CASTWARDEN_KIND": resource.KIND,
        "CASTWARDEN_NAMESPACE": resource.metadata.namespace,
        "CASTWARDEN_NAME": resource.metadata.name,
        "CASTWARDEN_UID": resource.metadata.uid,
    }
    if isinstance(resource, DownloadJob):
        values["CASTWARDEN_DOWNLOAD_DIR"] = _DOWNLOAD_DIR
    return values


def _env(chosen: Mapping[str, str], own: Mapping[str, str], settings: Settings) -> list[Object]:
    """The contract's variables win over the template's, and those over the operator's extra ones.

    A template is written by a tenant: it cannot set what decides whom the worker obeys or what it may reach.
    """
    values = dict(settings.worker_env)
    values |= {name: value for name, value in chosen.items() if not _ours(name)}
    values |= own
    values |= {
        "CASTWARDEN_GATEWAY_URL": settings.gateway_url,
        "CASTWARDEN_TOKEN_FILE": f"{_TOKEN_DIR}/token",
        "CASTWARDEN_STATE_DIR": _STATE_DIR,
        "CASTWARDEN_OUTBOUND_ALLOW": ",".join(str(network) for network in settings.outbound_allow),
        "TMPDIR": "/tmp",  # noqa: S108 - an emptyDir of the Pod
    }
    downward = {"POD_NAME": "metadata.name", "POD_IP": "status.podIP"}
    return [{"name": name, "value": value} for name, value in values.items() if name not in downward] + [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in downward.items()
    ]


def _volumes(resource: AnyResource, settings: Settings) -> tuple[list[Object], list[Object]]:
    volumes, mounts = _own_volumes()
    if isinstance(resource, DownloadJob):
        storage = resource.spec.storage
        claim = storage.persistent_volume_claim or settings.download_claim
        volumes.append({"name": "downloads", "persistentVolumeClaim": {"claimName": claim}})
        sub_path = {"subPath": storage.sub_path} if storage.sub_path else {}
        mounts.append({"name": "downloads", "mountPath": _DOWNLOAD_DIR, **sub_path})
    return volumes, mounts


def _own_volumes() -> tuple[list[Object], list[Object]]:
    """What every worker has: its token, a place for what it must not lose, and one for the rest."""
    token = {"audience": _AUDIENCE, "expirationSeconds": 3600, "path": "token"}
    volumes: list[Object] = [
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "state", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    mounts: list[Object] = [
        {"name": "token", "mountPath": _TOKEN_DIR, "readOnly": True},
        {"name": "state", "mountPath": _STATE_DIR},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the Pod
    ]
    return volumes, mounts


def _probe(path: str, **timing: int) -> Object:
    return {"httpGet": {"path": path, "port": _PORT}, "timeoutSeconds": 5, **timing}


def _resources(role: str, template: WorkerTemplate) -> Object:
    """Our defaults for what the template leaves open. A default must never contradict the other half of a pair."""
    chosen = {"requests": dict(template.resources.requests), "limits": dict(template.resources.limits)}
    named = {*chosen["requests"], *chosen["limits"]}
    for part, defaults in _DEFAULT_RESOURCES[role].items():
        chosen[part] = {**{name: amount for name, amount in defaults.items() if name not in named}, **chosen[part]}
    return chosen
