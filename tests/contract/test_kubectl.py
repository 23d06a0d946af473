# SPDX-License-Identifier: Apache-2.0
"""The plain `kubectl` that everybody has, against our kinds."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plugins.controlplane import ControlPlane
from tests.plugins.kube import Kube
from tests.plugins.objects import (
    CONFIG_MAPS,
    JOBS,
    MONITORS,
    NAMESPACES,
    STREAM,
    Object,
    channel,
    download_job,
    monitor,
)

pytestmark = pytest.mark.kubectl
MOMENT = "2030-01-01T00:00:00Z"


class Failed(Exception):
    """kubectl ended with an error; the text is what it said."""


Kubectl = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
def kubectl(kube: Kube, control_plane: ControlPlane, tmp_path: Path) -> Kubectl:
    """Runs kubectl, of whatever version, in the test's namespace with a cache of its own. Gives stdout or `Failed`."""

    async def run(*args: str, body: Object | None = None) -> str:
        process = await asyncio.create_subprocess_exec(
            *("kubectl", "--kubeconfig", str(control_plane.kubeconfig), "--cache-dir", str(tmp_path / "cache")),
            *("--namespace", kube.namespace, "--warnings-as-errors", *args),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        given = json.dumps(body).encode() if body else b""
        out, err = await asyncio.wait_for(process.communicate(given), timeout=60)
        if process.returncode != 0:
            raise Failed(err.decode())
        return out.decode()

    return run


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


async def test_get_shows_our_columns(kube: Kube, kubectl: Kubectl) -> None:
    await kube.create(monitor("a"))
    ready = {"type": "Ready", "status": "True", "reason": "Running", "lastTransitionTime": MOMENT}
    status = {"conditions": [ready], "stream": {"state": "Live"}}
    await kube.patch(MONITORS, "a", {"status": status}, subresource="status")
    head, row = words(await kubectl("get", "monitors"))
    assert head == ["NAME", "READY", "REASON", "STREAM", "OPEN", "LAST", "EVENT", "SEAT", "AGE"]
    assert row[:4] == ["a", "True", "Running", "Live"]
    assert STREAM in await kubectl("get", "mon", "a", "-o", "wide")


async def test_get_by_short_names_and_category(kube: Kube, kubectl: Kubectl) -> None:
    await asyncio.gather(*(kube.create(body) for body in (monitor("a"), channel("b"), download_job("c"))))
    names = (await kubectl("get", "mon,chan,dlj", "-o", "name")).split()
    assert names == ["monitor.castwarden.dev/a", "channel.castwarden.dev/b", "downloadjob.castwarden.dev/c"]
    assert set((await kubectl("get", "castwarden", "-o", "name")).split()) == set(names)


async def test_get_as_yaml_is_the_object(kube: Kube, kubectl: Kubectl) -> None:
    await kube.create(monitor("a"))
    shown = yaml.safe_load(await kubectl("get", "monitor", "a", "-o", "yaml", "--show-managed-fields"))
    assert shown == await kube.get(MONITORS, "a")


async def test_get_says_what_is_missing(kubectl: Kubectl) -> None:
    with pytest.raises(Failed, match=r'Error from server \(NotFound\): monitors.castwarden.dev "a" not found'):
        await kubectl("get", "monitor", "a")


async def test_api_resources_lists_our_kinds(kubectl: Kubectl) -> None:
    lines = words(await kubectl("api-resources", "--api-group", "castwarden.dev", "--no-headers"))
    assert sorted(lines) == [
        ["channels", "chan", "castwarden.dev/v1alpha1", "true", "Channel"],
        ["downloadjobs", "dlj", "castwarden.dev/v1alpha1", "true", "DownloadJob"],
        ["monitors", "mon", "castwarden.dev/v1alpha1", "true", "Monitor"],
    ]


@pytest.mark.parametrize("mode", [(), ("--server-side",)], ids=["client-side", "server-side"])
async def test_apply_creates_changes_and_leaves_alone(kube: Kube, kubectl: Kubectl, mode: tuple[str, ...]) -> None:
    apply = ("apply", *mode, "-f", "-")
    first = await kubectl(*apply, body=monitor("a", depth="Full", metadata={"x": "1"}))
    assert first.strip() in {"monitor.castwarden.dev/a created", "monitor.castwarden.dev/a serverside-applied"}
    made = await kube.get(MONITORS, "a")
    again = await kubectl(*apply, body=monitor("a", depth="Full", metadata={"x": "1"}))
    assert again.strip() in {"monitor.castwarden.dev/a unchanged", "monitor.castwarden.dev/a serverside-applied"}
    assert await kube.get(MONITORS, "a") == made
    await kubectl(*apply, body=monitor("a", suspend=True, metadata={"y": "2"}))
    spec = (await kube.get(MONITORS, "a"))["spec"]
    assert (spec["suspend"], spec["depth"], spec["metadata"]) == (True, "Adaptive", {"y": "2"})


async def test_apply_takes_several_kinds_at_once(kube: Kube, kubectl: Kubectl) -> None:
    several = {"apiVersion": "v1", "kind": "List", "items": [monitor("a"), channel("b"), download_job("c")]}
    await kubectl("apply", "-f", "-", body=several)
    assert (await kubectl("get", "castwarden", "-o", "name")).count("castwarden.dev/") == 3


async def test_apply_refuses_an_unknown_field(kube: Kube, kubectl: Kubectl) -> None:
    with pytest.raises(Failed, match=r'unknown field "spec\.colour"'):
        await kubectl("apply", "-f", "-", body=monitor("a", colour="red"))
    assert not await kube.exists(MONITORS, "a")


async def test_apply_says_which_rule_is_broken(kubectl: Kubectl) -> None:
    with pytest.raises(Failed, match=r"spec.source: Invalid value: .*exactly one of url, youtubeVideoId must be set"):
        await kubectl("apply", "-f", "-", body=monitor("a", source={}))


async def test_apply_server_side_names_the_conflicting_manager(kube: Kube, kubectl: Kubectl) -> None:
    await kube.apply(monitor("a", depth="Full"), manager="castwarden-gateway")
    with pytest.raises(Failed, match=r'conflict with "castwarden-gateway".*: \.spec\.depth'):
        await kubectl("apply", "--server-side", "-f", "-", body=monitor("a", depth="Adaptive"))
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", body=monitor("a", depth="Adaptive"))
    assert (await kube.get(MONITORS, "a"))["spec"]["depth"] == "Adaptive"


@pytest.mark.parametrize(
    "patch",
    [
        ("--type=merge", '{"spec":{"suspend":true}}'),
        ("--type=json", '[{"op":"replace","path":"/spec/suspend","value":true}]'),
    ],
    ids=["merge", "json"],
)
async def test_patch(kube: Kube, kubectl: Kubectl, patch: tuple[str, str]) -> None:
    await kube.create(monitor("a"))
    assert await kubectl("patch", "monitor", "a", patch[0], "-p", patch[1]) == "monitor.castwarden.dev/a patched\n"
    assert (await kube.get(MONITORS, "a"))["spec"]["suspend"] is True


async def test_label_and_annotate(kube: Kube, kubectl: Kubectl) -> None:
    await kube.create(monitor("a"))
    await kubectl("label", "monitor", "a", "team=news")
    await kubectl("annotate", "monitor", "a", "note=by hand")
    metadata = (await kube.get(MONITORS, "a"))["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"team": "news"}, {"note": "by hand"})
    assert await kubectl("get", "monitor", "-l", "team=news", "-o", "name") == "monitor.castwarden.dev/a\n"


async def test_wait_for_a_condition(kube: Kube, kubectl: Kubectl) -> None:
    await kube.create(monitor("a"))
    waiting = asyncio.create_task(kubectl("wait", "--for=condition=Ready", "monitor/a", "--timeout=40s"))
    ready = {"type": "Ready", "status": "True", "reason": "Running", "lastTransitionTime": MOMENT}
    await kube.patch(MONITORS, "a", {"status": {"conditions": [ready]}}, subresource="status")
    assert await waiting == "monitor.castwarden.dev/a condition met\n"


async def test_wait_for_a_deletion(kube: Kube, kubectl: Kubectl) -> None:
    body = monitor("a")
    body["metadata"]["finalizers"] = ["example.org/x"]
    await kube.create(body)
    deleting = asyncio.create_task(kubectl("delete", "monitor", "a", "--timeout=40s"))
    waiting = asyncio.create_task(kubectl("wait", "--for=delete", "monitor/a", "--timeout=40s"))
    await asyncio.wait([deleting, waiting], timeout=1)
    assert not waiting.done()
    await kube.patch(MONITORS, "a", {"metadata": {"finalizers": []}})
    await asyncio.gather(deleting, waiting)
    assert not await kube.exists(MONITORS, "a")


async def test_create_and_delete_a_config_map(kube: Kube, kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "settings", "--from-literal=x=1")
    assert (await kube.get(CONFIG_MAPS, "settings"))["data"] == {"x": "1"}
    assert (await kubectl("delete", "configmap", "settings")).startswith('configmap "settings" deleted')
    assert not await kube.exists(CONFIG_MAPS, "settings")


async def test_create_a_namespace(kube: Kube, kubectl: Kubectl) -> None:
    name = f"{kube.namespace}-more"
    assert await kubectl("create", "namespace", name) == f"namespace/{name} created\n"
    await kube.delete(NAMESPACES, name)


async def test_create_job_from_a_cron_job(kube: Kube, kubectl: Kubectl) -> None:
    await kubectl("create", "cronjob", "poll", "--image=worker", "--schedule=0 0 1 1 *", "--", "true")
    await kubectl("create", "job", "poll-now", "--from=cronjob/poll")
    (owner,) = (await kube.get(JOBS, "poll-now"))["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CronJob", "poll", True)


async def test_describe_shows_spec_status_and_events(kube: Kube, kubectl: Kubectl) -> None:
    await kube.create(monitor("a"))
    shown = await kubectl("describe", "monitor", "a")
    assert "Kind:         Monitor" in shown
    assert STREAM in shown
    assert "Events:" in shown


async def test_explain_knows_our_fields(kubectl: Kubectl) -> None:
    shown = await kubectl("explain", "monitor.spec.source")
    assert "youtubeVideoId" in shown


async def test_version_names_the_server(kubectl: Kubectl) -> None:
    version = json.loads(await kubectl("version", "-o", "json"))
    assert version["serverVersion"]["major"] == "1"
