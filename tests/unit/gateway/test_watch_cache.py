# SPDX-License-Identifier: Apache-2.0
import asyncio
from typing import Any

import pytest
from castwarden_gateway.kube.cache import Cache, Object


def obj(name: str, version: int, uid: str = "", **fields: Any) -> Object:
    meta = {"name": name, "namespace": "default", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": meta, **fields}


def version_of(cache: Cache, name: str) -> int:
    found = cache.get("default", name)
    return int(found["metadata"]["resourceVersion"]) if found else 0


def test_what_was_written_here_is_not_undone_by_older_news() -> None:
    cache = Cache("Monitor")
    cache.put(obj("a", 5))
    cache.put(obj("a", 4))
    assert version_of(cache, "a") == 5


def test_what_was_deleted_here_does_not_come_back_until_the_watch_has_told_of_it() -> None:
    cache = Cache("Monitor")
    cache.put(obj("a", 5))
    cache.deleted_by_us(obj("a", 5))
    cache.put(obj("a", 6))
    assert cache.get("default", "a") is None
    cache.remove(obj("a", 7))
    cache.put(obj("a", 8, uid="another"))
    assert version_of(cache, "a") == 8


def test_the_end_of_an_old_object_leaves_the_new_one_of_its_name() -> None:
    cache = Cache("Monitor")
    cache.put(obj("a", 5, uid="new"))
    cache.remove(obj("a", 6, uid="old"))
    assert version_of(cache, "a") == 5


def test_a_list_removes_what_it_lacks_except_what_was_written_since() -> None:
    cache = Cache("Monitor")
    cache.put(obj("gone", 3))
    cache.put(obj("kept", 3))
    cache.put(obj("written", 12))
    cache.replace([obj("kept", 9)], listed_at=10, namespace=None)
    assert sorted(found["metadata"]["name"] for found in cache) == ["kept", "written"]
    assert version_of(cache, "kept") == 9


def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    cache = Cache("Monitor")
    cache.put(obj("a", 3))
    cache.replace([], listed_at=10, namespace="elsewhere")
    assert version_of(cache, "a") == 3


def test_a_list_made_before_a_deletion_of_ours_does_not_bring_the_object_back() -> None:
    cache = Cache("Monitor")
    cache.put(obj("a", 3))
    cache.deleted_by_us(obj("a", 3))
    cache.replace([obj("a", 3)], listed_at=5, namespace=None)
    assert cache.get("default", "a") is None


def test_listeners_hear_of_every_change_and_of_what_was_there_before_them() -> None:
    cache, heard = Cache("Monitor"), []
    cache.put(obj("a", 1))
    cache.subscribe(lambda before, after: heard.append((bool(before), bool(after))))
    cache.put(obj("a", 2))
    cache.put(obj("a", 2))
    cache.remove(obj("a", 3))
    assert heard == [(False, True), (True, True), (True, False)]


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_wait_ends_with_the_next_change_of_its_object_alone() -> None:
    cache = Cache("Monitor")
    waits = [asyncio.create_task(cache.changed("default", name, 10)) for name in ("a", "a", "b")]
    await asyncio.sleep(1)
    cache.put(obj("a", 1))
    await asyncio.sleep(1)
    assert [wait.done() for wait in waits] == [True, True, False]
    assert await asyncio.gather(*waits) == [True, True, False]
    assert asyncio.get_running_loop().time() == 10
