# SPDX-License-Identifier: Apache-2.0
"""Objects and their history: written to PostgreSQL first, then visible to readers and watchers, in revision order.

One process owns the database, so memory always equals what is committed and reads never wait. Writers see staged
changes at once (`latest`), readers only committed ones; everything staged together is committed in one round trip.
While PostgreSQL is away, staged changes wait and are tried again. This file knows nothing of Kubernetes' rules.
"""

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from castwarden_local.standin.errors import Expired
from castwarden_local.standin.json_values import dump, load
from castwarden_local.standin.storage.database import Database
from castwarden_local.standin.storage.records import Change, ChangeType, Fields, Key, Record

HISTORY_LIMIT = 10_000
SelectableFields = Callable[[str, dict[str, Any]], Fields]


class Store:
    """`await open()`, `run()` as a task, then `stage` to write, the rest to read."""

    def __init__(self, database: Database, fields: SelectableFields, history_limit: int = HISTORY_LIMIT) -> None:
        self.revision = 1
        self.compacted = 1
        self._database = database
        self._fields = fields
        self._history_limit = history_limit
        self._objects: defaultdict[str, dict[tuple[str, str], Record]] = defaultdict(dict)
        self._history: defaultdict[str, list[Change]] = defaultdict(list)
        self._remembered = 0
        self._uids: dict[str, Key] = {}
        self._observers: list[Callable[[Change], None]] = []
        self._owned: defaultdict[str, set[Key]] = defaultdict(set)
        self._staged: dict[Key, Change] = {}
        self._queue: list[tuple[Change, asyncio.Future[Record]]] = []
        self._staged_revision = self._opened = 1
        self._work = asyncio.Event()
        self._news = asyncio.Event()

    # reading

    def get(self, key: Key) -> Record | None:
        """The committed state."""
        return self._objects[key.resource].get((key.namespace, key.name))

    def latest(self, key: Key) -> Record | None:
        """The state that a write starts from: staged if there is one, else committed."""
        change = self._staged.get(key)
        if change is None:
            return self.get(key)
        return None if change.type == "DELETED" else change.record

    def records(self, resource: str, namespace: str = "") -> list[Record]:
        """Committed objects ordered by namespace and name."""
        found = self._objects[resource]
        if namespace:
            return [record for (where, _), record in sorted(found.items()) if where == namespace]
        return [record for _, record in sorted(found.items())]

    def key_of(self, uid: str) -> Key | None:
        """Where the committed object with this uid is."""
        return self._uids.get(uid)

    def observe(self, observer: Callable[[Change], None]) -> None:
        """Calls `observer` for every change as it becomes visible, before its writer hears of it. It must not raise."""
        self._observers.append(observer)

    def dependents(self, uid: str) -> Iterable[Record]:
        """Committed objects that name `uid` among their owners."""
        return [record for key in sorted(self._owned[uid]) if (record := self.get(key))] if uid in self._owned else []

    def namespaced(self, namespace: str) -> Iterable[Record]:
        """Everything committed in one namespace."""
        for found in self._objects.values():
            yield from (record for (where, _), record in list(found.items()) if where == namespace)

    def changes(self, resource: str, after: int) -> list[Change]:
        """Committed changes of one resource, oldest first. Raises Expired when history does not reach back."""
        if after < self.compacted:
            raise Expired(f"too old resource version: {after} ({self.compacted})")
        history = self._history[resource]
        return history[bisect_right(history, after, key=lambda change: change.revision) :]

    def check_rebuildable(self, revision: int) -> None:
        """Raises Expired for revisions before this process began: their changes no longer know what they replaced."""
        if revision < self._opened:
            raise Expired(f"too old resource version: {revision} ({self._opened})")

    async def news(self) -> None:
        """Returns when something has been committed since the call."""
        await self._news.wait()

    # writing

    def stage(self, key: Key, obj: dict[str, Any] | None) -> "asyncio.Future[Record]":
        """Accepts a new state (or the deletion, None) of one object; the future is done once it is committed.

        Gives the object its resourceVersion. Must be called without awaiting since `latest`.
        """
        previous = self.latest(key)
        self._staged_revision += 1
        kind: ChangeType = "ADDED" if previous is None else "MODIFIED"
        if obj is None:
            assert previous is not None  # noqa: S101 - callers looked
            kind, obj = "DELETED", previous.load()
        obj["metadata"]["resourceVersion"] = str(self._staged_revision)
        change = Change(kind, self._record(key, obj, dump(obj)), previous)
        self._staged[key] = change
        done: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._queue.append((change, done))
        self._work.set()
        return done

    async def open(self) -> None:
        """Takes the database and reads everything. Raises `database.Taken` when another process has it."""
        self.revision, self.compacted = await self._database.open()
        self._staged_revision = self._opened = self.revision
        for resource, namespace, name, _, body in await self._database.objects():
            self._put(self._load(Key(resource, namespace, name), body))
        last: dict[Key, Record] = {}
        for _, resource, namespace, name, kind, body in await self._database.history():
            record = self._load(Key(resource, namespace, name), body)
            self._remember(Change(kind, record, last.get(record.key)))
            last[record.key] = record

    async def run(self) -> None:
        """Commits what is staged, for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            batch, self._queue = self._queue, []
            changes = [change for change, _ in batch]
            await self._database.commit(changes)
            for change, done in batch:
                self._publish(change)
                if not done.done():
                    done.set_result(change.record)
            self._news.set()
            self._news = asyncio.Event()
            await self._compact()

    # the two memories

    def _publish(self, change: Change) -> None:
        key = change.record.key
        if change.type == "DELETED":
            self._drop(key)
        else:
            self._put(change.record)
        if self._staged.get(key) is change:
            del self._staged[key]
        self._remember(change)
        self.revision = change.revision
        for observer in self._observers:
            observer(change)

    def _put(self, record: Record) -> None:
        self._drop(record.key)
        self._objects[record.key.resource][record.key.namespace, record.key.name] = record
        self._uids[record.uid] = record.key
        for owner in record.owners:
            self._owned[owner].add(record.key)

    def _drop(self, key: Key) -> None:
        old = self._objects[key.resource].pop((key.namespace, key.name), None)
        if old is None:
            return
        self._uids.pop(old.uid, None)
        for owner in old.owners:
            self._owned[owner].discard(key)
            if not self._owned[owner]:
                del self._owned[owner]

    def _remember(self, change: Change) -> None:
        self._history[change.record.key.resource].append(change)
        self._remembered += 1

    async def _compact(self) -> None:
        """Forgets the older half of the history once it is over the limit."""
        if self._remembered <= self._history_limit:
            return
        revisions = sorted(change.revision for history in self._history.values() for change in history)
        edge = revisions[len(revisions) // 2]
        for resource, history in self._history.items():
            self._history[resource] = [change for change in history if change.revision > edge]
        self._remembered = sum(len(history) for history in self._history.values())
        self.compacted = edge
        await self._database.compact(edge)

    def _load(self, key: Key, body: str) -> Record:
        return self._record(key, load(body), body.encode())

    def _record(self, key: Key, obj: Mapping[str, Any], raw: bytes) -> Record:
        return Record.of(key, obj, raw, self._fields(key.resource, dict(obj)))
