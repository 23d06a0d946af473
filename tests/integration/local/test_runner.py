# SPDX-License-Identifier: Apache-2.0
"""Pods as real processes: run, restarted, probed, ended, and found again after a restart of the runner."""

import json
import os
import signal
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from castwarden_base.waiting import wait_until
from castwarden_local.controllers.objects import Object
from castwarden_local.runner import container as containers
from castwarden_local.standin.errors import BadRequest
from castwarden_local.standin.interface import CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, PODS, SECRETS

from tests.integration.local.conftest import NAMESPACE, TIMEOUT, Machine, container_of, pod_spec

SERVER = "import http.server,os;http.server.HTTPServer((os.environ['IP'],8082),http.server.SimpleHTTPRequestHandler)"
IP = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_pod_runs_its_command_and_succeeds(machine: Machine) -> None:
    await machine.run("hello", "echo hello; echo world >&2")
    pod = await machine.phase("hello", "Succeeded")
    ended = container_of(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert pod["spec"]["nodeName"] == "local"
    assert await machine.logs("hello") == ["hello", "world"]


async def test_a_pod_whose_command_fails_is_failed_with_its_exit_code(machine: Machine) -> None:
    await machine.run("bad", "exit 3")
    pod = await machine.phase("bad", "Failed")
    ended = container_of(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")


async def test_a_killed_process_is_started_again_at_once(machine: Machine) -> None:
    await machine.run("server", "echo run; exec sleep 1000", policy="Always")
    await machine.until(PODS, "server", lambda pod: container_of(pod).get("ready"))
    os.kill(machine.pid("server"), signal.SIGKILL)
    pod = await machine.until(
        PODS, "server", lambda pod: container_of(pod)["restartCount"] == 1 and container_of(pod)["ready"]
    )
    assert container_of(pod)["lastState"]["terminated"]["exitCode"] == 137
    assert await machine.logs("server", previous=True) == ["run"]


async def test_a_container_that_keeps_crashing_waits_in_crash_loop_back_off(machine: Machine) -> None:
    await machine.run("crashing", "exit 1", policy="Always")
    pod = await machine.until(
        PODS,
        "crashing",
        lambda pod: container_of(pod).get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff",
    )
    assert pod["status"]["phase"] == "Running"
    assert container_of(pod)["restartCount"] == 1
    assert container_of(pod)["lastState"]["terminated"]["exitCode"] == 1


async def test_on_failure_restarts_failures_only(machine: Machine) -> None:
    await machine.run("second-try", 'test -e "$HOME/tried" || { touch "$HOME/tried"; exit 1; }', policy="OnFailure")
    pod = await machine.phase("second-try", "Succeeded")
    assert container_of(pod)["restartCount"] == 1


async def test_a_process_knows_its_pod_and_nothing_of_the_runners_environment(machine: Machine) -> None:
    os.environ["LEAK"] = "yes"
    try:
        env = [IP, {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
        await machine.run("env", "env", env=[*env, {"name": "URL", "value": "http://$(IP):1"}])
        pod = await machine.phase("env", "Succeeded")
    finally:
        del os.environ["LEAK"]
    found = dict(line.split("=", 1) for line in await machine.logs("env"))
    assert (found["NAME"], found["IP"], found["URL"]) == (
        *("env", pod["status"]["podIP"], f"http://{pod['status']['podIP']}:1"),
    )
    assert pod["status"]["podIP"].startswith("127.")
    assert found["HOME"] == found["TMPDIR"]
    assert "LEAK" not in found


async def test_volumes_are_directories_that_mount_paths_are_rewritten_to(machine: Machine) -> None:
    await machine.create(SECRETS, "keys", data={"key": b64encode(b"secret").decode()})
    await machine.create(CONFIG_MAPS, "settings", data={"a": "1"})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await machine.create(PERSISTENT_VOLUME_CLAIMS, "films", spec=claim)
    token = {"audience": "castwarden-gateway", "expirationSeconds": 3600, "path": "token"}
    volumes: dict[str, Object] = {
        "state": {"emptyDir": {}},
        "films": {"persistentVolumeClaim": {"claimName": "films"}},
        "keys": {"secret": {"secretName": "keys"}},
        "settings": {"configMap": {"name": "settings"}},
        "token": {"projected": {"sources": [{"serviceAccountToken": token}]}},
    }
    await machine.run(
        "mounts",
        'set -e; cat "$KEYS/key" "$SETTINGS/a"; echo; wc -c < "$TOKEN"; echo film > "$FILMS/x"; echo > "$STATE/x"',
        env=[
            {"name": "KEYS", "value": "/etc/keys"},
            {"name": "SETTINGS", "value": "/etc/settings"},
            {"name": "FILMS", "value": "/films"},
            {"name": "STATE", "value": "/var/lib/state"},
            {"name": "TOKEN", "value": "/var/run/token/token"},
        ],
        volumes=[{"name": name, **source} for name, source in volumes.items()],
        volumeMounts=[
            {"name": "keys", "mountPath": "/etc/keys"},
            {"name": "settings", "mountPath": "/etc/settings"},
            {"name": "films", "mountPath": "/films"},
            {"name": "state", "mountPath": "/var/lib/state"},
            {"name": "token", "mountPath": "/var/run/token"},
        ],
    )
    await machine.phase("mounts", "Succeeded")
    lines = await machine.logs("mounts")
    assert lines[0] == "secret1"
    assert int(lines[1]) > 100
    assert (machine.data / "volumes" / NAMESPACE / "films" / "x").read_text("utf-8") == "film\n"
    bound = await machine.get(PERSISTENT_VOLUME_CLAIMS, "films")
    assert bound is not None
    assert bound["status"]["phase"] == "Bound"


async def test_a_pod_waits_for_a_volume_that_is_not_there_yet(machine: Machine) -> None:
    volume = {"name": "keys", "secret": {"secretName": "keys"}}
    await machine.run("patient", "true", volumes=[volume])
    pod = await machine.until(
        PODS,
        "patient",
        lambda pod: "not found" in container_of(pod).get("state", {}).get("waiting", {}).get("message", ""),
    )
    assert pod["status"]["phase"] == "Pending"
    await machine.create(SECRETS, "keys", data={})
    await machine.phase("patient", "Succeeded")


@pytest.mark.parametrize(
    ("container", "reason", "message"),
    [
        ({"command": None}, "CreateContainerError", "no command specified, and images are not used here"),
        ({"command": ["nowhere"]}, "CreateContainerError", 'exec: "nowhere": executable file not found'),
        (
            {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}]},
            *("CreateContainerConfigError", 'secret "none" not found'),
        ),
    ],
)
async def test_a_container_that_cannot_be_made_says_why(
    machine: Machine, container: dict[str, Any], reason: str, message: str
) -> None:
    spec = pod_spec("true", **container)
    if container.get("command", "") is None:
        del spec["containers"][0]["command"]
    await machine.create(PODS, "odd", spec=spec)
    pod = await machine.until(
        PODS, "odd", lambda pod: "message" in container_of(pod).get("state", {}).get("waiting", {})
    )
    waiting = container_of(pod)["state"]["waiting"]
    assert waiting["reason"] == reason
    assert waiting["message"].startswith(message)
    assert pod["status"]["phase"] == "Pending"


async def test_a_container_that_could_not_be_made_is_tried_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "RETRY_SECONDS", 0.1)
    await machine.run(
        "late", 'echo "$K"', env=[{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    )
    await machine.until(PODS, "late", lambda pod: "waiting" in container_of(pod).get("state", {}))
    await machine.create(SECRETS, "s", data={"k": b64encode(b"v").decode()})
    await machine.phase("late", "Succeeded")
    assert await machine.logs("late") == ["v"]


async def test_init_containers_come_first_one_after_the_other(machine: Machine) -> None:
    step = {"image": "none", "command": ["/bin/sh", "-c"]}
    inits = [
        {"name": "one", **step, "args": ['echo 1 >> "$HOME/steps"']},
        {"name": "two", **step, "args": ['echo 2 >> "$HOME/steps"']},
    ]
    await machine.run("steps", 'cat "$HOME/steps"', initContainers=inits)
    pod = await machine.phase("steps", "Succeeded")
    assert await machine.logs("steps") == ["1", "2"]
    assert [init["state"]["terminated"]["exitCode"] for init in pod["status"]["initContainerStatuses"]] == [0, 0]


async def test_two_pods_serve_the_same_port_and_become_ready(machine: Machine) -> None:
    probe = {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1}
    for name in ("one", "two"):
        await machine.run(
            name,
            "",
            policy="Always",
            command=["python3", "-c", f"{SERVER}.serve_forever()"],
            ports=[{"name": "web", "containerPort": 8082}],
            env=[IP],
            readinessProbe=probe,
        )
    addresses = set()
    for name in ("one", "two"):
        pod = await machine.until(PODS, name, lambda pod: container_of(pod).get("ready"))
        ready = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
        assert ready["Ready"] == ready["ContainersReady"] == "True"
        addresses.add(pod["status"]["podIP"])
    assert len(addresses) == 2


async def test_a_container_that_fails_its_liveness_probe_is_started_again(machine: Machine) -> None:
    probe = {
        "exec": {"command": ["/bin/sh", "-c", 'test ! -e "$HOME/sick"']},
        "periodSeconds": 1,
        "failureThreshold": 1,
    }
    script = 'rm -f "$HOME/sick"; exec sleep 1000'
    await machine.run("sickly", script, policy="Always", livenessProbe=probe)
    pod = await machine.until(PODS, "sickly", lambda pod: container_of(pod).get("ready"))
    (machine.data / "pods" / pod["metadata"]["uid"] / "sick").touch()
    await machine.until(PODS, "sickly", lambda pod: container_of(pod)["restartCount"] == 1)


async def test_a_deleted_pod_is_asked_to_end_and_then_removed_with_its_files(machine: Machine) -> None:
    await machine.run("polite", "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done")
    pod = await machine.phase("polite", "Running")
    pid = machine.pid("polite")
    await wait_until(lambda: machine.logs("polite"), TIMEOUT)
    await machine.standin.api.delete(PODS, "polite", NAMESPACE)
    await machine.gone(PODS, "polite")
    assert not alive(pid)
    await wait_until(lambda: not (machine.data / "pods" / pod["metadata"]["uid"]).exists(), TIMEOUT)
    await wait_until(lambda: not list((machine.data / "logs" / "pods").iterdir()), TIMEOUT)


async def test_a_deleted_pod_that_does_not_end_is_killed_after_its_grace_period(machine: Machine) -> None:
    script = "trap '' TERM; echo up; while :; do sleep 0.1; done"
    await machine.run("stubborn", script, terminationGracePeriodSeconds=1)
    await machine.phase("stubborn", "Running")
    pid = machine.pid("stubborn")
    await wait_until(lambda: machine.logs("stubborn"), TIMEOUT)
    await machine.standin.api.delete(PODS, "stubborn", NAMESPACE)
    await machine.gone(PODS, "stubborn")
    assert not alive(pid)


async def test_a_pod_past_its_deadline_fails(machine: Machine) -> None:
    await machine.run("slow", "exec sleep 1000", activeDeadlineSeconds=1)
    pod = await machine.phase("slow", "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"


async def test_after_a_restart_of_the_runner_pods_run_again_as_their_policy_says(machine: Machine) -> None:
    for policy in ("Always", "Never"):
        await machine.run(policy.lower(), "exec sleep 1000", policy=policy)
        await machine.phase(policy.lower(), "Running")
    pids = [machine.pid("always"), machine.pid("never")]
    await machine.run("deleted", "exec sleep 1000")
    deleted = await machine.phase("deleted", "Running")
    await machine.stop()
    assert not any(alive(pid) for pid in pids)
    await machine.standin.api.delete(PODS, "deleted", NAMESPACE)
    machine.start()
    again = await machine.until(
        PODS, "always", lambda pod: container_of(pod)["restartCount"] == 1 and container_of(pod)["ready"]
    )
    assert container_of(again)["lastState"]["terminated"]["exitCode"] == 255
    failed = await machine.phase("never", "Failed")
    assert container_of(failed)["restartCount"] == 0
    await machine.gone(PODS, "deleted")
    assert not (machine.data / "pods" / deleted["metadata"]["uid"]).exists()


async def test_logs_are_followed_until_the_container_ends(machine: Machine) -> None:
    await machine.run("talker", 'echo one; until test -e "$HOME/go"; do sleep 0.05; done; echo two')
    pod = await machine.phase("talker", "Running")
    (machine.data / "pods" / pod["metadata"]["uid"] / "go").touch()
    assert await machine.logs("talker", follow=True) == ["one", "two"]


async def test_logs_that_do_not_exist_are_refused_with_a_reason(machine: Machine) -> None:
    await machine.run("quiet", "exec sleep 1000")
    await machine.phase("quiet", "Running")
    with pytest.raises(BadRequest, match="previous terminated container"):
        await machine.logs("quiet", previous=True)
    with pytest.raises(BadRequest, match="container none is not valid for pod quiet"):
        await machine.logs("quiet", container="none")


async def test_a_pod_of_another_node_is_left_alone(machine: Machine) -> None:
    await machine.create(PODS, "elsewhere", spec=pod_spec("true") | {"nodeName": "other"})
    await machine.run("here", "true")
    await machine.phase("here", "Succeeded")
    pod = await machine.get(PODS, "elsewhere")
    assert pod is not None
    assert json.dumps(pod["status"].get("containerStatuses")) == "null"
