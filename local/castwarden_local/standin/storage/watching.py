# SPDX-License-Identifier: Apache-2.0
"""Following one resource from a revision on. The history is the buffer: a slow watcher costs only its place in it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from castwarden_local.standin.storage.records import Change, ChangeType, Record
from castwarden_local.standin.storage.selectors import EVERYTHING, Selector
from castwarden_local.standin.storage.store import Store


@dataclass(frozen=True, slots=True)
class Scope:
    """What a list or a watch is about."""

    resource: str
    namespace: str = ""
    selector: Selector = EVERYTHING

    def covers(self, record: Record) -> bool:
        return (not self.namespace or record.key.namespace == self.namespace) and self.selector.matches(record)

    def list(self, store: Store) -> "list[Record]":
        records = store.records(self.resource, self.namespace)
        return records if self.selector.empty else [record for record in records if self.selector.matches(record)]


class Follower:
    """A place in the history. `seen` is the revision up to which everything was answered."""

    def __init__(self, store: Store, scope: Scope, after: int) -> None:
        self.seen = after
        self._store = store
        self._scope = scope

    def take(self) -> list[tuple[ChangeType, Record]]:
        """What happened since the last call, as this scope sees it. Raises Expired."""
        upto = self._store.revision
        changes = self._store.changes(self._scope.resource, self.seen)
        self.seen = upto
        return [event for change in changes if (event := self._as_seen(change)) is not None]

    async def wait(self) -> None:
        """Returns once something was committed that `take` has not looked at."""
        while self._store.revision <= self.seen:
            await self._store.news()

    def _as_seen(self, change: Change) -> tuple[ChangeType, Record] | None:
        """An object that begins or ceases to match the selector is added or deleted for this watcher."""
        scope = self._scope
        if scope.namespace and change.record.key.namespace != scope.namespace:
            return None
        if scope.selector.empty:
            return change.type, change.record
        before = change.previous is None or scope.selector.matches(change.previous)
        if change.type == "ADDED":
            before = False
        now = change.type != "DELETED" and scope.selector.matches(change.record)
        if now:
            return "MODIFIED" if before else "ADDED", change.record
        if not before:
            return None
        last = change.previous if change.previous is not None and change.type != "DELETED" else change.record
        return "DELETED", last.at(change.revision)


async def follow(store: Store, scope: Scope, after: int | None) -> AsyncIterator[tuple[ChangeType, Record]]:
    """Changes after a revision; without one, first everything that exists as ADDED. Endless. Raises Expired."""
    follower = Follower(store, scope, store.revision if after is None else after)
    if after is None:
        for record in scope.list(store):
            yield "ADDED", record
    while True:
        for event in follower.take():
            yield event
        await follower.wait()
