# SPDX-License-Identifier: Apache-2.0
"""The life of a release on a real node: install, alerts by webhook, an upgrade under an open one, uninstall, and back.

The tests are chapters of one story and run in their order; each begins where the one before ended.
"""

import pytest
from castwarden_base.waiting import wait_until

from tests.cluster.clients import Object, call, get, kubectl, run
from tests.cluster.release import CHANNEL_ID, CHECKS, NAMESPACE, ORIGIN, RELEASE, STREAM, Release, apply, monitor

_COMPONENT = "app.kubernetes.io/component"


@pytest.fixture(scope="module", name="release")
def _release() -> Release:
    return Release()


async def test_an_install_into_a_restricted_namespace_gets_ready(release: Release) -> None:
    await release.prepare()
    told = await release.helm("install", "e2e")
    assert "port-forward" in told
    for name in ("gateway", "operator"):
        (deployment,) = await get("deployments", NAMESPACE, f"{_COMPONENT}={name}")
        assert deployment["status"]["readyReplicas"] == 2
    assert (await release.leader()).startswith("castwarden-operator-")
    assert (await release.rest("GET", "/monitors")) == []


async def test_a_monitor_by_kubectl_and_one_by_rest_run_and_are_ready(release: Release) -> None:
    endpoint = await release.rest(
        "POST",
        "/webhooks/endpoints",
        {"url": "http://receiver.tools.svc:8080/hook", "events": ["*"]},
    )
    await call("tools", "receiver", 8080, "PUT", "/secret", data=endpoint["secret"])
    await apply(monitor("by-kubectl"))
    made = await release.rest("POST", "/monitors", {"stream_url": f"{STREAM}?by=rest", "checks": CHECKS})
    release.monitors = ["by-kubectl", made["monitor_id"]]
    wanted = [f"monitor/{name}" for name in release.monitors]
    await kubectl("wait", "--namespace", NAMESPACE, "--for=condition=Ready", *wanted, "--timeout=120s")
    await release.await_webhooks("stream.started", release.monitors)
    assert {pod["spec"]["serviceAccountName"] for pod in await release.watching()} == {"castwarden-worker"}


async def test_a_fault_and_its_end_are_told_by_signed_webhook(release: Release) -> None:
    await release.picture("black")
    await release.await_webhooks("alert.blackout", release.monitors)
    await release.picture("motion")
    await release.await_webhooks("alert.blackout_recovered", release.monitors)


async def test_a_channel_is_polled_and_a_file_is_downloaded_with_its_title_in_it(release: Release) -> None:
    feed = f"{ORIGIN}/channel/feeds/videos.xml?channel_id={CHANNEL_ID}"
    channel = (await release.rest("POST", "/channels", {"feed_url": feed}))["id"]
    download = (await release.rest("POST", "/downloads", {"url": f"{ORIGIN}/files/media/clip.mp4"}))["id"]
    await release.await_webhooks("video.created", [channel])
    await release.await_webhooks("download.completed", [download])
    done = (f"channel/{channel}=Ready", f"downloadjob/{download}=Complete")
    for what, condition in (each.split("=") for each in done):
        await kubectl("wait", "--namespace", NAMESPACE, f"--for=condition={condition}", what, "--timeout=60s")
    await release.keep_logs()
    logs = {name: text for name, text in release.logs.items() if name.startswith(f"download-{download}")}
    assert logs
    assert not any("metadata_not_embedded" in text for text in logs.values())


async def test_an_upgrade_under_an_open_alert_neither_repeats_nor_loses_it(release: Release) -> None:
    await release.picture("black")
    await release.await_webhooks("alert.blackout", release.monitors, count=2)
    await release.keep_logs()
    key = release.key
    await release.helm("upgrade", "e2e-next")
    assert release.key == key

    async def rolled() -> bool:
        pods = await release.watching()
        return len(pods) == 2 and all(
            pod["spec"]["containers"][0]["image"].endswith(":e2e-next")
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
            for pod in pods
        )

    await wait_until(rolled, timeout=240, interval=1.0)
    await release.picture("motion")
    await release.await_webhooks("alert.blackout_recovered", release.monitors, count=2)
    for name in release.monitors:
        assert len(await release.received("alert.blackout", name)) == 2
        assert len(await release.received("alert.blackout_recovered", name)) == 2


async def test_an_upgrade_that_does_not_concern_workers_leaves_them_alone(release: Release) -> None:
    def of(pods: list[Object]) -> dict[str, tuple[str, int]]:
        return {
            pod["metadata"]["name"]: (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
            for pod in pods
        }

    before = of(await release.watching())
    await release.keep_logs()
    more: Object = {
        "gateway": {"env": {"RATE_LIMIT": "1000"}},
        "operator": {"podAnnotations": {"example.com/rolled": "yes"}},
    }
    await release.helm("upgrade", "e2e-next", **more)
    await kubectl("wait", "--namespace", NAMESPACE, "--for=condition=Ready", "monitors", "--all", "--timeout=60s")
    assert of(await release.watching()) == before


async def test_nothing_lacked_a_right_or_a_place_to_write(release: Release) -> None:
    await release.keep_logs()  # before the API server is killed, which knows no roles for a moment after its start
    for sign in ("forbidden", "missing a right", "Permission denied", "Read-only file system"):
        assert {name: text for name, text in release.logs.items() if sign in text} == {}


@pytest.mark.parametrize("component", ["kubelet", "kube-apiserver"])
async def test_alerts_come_after_a_part_of_kubernetes_was_killed(release: Release, component: str) -> None:
    told = len(await release.received("alert.blackout", release.monitors[0]))
    await release.restart(component)
    await release.picture("black")
    await release.await_webhooks("alert.blackout", release.monitors, count=told + 1)
    await release.picture("motion")
    await release.await_webhooks("alert.blackout_recovered", release.monitors, count=told + 1)
    await kubectl("wait", "--namespace", NAMESPACE, "--for=condition=Ready", "monitors", "--all", "--timeout=60s")


async def test_whoever_of_the_operators_works_is_replaced_by_the_other_within_seconds(release: Release) -> None:
    leader = await release.leader()
    await kubectl("delete", "pod", leader, "--namespace", NAMESPACE, "--grace-period=0", "--force")

    async def taken_over() -> bool:
        return await release.leader() not in ("", leader)

    await wait_until(taken_over, timeout=20, interval=0.5)
    await apply(monitor("under-the-new-leader"))
    await kubectl(
        *("wait", "--namespace", NAMESPACE, "--for=condition=Ready", "monitor/under-the-new-leader", "--timeout=60s")
    )
    await kubectl("delete", "--namespace", NAMESPACE, "monitor/under-the-new-leader", "--timeout=60s")


async def test_a_rollback_brings_the_version_before_back_and_monitors_go_on(release: Release) -> None:
    await release.keep_logs()
    await run("helm", "rollback", RELEASE, "1", "--namespace", NAMESPACE, "--wait", "--timeout", "5m", timeout=360)
    (deployment,) = await get("deployments", NAMESPACE, f"{_COMPONENT}=gateway")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":e2e")
    told = len(await release.received("alert.blackout", release.monitors[0]))
    await release.picture("black")
    await release.await_webhooks("alert.blackout", release.monitors, count=told + 1)
    await release.picture("motion")
    await release.await_webhooks("alert.blackout_recovered", release.monitors, count=told + 1)


async def test_deleting_cleans_up_everything(release: Release) -> None:
    await release.keep_logs()
    await kubectl("delete", "--namespace", NAMESPACE, f"monitor/{release.monitors[0]}", "--timeout=60s")
    await release.rest("DELETE", f"/monitors/{release.monitors[1]}")
    assert len(await release.children()) > 2
    await kubectl("delete", "--namespace", NAMESPACE, "channels,downloadjobs", "--all", "--timeout=60s")

    async def gone() -> bool:
        return not await release.children()

    await wait_until(gone, timeout=90, interval=1.0)


async def test_an_uninstall_leaves_definitions_and_data_and_another_install_finds_them(release: Release) -> None:
    key = release.key
    await apply(monitor("that-stays"))
    await release.await_webhooks("stream.started", ["that-stays"])
    await release.keep_logs()
    await run("helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", timeout=240)
    assert [each["metadata"]["name"] for each in await get("monitors", NAMESPACE)] == ["that-stays"]
    assert len(await get("persistentvolumeclaims", NAMESPACE)) == 2
    await release.helm("install", "e2e-next")
    assert release.key == key
    events = await release.rest("GET", "/events?limit=100")
    assert {"alert.blackout", "alert.blackout_recovered"} <= {event["type"] for event in events}


async def test_a_release_of_the_whole_cluster_with_a_database_of_its_own_takes_over(release: Release) -> None:
    await release.keep_logs()
    await run("helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", timeout=240)
    url = "postgresql://castwarden:forTestsOnly@database.tools.svc/castwarden"
    await kubectl("create", "secret", "generic", "mine", "--namespace", "ops", f"--from-literal=url={url}")
    more: Object = {
        "crds": {"enabled": False},
        "downloads": {"enabled": False},
        "rbac": {"clusterWide": True},
        "postgresql": {"existingSecret": {"name": "mine"}},
    }
    await release.helm("install", "e2e", "ops", **more)
    assert await get("statefulsets", "ops") == []

    async def by_us() -> bool:
        pods = await release.watching()
        return [pod["spec"]["serviceAccountName"] for pod in pods] == ["default"]

    await wait_until(by_us, timeout=60, interval=1.0)
    await kubectl("wait", "--namespace", NAMESPACE, "--for=condition=Ready", "pod/monitor-that-stays", "--timeout=120s")
    await release.keep_logs("ops")


async def test_nothing_that_ran_logged_a_traceback(release: Release) -> None:
    await release.keep_logs()
    assert any("gateway" in name for name in release.logs)
    assert any(name.startswith("monitor-") for name in release.logs)
    assert {name: text for name, text in release.logs.items() if "Traceback" in text} == {}
