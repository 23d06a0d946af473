# SPDX-License-Identifier: Apache-2.0
"""A Pod's status from the states of its containers. Pure; phases, conditions and words are the kubelet's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from castwarden_local.controllers.objects import Object, format_time, parse_time


@dataclass(frozen=True, slots=True)
class Waiting:
    reason: str = "ContainerCreating"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    started: datetime


@dataclass(frozen=True, slots=True)
class Terminated:
    exit_code: int
    reason: str
    started: datetime | None
    finished: datetime
    message: str = ""
    container_id: str = ""


@dataclass(slots=True)
class ContainerState:
    """What is known of one container; its owner changes it, the status is made from it."""

    name: str
    image: str = ""
    state: Waiting | Running | Terminated = Waiting()
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""

    @property
    def over(self) -> Terminated | None:
        """How the latest run ended, also while a next one is being waited for."""
        if isinstance(self.state, Terminated):
            return self.state
        return self.last if isinstance(self.state, Waiting) else None


def phase(policy: str, inits: Sequence[ContainerState], containers: Sequence[ContainerState]) -> str:
    for init in inits:
        if init.over is None or init.over.exit_code != 0:
            failed = isinstance(init.state, Terminated) and init.over is not None and policy == "Never"
            return "Failed" if failed else "Pending"
    if any(container.over is None and not isinstance(container.state, Running) for container in containers):
        return "Pending"
    if policy == "Always" or any(isinstance(container.state, Running) for container in containers):
        return "Running"
    if all(container.over and container.over.exit_code == 0 for container in containers):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def pod_status(
    pod: Object,
    inits: Sequence[ContainerState],
    containers: Sequence[ContainerState],
    *,
    ip: str,
    host_ip: str,
    started: datetime,
    now: datetime,
    verdict: tuple[str, str] | None = None,
) -> Object:
    """`verdict` is a reason and a message that make the Pod Failed whatever its containers say (DeadlineExceeded)."""
    old: Object = pod.get("status") or {}
    current = "Failed" if verdict else phase(pod["spec"].get("restartPolicy", "Always"), inits, containers)
    conditions = _conditions(old, current, inits, containers, now)
    status: dict[str, Any] = {
        "phase": current,
        "conditions": conditions,
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": old.get("startTime") or format_time(started),
        "containerStatuses": [_container_status(container) for container in containers],
        "qosClass": old.get("qosClass") or "BestEffort",
    }
    if inits:
        status["initContainerStatuses"] = [_container_status(init) for init in inits]
    if verdict:
        status["reason"], status["message"] = verdict
    return status


def restore(pod: Object, key: str, spec: Object, now: datetime) -> ContainerState:
    """The state of a container as the last status tells it. One that ran is lost: the process died with its parent."""
    state = ContainerState(spec["name"], spec.get("image", ""))
    given = (pod.get("status") or {}).get(key) or []
    known = next((status for status in given if status["name"] == spec["name"]), None)
    if known is None:
        return state
    state.restarts = known.get("restartCount", 0)
    state.last = _terminated((known.get("lastState") or {}).get("terminated"), now)
    current = known.get("state") or {}
    if "terminated" in current:
        state.state = _terminated(current["terminated"], now) or Waiting()
    elif "running" in current:
        lost = "The process was lost when the Pod runner stopped"
        started = parse_time(current["running"].get("startedAt"))
        state.state = Terminated(255, "Unknown", started, now, lost, known.get("containerID", ""))
    elif state.last is not None:
        state.state = state.last
    return state


def _terminated(given: Object | None, now: datetime) -> Terminated | None:
    if given is None:
        return None
    return Terminated(
        given["exitCode"],
        given.get("reason", ""),
        parse_time(given.get("startedAt")),
        parse_time(given.get("finishedAt")) or now,
        given.get("message", ""),
        given.get("containerID", ""),
    )


def _container_status(container: ContainerState) -> Object:
    status: dict[str, Any] = {
        "name": container.name,
        "state": _state(container.state),
        "lastState": _state(container.last) if container.last else {},
        "ready": container.ready,
        "restartCount": container.restarts,
        "image": container.image,
        "imageID": "",
        "started": container.started,
    }
    return status | ({"containerID": container.container_id} if container.container_id else {})


def _state(state: Waiting | Running | Terminated) -> Object:
    if isinstance(state, Waiting):
        return {"waiting": {"reason": state.reason} | ({"message": state.message} if state.message else {})}
    if isinstance(state, Running):
        return {"running": {"startedAt": format_time(state.started)}}
    end: dict[str, Any] = {
        "exitCode": state.exit_code,
        "reason": state.reason,
        "finishedAt": format_time(state.finished),
    }
    if state.started:
        end["startedAt"] = format_time(state.started)
    if state.message:
        end["message"] = state.message
    if state.container_id:
        end["containerID"] = state.container_id
    return {"terminated": end}


def _conditions(
    old: Object, current: str, inits: Sequence[ContainerState], containers: Sequence[ContainerState], now: datetime
) -> list[Object]:
    unfinished = [init.name for init in inits if not (init.over and init.over.exit_code == 0)]
    unready = [container.name for container in containers if not container.ready]
    initialized = ("True", "", "")
    if current == "Succeeded":
        initialized, ready = ("True", "PodCompleted", ""), ("False", "PodCompleted", "")
    elif unfinished:
        initialized = (
            "False",
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(unfinished)}]",
        )
    if current == "Failed":
        ready = ("False", "PodFailed", "")
    elif unready and current != "Succeeded":
        ready = ("False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    elif current != "Succeeded":
        ready = ("True", "", "")
    wanted = {
        "PodReadyToStartContainers": ("False" if current in ("Succeeded", "Failed") else "True", "", ""),
        "Initialized": initialized,
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": ("True", "", ""),
    }
    return [_condition(old, kind, *values, now) for kind, values in wanted.items()]


def _condition(old: Object, kind: str, value: str, reason: str, message: str, now: datetime) -> Object:
    """The time of the last transition stays as long as the value does."""
    known = next((c for c in old.get("conditions") or [] if c["type"] == kind and c["status"] == value), None)
    since = known.get("lastTransitionTime") if known else None
    made = {"type": kind, "status": value, "lastProbeTime": None, "lastTransitionTime": since or format_time(now)}
    return made | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})
