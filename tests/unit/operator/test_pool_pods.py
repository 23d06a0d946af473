# SPDX-License-Identifier: Apache-2.0
"""A pool's Pods: made, made again, replaced and deleted."""

from datetime import timedelta

from castwarden_operator.reconcile.attempts import ATTEMPT
from castwarden_operator.reconcile.plan import Apply, Create, Delete
from castwarden_operator.reconcile.pool import shared_pod

from .objects import NOW, container
from .pool_world import A_POOL, FIRST, SECOND, SMALL, THIRD, world


def test_a_shared_pod_names_no_monitor_and_no_owner() -> None:
    pod = shared_pod(A_POOL, 0, SMALL)
    assert pod["metadata"]["name"] == "monitors-default-0"
    assert "ownerReferences" not in pod["metadata"]
    assert pod["metadata"]["labels"]["castwarden.dev/role"] == "monitors"
    assert pod["metadata"]["labels"]["castwarden.dev/pool"] == "default"
    env = {variable["name"]: variable.get("value") for variable in container(pod)["env"]}
    assert (env["CASTWARDEN_POOL"], env["CASTWARDEN_NAMESPACE"]) == ("default", "media-team")
    assert not {"CASTWARDEN_NAME", "CASTWARDEN_UID", "CASTWARDEN_KIND"} & env.keys()
    assert container(pod)["args"] == ["monitors"]
    assert container(pod)["resources"] == SMALL.pool_resources


def test_seats_stay_when_a_failed_pod_is_made_again_under_its_name_at_once() -> None:
    pool = world("a", "b", "c", "d")
    before = pool.seats()
    pool.fail(FIRST)
    plan = pool.plan()
    delete, create = plan.actions
    assert isinstance(delete, Delete)
    assert delete.grace_seconds == 0
    assert isinstance(create, Create)
    assert create.manifest["metadata"]["annotations"][ATTEMPT] == "1"
    pool.settle()
    assert pool.seats() == before


def test_a_pod_that_fails_early_again_is_made_again_later() -> None:
    pool = world("a")
    pool.put(shared_pod(A_POOL, 0, SMALL, attempt=1), {})
    started = (NOW - timedelta(seconds=4)).isoformat()
    pool.pods[FIRST]["status"] = {"phase": "Failed", "startTime": started}
    plan = pool.plan()
    assert plan.actions == ()
    assert plan.again_in == 6


def test_seats_stay_when_a_pod_that_is_gone_is_made_again() -> None:
    pool = world("a", "b")
    before = pool.seats()
    del pool.pods[FIRST]
    (create,) = pool.plan().actions
    assert isinstance(create, Create)
    pool.settle()
    assert pool.seats() == before


def test_a_pod_on_a_dead_node_is_removed_by_force_when_its_time_is_long_over() -> None:
    pool = world("a")
    pool.end(FIRST)
    pool.look()
    assert pool.plan().again_in == 90
    pool.now += timedelta(seconds=91)
    (action,) = pool.plan().actions
    assert isinstance(action, Delete)
    assert action.grace_seconds == 0


def test_a_drained_pod_keeps_its_seats_until_another_is_ready_and_then_goes() -> None:
    pool = world("a", "b")
    pool.drain(FIRST)
    plan = pool.look(starts=False)
    assert [action.manifest["metadata"]["name"] for action in plan.actions if isinstance(action, Create)] == [SECOND]
    assert plan.seats == {}
    assert pool.look(starts=False).actions == ()
    pool.ready(SECOND)
    pool.look()
    assert pool.seats() == {"a": f"{SECOND}/0", "b": f"{SECOND}/1"}
    pool.look()
    assert list(pool.pods) == [SECOND]


def test_a_pod_made_from_what_has_changed_is_replaced_one_at_a_time() -> None:
    pool = world("a", "b", "c", "d")
    pool.settings = SMALL.model_copy(update={"worker_image": "registry.example/worker:2"})
    plan = pool.look(starts=False)
    assert [action.manifest["metadata"]["name"] for action in plan.actions if isinstance(action, Create)] == [THIRD]
    pool.ready(THIRD)
    pool.settle()
    assert FIRST not in pool.pods or container(pool.pods[FIRST])["image"].endswith(":2")
    assert {container(pod)["image"] for pod in pool.pods.values()} == {"registry.example/worker:2"}
    assert len(set(pool.seats().values())) == 4


def test_a_pod_that_was_ready_and_is_so_no_longer_for_a_minute_is_replaced() -> None:
    pool = world("a")
    pool.unready(FIRST, timedelta(seconds=40))
    plan = pool.plan()
    assert plan.actions == ()
    assert plan.again_in == 20
    pool.unready(FIRST, timedelta(seconds=60))
    (create,) = pool.plan().actions
    assert isinstance(create, Create)


def test_an_old_pod_is_replaced_and_its_age_is_spread() -> None:
    pool = world("a", pool_max_age_seconds=1000.0)
    left = pool.plan().again_in
    assert left is not None
    assert 800 <= left <= 1000
    pool.now += timedelta(seconds=left)
    pool.settle()
    assert pool.pods_of(["a"]) == [SECOND]
    assert list(pool.pods) == [SECOND]


def test_an_empty_pod_is_kept_for_a_while_and_deleted_then() -> None:
    pool = world("a", "b", "c", "d")
    pool.unwant("d")
    assert pool.look().actions == ()
    assert pool.plan().again_in == SMALL.pool_empty_seconds
    pool.now += timedelta(seconds=SMALL.pool_empty_seconds)
    (action,) = pool.plan().actions
    assert isinstance(action, Delete)
    assert action.obj["metadata"]["name"] == SECOND


def test_an_empty_pod_that_finds_a_taker_stays() -> None:
    pool = world("a")
    pool.unwant("a")
    pool.look()
    pool.now += timedelta(seconds=SMALL.pool_empty_seconds - 1)
    pool.want("b")
    pool.settle()
    pool.now += timedelta(seconds=SMALL.pool_empty_seconds)
    assert pool.plan().actions == ()


def test_labels_that_were_taken_off_a_shared_pod_are_put_back() -> None:
    pool = world("a")
    del pool.pods[FIRST]["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    (action,) = pool.plan().actions
    assert isinstance(action, Apply)
