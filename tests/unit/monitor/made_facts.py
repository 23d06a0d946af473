# SPDX-License-Identifier: Apache-2.0
"""Loads, segments and probes made by hand, for the tests of the checks that go by facts."""

from collections.abc import Iterable
from typing import Any

from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks.base import FactCheck
from castwarden_worker.monitor.episode import Change, Moment
from castwarden_worker.monitor.seen import PlaylistSeen, RenditionSeen, SegmentSeen

from tests.unit.monitor.made import WALL, at


def configured(check: FactCheck[Any], **given: Any) -> Any:
    name = check.condition.split("_")
    alias = name[0] + "".join(part.capitalize() for part in name[1:])
    check.configure(Checks.model_validate({alias: given}))
    return check


def told(check: FactCheck[Any], facts: Iterable[Any]) -> list[Change]:
    return [change for seen in facts if (change := check.observe(seen))]


def loads(letters: str, every: float = 4.0, **given: Any) -> list[PlaylistSeen]:
    """A load every so many seconds, one letter each: x for a failure, which also keeps media where it is."""
    seen, media = [], 0.0
    for number, letter in enumerate(letters):
        media += 0.0 if letter == "x" else every
        error = "HTTP 503" if letter == "x" else None
        seen.append(PlaylistSeen(Moment(media, WALL + every * number), "main", error, 4.0, **given))
    return seen


def segments(count: int, seconds: float = 4.0, **given: Any) -> list[SegmentSeen]:
    return [SegmentSeen(at(seconds * number), seconds, sequence=number, **given) for number in range(count)]


def probe(name: str, wall: float, *, error: str | None = None, **given: Any) -> RenditionSeen:
    return RenditionSeen(at(wall), name, error, **given)
