# SPDX-License-Identifier: Apache-2.0
"""A migration that older code would not live with waits until no older Pod runs."""

from collections.abc import Sequence
from typing import Any

import pytest
from castwarden_gateway.kube.client import KubernetesUnavailable
from castwarden_gateway.kube.rollout import RolloutUnfinished, others, until_all_run

Pod = dict[str, Any]


def pod(name: str, image: str, phase: str = "Running", **metadata: Any) -> Pod:
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"containers": [{"name": "gateway", "image": image}]},
        "status": {"phase": phase},
    }


class Cluster:
    """Answers one list after the other, the last for ever."""

    def __init__(self, *lists: Sequence[Pod] | Exception) -> None:
        self.lists = list(lists)
        self.asked = 0

    async def __call__(self) -> Sequence[Pod]:
        self.asked += 1
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_pod_that_is_being_deleted_still_runs_and_one_that_ended_does_not() -> None:
    pods = [
        pod("new", "gateway:2"),
        pod("leaving", "gateway:1", deletionTimestamp="2026-11-20T12:00:00Z"),
        pod("evicted", "gateway:1", "Failed"),
        pod("done", "gateway:1", "Succeeded"),
        pod("starting", "gateway:1", "Pending"),
    ]
    assert others(pods, "gateway:2") == ["leaving", "starting"]


async def test_it_returns_once_the_last_older_pod_is_gone() -> None:
    both = [pod("old", "gateway:1"), pod("new", "gateway:2")]
    cluster = Cluster(both, both, [pod("new", "gateway:2")])
    await until_all_run("gateway:2", cluster, patience_seconds=60, pause=0)
    assert cluster.asked == 3


async def test_an_api_server_that_is_away_for_a_moment_is_asked_again() -> None:
    cluster = Cluster(KubernetesUnavailable("restarting"), [pod("new", "gateway:2")])
    await until_all_run("gateway:2", cluster, patience_seconds=60, pause=0)
    assert cluster.asked == 2


async def test_a_rollout_that_does_not_end_is_told_of_with_the_pods_that_remain() -> None:
    cluster = Cluster([pod("old", "gateway:1")])
    with pytest.raises(RolloutUnfinished, match=r"another image than gateway:2 runs: old$"):
        await until_all_run("gateway:2", cluster, patience_seconds=0.05, pause=0)


async def test_an_api_server_that_never_answers_is_told_of_too() -> None:
    with pytest.raises(RolloutUnfinished, match="nobody could be asked"):
        await until_all_run("gateway:2", Cluster(KubernetesUnavailable("away")), patience_seconds=0.05, pause=0)
