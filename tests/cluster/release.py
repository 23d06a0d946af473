# SPDX-License-Identifier: Apache-2.0
"""A release of the chart in a restricted namespace, and what tests do with it."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from castwarden_base.waiting import wait_until

from tests.cluster.clients import Failed, Object, call, get, kubectl, run, secret

ROOT = Path(__file__).parents[2]
CHART, TOOLS = ROOT / "helm" / "castwarden", ROOT / "tests" / "cluster" / "tools.yaml"
NAMESPACE, RELEASE = "media", "castwarden"
ORIGIN = "http://origin.tools.svc:8080"
STREAM, CHANNEL_ID = f"{ORIGIN}/main.m3u8", "UC" + "c" * 22
PRIVATE = ["10.244.0.0/16", "10.96.0.0/16"]  # Pods and Services, here and with kind
CHECKS = {"black": {"raiseAfter": "3s", "clearAfter": "2s"}}
_CHILDREN = "app.kubernetes.io/managed-by=castwarden"
_PATIENCE = 180.0
_CLAIMS = (("data-castwarden-postgres-0", "10Gi", 999), ("castwarden-downloads", "50Gi", 1000))


@dataclass(slots=True)
class Release:
    """One install, from beginning to end."""

    tag: str = "e2e"
    key: str = ""
    monitors: list[str] = field(default_factory=list)  # one by kubectl, one by REST
    logs: dict[str, str] = field(default_factory=dict)  # of every container that was seen

    async def prepare(self) -> None:
        """The namespaces, a volume where nobody makes any, an origin and a receiver."""
        await kubectl("apply", "--filename", str(TOOLS))
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        for name in (NAMESPACE, "ops"):
            await _apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        if folder := os.environ.get("CASTWARDEN_E2E_VOLUMES"):
            for claim, size, owner in _CLAIMS:
                await _apply(_volume(Path(folder), claim, size, owner))
        await kubectl("wait", "--namespace", "tools", "--for=condition=Ready", "pods", "--all", "--timeout=120s")

    async def helm(self, verb: str, tag: str, namespace: str = NAMESPACE, **more: Object) -> str:
        """Install or upgrade, and wait until all is ready. `more` are further values, or others."""
        values = {
            "image": {"tag": tag, "pullPolicy": "IfNotPresent"},
            "downloads": {"enabled": True},
            "outbound": {"allow": PRIVATE, "webhookHosts": ["receiver.tools.svc"]},
            **more,
        }
        where = ("--namespace", namespace, "--wait", "--timeout", "5m", "--values", "-")
        told = await run(
            *("helm", verb, RELEASE, str(CHART), *where),
            given=json.dumps(values),
            timeout=360,
        )
        self.tag = tag
        self.key = await secret(namespace, RELEASE, "api-key")
        return told

    async def rest(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the REST API, through its Service."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = await call(NAMESPACE, f"{RELEASE}-gateway", 80, method, f"/api/v1{path}", json=body, headers=headers)
        return (answer or {}).get("data", answer)

    async def picture(self, picture: str) -> None:
        """What the origin shows from now on."""
        await call("tools", "origin", 8080, "PUT", f"/picture/{picture}")

    async def received(self, type_: str, subject: str = "") -> list[Object]:
        """Webhooks of a type, each event once. Fails when a signature was wrong."""
        all_of_them = await call("tools", "receiver", 8080, "GET", "/received")
        assert all(each["verified"] for each in all_of_them)
        events = {each["id"]: each["event"] for each in all_of_them}
        return [e for e in events.values() if e["type"] == type_ and subject in ("", e["subject"]["name"])]

    async def await_webhooks(self, type_: str, subjects: Sequence[str], count: int = 1) -> None:
        """Until each of the subjects has been told of `count` times."""

        async def told() -> bool:
            found = [await self.received(type_, subject) for subject in subjects]
            return all(len(each) >= count for each in found)

        await wait_until(told, timeout=_PATIENCE, interval=1.0)

    async def watching(self) -> list[Object]:
        """The Pods of Monitors."""
        return await get("pods", NAMESPACE, f"{_CHILDREN},castwarden.dev/role=monitor")

    async def children(self) -> list[Object]:
        """All that the operator made."""
        return [each for kind in ("pods", "jobs", "cronjobs") for each in await get(kind, NAMESPACE, _CHILDREN)]

    async def leader(self) -> str:
        """The Pod of the operator that holds the Lease."""
        found = [each for each in await get("leases", NAMESPACE) if each["metadata"]["name"] == "castwarden-operator"]
        return str(found[0]["spec"]["holderIdentity"]).partition("_")[0] if found else ""

    async def restart(self, component: str) -> None:
        """Ends a part of Kubernetes at once; it is started again."""
        if cluster := os.environ.get("CASTWARDEN_E2E_CLUSTER"):
            await run(cluster, "restart", component)
        else:  # the node of kind
            await run("docker", "exec", "castwarden-control-plane", "pkill", "--signal", "KILL", component)

        async def back() -> bool:
            try:
                await self.received("none")  # through the API server and the kubelet, which must know its Pods again
                return await kubectl("get", "--raw", "/readyz") == "ok"
            except (Failed, aiohttp.ClientError):
                return False

        await wait_until(back, timeout=90, interval=0.5)

    async def keep_logs(self, namespace: str = NAMESPACE) -> None:
        """What all containers have said so far, also those that were restarted."""
        for pod in await get("pods", namespace):
            name = pod["metadata"]["name"]
            for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
                where = (name, "--namespace", namespace, "--container", container["name"])
                for previous in ((), ("--previous",)):
                    try:
                        text = await kubectl("logs", *where, *previous)
                    except Failed:
                        continue  # it has not started, or was never restarted
                    self.logs[f"{name}/{container['name']}{'/before' if previous else ''}"] = text


def monitor(name: str) -> str:
    """A Monitor of the origin, with a black picture told soon."""
    spec = {"source": {"url": STREAM}, "checks": CHECKS}
    return yaml.safe_dump(
        {"apiVersion": "castwarden.dev/v1alpha1", "kind": "Monitor", "metadata": {"name": name}, "spec": spec}
    )


async def apply(manifest: str, namespace: str = NAMESPACE) -> None:
    await kubectl("apply", "--namespace", namespace, "--filename", "-", given=manifest)


async def _apply(manifest: Object) -> None:
    await kubectl("apply", "--filename", "-", given=json.dumps(manifest))


def _volume(folder: Path, claim: str, size: str, owner: int) -> Object:
    """A folder of this machine, which is the node, for a claim."""
    place = folder / claim
    place.mkdir(parents=True, exist_ok=True)
    os.chown(place, owner, owner)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": claim},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": NAMESPACE, "name": claim},
            "hostPath": {"path": str(place)},
        },
    }
