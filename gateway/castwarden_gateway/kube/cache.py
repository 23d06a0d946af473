# SPDX-License-Identifier: Apache-2.0
"""What the Kubernetes API holds, as last seen. Pure bookkeeping: `watcher.py` feeds it, everything that reads uses it.

A write's answer is put in as well, so that whoever wrote reads it back; older watch events then change nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str]  # namespace, name
Listener = Callable[[Object | None, Object | None], None]
"""Called with (before, after) for every change; one of them is None for an addition or a removal."""


class Cache:
    """All objects of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._objects: dict[Key, Object] = {}
        self._names: dict[str, dict[str, Object]] = {}  # namespace -> name -> object
        self._deleted: set[str] = set()  # uids that we deleted and whose deletion the watch has not told yet
        self._waiting: dict[Key, set[asyncio.Future[None]]] = {}
        self._listeners: list[Listener] = []

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def in_namespace(self, namespace: str) -> Iterable[Object]:
        return list(self._names.get(namespace, {}).values())

    def subscribe(self, listener: Listener) -> None:
        """`listener` runs at once for what is here, then on every change. It must not block or raise."""
        self._listeners.append(listener)
        for found in self:
            listener(None, found)

    async def changed(self, namespace: str, name: str, seconds: float) -> bool:
        """Waits for the next change of one object; False when none came in time."""
        key = (namespace, name)
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(key, set())
        waiting.add(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(key) is waiting:
                del self._waiting[key]
        return True

    def wake_all(self) -> None:
        """Ends every wait, as if everything had changed."""
        for key in list(self._waiting):
            self._wake(key)

    def put(self, found: Object) -> None:
        """Takes an object in unless a newer version is known."""
        meta = found["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        before = self._objects.get(key)
        if meta["uid"] in self._deleted or (before is not None and version(before) >= version(found)):
            return
        meta.pop("managedFields", None)
        self._objects[key] = found
        self._names.setdefault(key[0], {})[key[1]] = found
        self._tell(key, before, found)

    def remove(self, found: Object) -> None:
        """The watch told of a deletion. An object made anew under the same name stays."""
        self._deleted.discard(found["metadata"]["uid"])
        self._remove(found)

    def deleted_by_us(self, found: Object) -> None:
        """Takes an object out before the watch tells; events from before the deletion do not bring it back."""
        self._deleted.add(found["metadata"]["uid"])
        self._remove(found)

    def replace(self, found: Iterable[Object], listed_at: int, namespace: str | None) -> None:
        """Takes a complete list (of one namespace, or of all) as the truth, except for what was written since."""
        listed = {(item["metadata"].get("namespace", ""), item["metadata"]["name"]): item for item in found}
        for key, known in list(self._objects.items()):
            if namespace in (None, key[0]) and key not in listed and version(known) <= listed_at:
                self._drop(key)
        self._deleted &= {item["metadata"]["uid"] for item in listed.values()}
        for item in listed.values():
            self.put(item)

    def _remove(self, found: Object) -> None:
        meta = found["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        before = self._objects.get(key)
        if before is not None and before["metadata"]["uid"] == meta["uid"]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        before = self._objects.pop(key)
        names = self._names[key[0]]
        del names[key[1]]
        if not names:
            del self._names[key[0]]
        self._tell(key, before, None)

    def _tell(self, key: Key, before: Object | None, after: Object | None) -> None:
        self._wake(key)
        for listener in self._listeners:
            listener(before, after)

    def _wake(self, key: Key) -> None:
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(None)


def version(found: Object) -> int:
    """Resource versions are comparable integers (Kubernetes KEP-5504)."""
    return int(found["metadata"].get("resourceVersion") or 0)
