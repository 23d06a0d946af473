# SPDX-License-Identifier: Apache-2.0
"""Lists as of a revision, in pages: later pages show the moment of the first one, rebuilt from the history."""

import base64
from dataclasses import dataclass

import orjson

from castwarden_local.standin.errors import ApiError, BadRequest, Cause, Expired, Timeout
from castwarden_local.standin.http.requests import Query
from castwarden_local.standin.interface import Object
from castwarden_local.standin.storage.records import Record
from castwarden_local.standin.storage.store import Store
from castwarden_local.standin.storage.watching import Scope
from castwarden_local.standin.validation.schema_checks import forbidden
from castwarden_local.standin.writing.admission import options_refusal


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list, and its ListMeta."""

    records: list[Record]
    meta: Object


def read_list(store: Store, scope: Scope, query: Query) -> Page:
    """Raises BadRequest, Expired, Timeout, Invalid."""
    limit, token = query.integer("limit") or 0, query.text("continue")
    if token:
        revision, start = _parse_token(token)
        found = [record for record in _as_of(store, scope, revision) if _place(record) > start]
    else:
        revision = _revision(store, query)
        found = scope.list(store) if revision == store.revision else _as_of(store, scope, revision)
    meta: Object = {"resourceVersion": str(revision)}
    if limit and len(found) > limit:
        meta["continue"] = _token(revision, found[limit - 1])
        if scope.selector.empty:
            meta["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return Page(found, meta)


def parse_revision(text: str) -> int:
    """Raises ValueError in Go's words."""
    if not text.isascii() or not text.isdigit():
        detail = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ValueError(f'resourceVersion: Invalid value: "{text}": {detail}')
    return int(text)


def _revision(store: Store, query: Query) -> int:
    text, match = query.text("resourceVersion"), query.text("resourceVersionMatch")
    if match and not text:
        detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise options_refusal("ListOptions", [forbidden("resourceVersionMatch", detail)])
    try:
        wanted = parse_revision(text or "0")
    except ValueError as error:
        raise BadRequest(f"invalid resource version: {error}") from None
    if wanted > store.revision:
        raise too_new(wanted, store.revision)
    return wanted if match == "Exact" else store.revision


def too_new(wanted: int, present: int) -> ApiError:
    cause = Cause("", "Too large resource version", "ResourceVersionTooLarge")
    text = f"Timeout: Too large resource version: {wanted}, current: {present}"
    return Timeout(text, causes=[cause], retry_after=1)


def _as_of(store: Store, scope: Scope, revision: int) -> list[Record]:
    """The list at an earlier revision: today's with the changes since then undone."""
    try:
        changes = store.changes(scope.resource, revision)
        store.check_rebuildable(revision)
    except Expired:
        text = "The provided continue parameter is too old to display a consistent list result. Start a new list."
        raise Expired(text) from None
    state = {record.key: record for record in store.records(scope.resource)}
    for change in reversed(changes):
        state.pop(change.record.key, None)
        if change.previous is not None:
            state[change.record.key] = change.previous
    return sorted((record for record in state.values() if scope.covers(record)), key=_place)


def _place(record: Record) -> tuple[str, str]:
    return record.key.namespace, record.key.name


def _token(revision: int, last: Record) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"rv": revision, "start": _place(last)})).decode()


def _parse_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        content = orjson.loads(base64.urlsafe_b64decode(token))
        namespace, name = content["start"]
        return int(content["rv"]), (str(namespace), str(name))
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest(f"invalid continue token: continue key is not valid: {error}") from None
