# SPDX-License-Identifier: Apache-2.0
"""Loads and saves what is known, for many resources in one statement each."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from asyncpg import Record
from castwarden_model.messages import OpenCondition, Report, ResourceRef, VideoSeen

from castwarden_gateway.db import Connection, Database, statements
from castwarden_gateway.facts.known import Added, Known, KnownVideo
from castwarden_gateway.tenants.bootstrap import Tenants

SQL = statements(__file__)


async def begin(connection: Connection, reports: Iterable[tuple[UUID, Report]]) -> None:
    """Makes the rows that do not exist yet, given (tenant, report)."""
    rows = [
        (report.resource.uid, tenant_id, *_place(report.resource), report.epoch, report.pod)
        for tenant_id, report in reports
    ]
    await connection.execute(SQL.begin, *map(list, zip(*rows, strict=True)))


async def next_epoch(database: Database, tenants: Tenants, ref: ResourceRef, pod: str) -> Known:
    """A worker begins on a resource: the next epoch is its own."""
    tenant = await tenants.of_namespace(ref.namespace)

    async def work(connection: Connection) -> Known:
        await connection.execute(SQL.next_epoch, ref.uid, tenant.id, *_place(ref), pod)
        return (await read(connection, [ref.uid]))[ref.uid]

    return await database.run(work)


async def current(database: Database, tenants: Tenants, ref: ResourceRef, pod: str = "") -> Known:
    """What is known of a resource; a first epoch begins when nothing is."""
    found = await database.retry(lambda connection: read(connection, [ref.uid]))
    return found.get(ref.uid) or await next_epoch(database, tenants, ref, pod)


async def read(connection: Connection, uids: Sequence[str], *, lock: bool = False) -> dict[str, Known]:
    """What is known, by uid. `lock` keeps others from changing it until the transaction ends."""
    rows = await connection.fetch(SQL.lock if lock else SQL.known, uids)
    return {row["uid"]: _known(row) for row in rows}


async def read_videos(connection: Connection, known: Mapping[str, Known], reports: Iterable[Report]) -> None:
    """Adds the rows of the videos that the reports name."""
    wanted = [(report.resource.uid, video.media_id) for report in reports for video in report.videos]
    if not wanted:
        return
    for row in await connection.fetch(SQL.known_videos, *map(list, zip(*wanted, strict=True))):
        known[row["channel_uid"]].videos[row["media_id"]] = KnownVideo(
            row["id"], row["title"], row["url"], row["description"], row["thumbnail_url"], row["published_at"]
        )


def fact_ids(report: Report) -> set[UUID]:
    """The ids of what happened, which count once even when another report repeats them."""
    return {fact.id for fact in report.transitions} | {fact.id for fact in report.occurrences}


async def note_ids(connection: Connection, reports: Iterable[Report]) -> Mapping[str, set[UUID]]:
    """Notes the ids of reports and facts; returns those that were new, by the uid of their resource.

    An id is one only within its resource: nobody can use up another's.
    """
    ids = [(id_, report.resource.uid) for report in reports for id_ in (report.id, *fact_ids(report))]
    new: defaultdict[str, set[UUID]] = defaultdict(set)
    for row in await connection.fetch(SQL.note_ids, *map(list, zip(*ids, strict=True))):
        new[row["uid"]].add(row["id"])
    return new


async def save(connection: Connection, known: Iterable[Known], added: Sequence[tuple[Known, Added]]) -> None:
    """Writes everything but the events."""
    rows = [
        {
            "uid": one.ref.uid,
            "epoch": one.epoch,
            "seq": one.seq,
            "pod": one.pod,
            "state": {
                "status": one.status,
                "private": one.private,
                "open": [condition.model_dump() for condition in one.open.values()],
            },
        }
        for one in known
    ]
    await connection.execute(SQL.save, rows)
    videos = [_video(of, id_, video) for of, add in added for id_, video in add.videos]
    if videos:
        await connection.executemany(SQL.upsert_video, videos)
    attempts = [
        (one.id, of.ref.uid, one.client, one.started_at, one.finished_at, one.error)
        for of, add in added
        for one in add.attempts
    ]
    if attempts:
        await connection.executemany(SQL.insert_attempt, attempts)
    results = [
        (of.ref.uid, of.tenant_id, one.media_id, one.title, one.path, one.bytes, one.sha256)
        for of, add in added
        if (one := add.result) is not None
    ]
    if results:
        await connection.executemany(SQL.insert_download, results)


async def prune_reports(database: Database, age: timedelta) -> None:
    """Forgets ids that no worker can still be repeating."""
    await database.execute(SQL.prune_reports, age)


def _place(ref: ResourceRef) -> tuple[str, str, str]:
    return ref.kind, ref.namespace, ref.name


def _known(row: Record) -> Known:
    state: dict[str, Any] = row["state"]
    ref = ResourceRef(kind=row["kind"], namespace=row["namespace"], name=row["name"], uid=row["uid"])
    return Known(
        ref,
        row["tenant_id"],
        row["epoch"],
        row["seq"],
        row["pod"],
        state.get("status", {}),
        state.get("private", {}),
        {one["condition"]: OpenCondition.model_validate(one) for one in state.get("open", [])},
    )


def _video(known: Known, id_: UUID, video: VideoSeen) -> tuple[Any, ...]:
    return (
        id_,
        known.tenant_id,
        known.ref.uid,
        video.media_id,
        video.title,
        video.url,
        video.description,
        video.thumbnail_url,
        video.views,
        video.published_at,
        video.updated_at,
    )
