# SPDX-License-Identifier: Apache-2.0
"""Changes of one resource on a condition: `If-Match` on its configuration, whoever else writes status meanwhile."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from castwarden_model.resources import Resource

from castwarden_gateway.http.etags import IfMatch
from castwarden_gateway.http.operations import Operation
from castwarden_gateway.http.problems import Contended
from castwarden_gateway.kube.client import Refused
from castwarden_gateway.kube.errors import problem_of
from castwarden_gateway.kube.resources import Kind

R = TypeVar("R", bound=Resource)
_TRIES = 5


def version_of(resource: Resource) -> str:
    """Changes with the spec, not with what is seen."""
    return f"{resource.metadata.uid[:8]}-{resource.metadata.generation}"


async def change(
    kind: Kind[R],
    find: Callable[[], R],
    spec: dict[str, Any],
    fields: Mapping[str, str],
    if_match: IfMatch,
    operation: Operation,
) -> R:
    """Merge-patches `spec` into what `find` gives. Raises Problems; `fields` names the spec's as the body does.

    What a run before has changed already satisfies a repeat, whose condition that run made untrue.
    """
    for _ in range(_TRIES):
        found = find()
        if operation.resumed and not if_match.holds(version_of(found)) and kind.has(found, spec):
            return found
        if_match.require(version_of(found))
        try:
            return await kind.patch(found, spec, _guard(found, if_match))
        except Refused as error:
            await _again(kind, found, error, fields)
    raise Contended("It changes too fast; try again.")


async def remove(
    kind: Kind[R], find: Callable[[], R], fields: Mapping[str, str], if_match: IfMatch, operation: Operation
) -> None:
    """Deletes what `find` gives. Raises Problems."""
    await operation.deleted(_remove(kind, find, fields, if_match))


async def _remove(kind: Kind[R], find: Callable[[], R], fields: Mapping[str, str], if_match: IfMatch) -> None:
    for _ in range(_TRIES):
        found = find()
        if_match.require(version_of(found))
        try:
            return await kind.delete(found, _guard(found, if_match))
        except Refused as error:
            await _again(kind, found, error, fields)
    raise Contended("It changes too fast; try again.")


def _guard(found: Resource, if_match: IfMatch) -> str | None:
    return None if if_match.header is None else found.metadata.resource_version


async def _again(kind: Kind[R], found: R, error: Refused, fields: Mapping[str, str]) -> None:
    """Somebody has written in between, perhaps only status: look anew. Raises for any other refusal."""
    if error.code != 409:
        raise problem_of(error, fields) from error
    await kind.refresh(found.metadata.namespace, found.metadata.name)
