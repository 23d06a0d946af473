# SPDX-License-Identifier: Apache-2.0
"""What the operator knows of the cluster stays true when messages are late, doubled or missing."""

from castwarden_operator.cache import Cache
from castwarden_operator.kinds import JOB, POD, Object, Ref

OWNER = Ref("Monitor", "media-team", "main")
REF = Ref("Pod", "media-team", "monitor-main")


def pod(version: int, *, uid: str = "one", name: str = "monitor-main", owner: str = "main") -> Object:
    labels = {"castwarden.dev/kind": "Monitor", "castwarden.dev/name": owner}
    metadata = {"name": name, "namespace": "media-team", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def versions(cache: Cache) -> list[str]:
    return [child["metadata"]["resourceVersion"] for child in cache.children(OWNER)]


def test_children_are_found_by_their_owner() -> None:
    cache = Cache()
    cache.put(POD, pod(1))
    cache.put(POD, pod(2, name="other", uid="two", owner="other"))
    assert [child["metadata"]["name"] for child in cache.children(OWNER)] == ["monitor-main"]


def test_an_older_version_that_comes_late_is_ignored() -> None:
    cache = Cache()
    cache.put(POD, pod(9))
    cache.put(POD, pod(10))
    cache.put(POD, pod(9))
    assert versions(cache) == ["10"]


def test_the_answer_to_a_write_that_comes_after_the_deletion_does_not_revive_the_object() -> None:
    cache = Cache()
    cache.put(POD, pod(5))
    cache.drop(POD, pod(8))
    cache.put(POD, pod(7))
    assert cache.get(REF) is None
    assert versions(cache) == []


def test_an_object_that_left_the_selector_and_came_back_is_seen_again() -> None:
    cache = Cache()
    cache.put(POD, pod(5))
    cache.drop(POD, pod(8))
    cache.put(POD, pod(9))
    assert versions(cache) == ["9"]


def test_a_late_deletion_does_not_remove_the_object_that_took_the_name() -> None:
    cache = Cache()
    cache.put(POD, pod(5))
    cache.put(POD, pod(9, uid="two"))
    cache.drop(POD, pod(8))
    assert versions(cache) == ["9"]


def test_a_child_that_changes_its_label_changes_its_owner() -> None:
    cache = Cache()
    cache.put(POD, pod(5))
    cache.put(POD, pod(6, owner="other"))
    assert versions(cache) == []
    assert len(cache.children(Ref("Monitor", "media-team", "other"))) == 1


def test_a_full_list_removes_what_a_watch_missed_and_names_the_owners() -> None:
    cache = Cache()
    cache.put(POD, pod(5))
    assert cache.replace(POD, None, [], "9") == {OWNER}
    assert versions(cache) == []


def test_a_full_list_keeps_what_was_made_after_it() -> None:
    cache = Cache()
    cache.put(POD, pod(12))
    assert cache.replace(POD, None, [], "9") == set()
    assert versions(cache) == ["12"]


def test_a_list_of_one_namespace_or_kind_says_nothing_about_others() -> None:
    cache = Cache()
    cache.put(POD, pod(5))
    cache.replace(POD, "elsewhere", [], "9")
    cache.replace(JOB, None, [], "9")
    assert versions(cache) == ["5"]


def test_managed_fields_are_not_kept() -> None:
    cache = Cache()
    seen = pod(5)
    seen["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    cache.put(POD, seen)
    assert "managedFields" not in cache.children(OWNER)[0]["metadata"]
    assert "managedFields" in seen["metadata"]
