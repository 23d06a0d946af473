# SPDX-License-Identifier: Apache-2.0
"""Deliveries while everything around them dies.

Fifty endpoints get the events of ten Monitors. All the while gateways are killed and PostgreSQL is restarted twice. In
the end every event must have reached every healthy endpoint, a repeat must carry the webhook-id of the first, ordered
endpoints must have got theirs in order, all signatures must be right, and nothing may be left leased.
"""

import argparse
import asyncio
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from castwarden_base.logs import configure_logging
from castwarden_base.waiting import wait_until

from tests.chaos.receivers import HEALTHY, Kind, Receiver, listen
from tests.chaos.verdict import judge
from tests.chaos.workers import TYPES, Worker
from tests.chaos.world import INTERNAL_KEY, Havoc, World, world

TENANTS = 10
KINDS: tuple[Kind, ...] = ("well", "ordered", "busy", "well", "ordered")
UNWELL: dict[int, Kind] = {3: "broken", 13: "broken", 21: "silent", 34: "silent", 43: "absent", 48: "absent"}
_PATIENCE = 120  # seconds for what is left once nobody kills any more
_TIMEOUT_SECONDS = 5
_LEASE_SECONDS = 16  # then the leases of those that were killed have run out: whatever is leased is of the living
_SHOWN = 20  # faults, and lines of the gateways' logs


@dataclass(frozen=True, slots=True)
class Size:
    """`every` seconds a gateway is killed."""

    seconds: float
    events_per_second: float
    gateways: int
    every: float


FULL = Size(seconds=120, events_per_second=500, gateways=3, every=4)
SMALL = Size(seconds=20, events_per_second=100, gateways=2, every=5)


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant with one worker and an endpoint for each type of event."""

    worker: Worker
    receivers: dict[str, Receiver]


async def main(size: Size, runs: int) -> int:
    missed = 0
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="castwarden-chaos-") as folder:
            missed += await one_run(size, Path(folder), f"run {number + 1} of {runs}")
    return 1 if missed else 0


async def one_run(size: Size, folder: Path, title: str) -> int:
    """The number of endpoints at fault, each told on standard output."""
    receivers: dict[str, Receiver] = {}
    server, port = await listen(receivers.__getitem__)
    async with server, world(folder, size.gateways) as found:
        customers = [await customer(found, number, port, receivers) for number in range(TENANTS)]
        havoc, stop = Havoc(size.every, (size.seconds / 3, size.seconds * 2 / 3)), asyncio.Event()
        reports = size.events_per_second / TENANTS / len(TYPES)
        reporting = [asyncio.create_task(each.worker.run(reports, stop)) for each in customers]
        killing = asyncio.create_task(havoc.run(found))
        await asyncio.sleep(size.seconds)
        killing.cancel()
        stop.set()
        calm = time.monotonic()
        await asyncio.gather(*reporting)
        faults = []
        try:
            await wait_until(lambda: all_arrived(customers), _PATIENCE)
        except TimeoutError:
            faults.append(f"not all has arrived {_PATIENCE} s after the last kill")
        settled = time.monotonic() - calm
        await asyncio.sleep(max(0.0, calm + _LEASE_SECONDS - time.monotonic()))
        for gateway in found.gateways:
            await gateway.process.stop()
        faults += await left_behind(found) + errors(customers)
        print_run(title, customers, havoc, settled)
        for fault in faults[:_SHOWN]:
            print(f"  FAULT {fault}")
        if faults:
            print("  the gateways' logs end with:", *found.logs[-_SHOWN:], sep="\n    ")
    return len(faults)


async def customer(found: World, number: int, port: int, receivers: dict[str, Receiver]) -> Customer:
    slug = f"chaos-{number}"
    await found.add_namespace(slug)
    await found.api("POST", "/tenants", {"slug": slug})
    monitor = await found.api("POST", "/monitors", {"stream_url": f"https://cdn.example.com/{slug}.m3u8"}, slug)
    reference = await found.reference(monitor["monitor_id"], slug)
    mine: dict[str, Receiver] = {}
    for at, type_ in enumerate(TYPES):
        kind = UNWELL.get(number * len(TYPES) + at, KINDS[at])
        mine[type_] = Receiver(f"/{slug}/{type_}", kind)
        receivers[mine[type_].path] = mine[type_]
        host = "127.0.0.1:1" if kind == "absent" else f"127.0.0.1:{port}"
        options = {"ordered": True} if kind == "ordered" else {}
        body = {"url": f"http://{host}{mine[type_].path}", "events": [type_], "timeout_seconds": _TIMEOUT_SECONDS}
        made = await found.api("POST", "/webhooks/endpoints", {**body, **options}, slug)
        mine[type_].secret = made["secret"]
    urls = [gateway.internal_url for gateway in found.gateways]
    return Customer(Worker(reference, urls, {"X-Internal-API-Key": INTERNAL_KEY}), mine)


def all_arrived(customers: Sequence[Customer]) -> bool:
    return all(
        len({receipt.event for receipt in receiver.receipts}) == len(each.worker.made[type_])
        for each in customers
        for type_, receiver in each.receivers.items()
        if receiver.kind in HEALTHY
    )


async def left_behind(found: World) -> list[str]:
    """What gateways that ended in peace should have given back."""
    rows = await found.fetch(
        "select count(*) as leased from webhook_deliveries where lease_owner is not null and due_at > now()"
    )
    return [f"{rows[0]['leased']} deliveries are still leased"] if rows[0]["leased"] else []


def errors(customers: Sequence[Customer]) -> list[str]:
    found = []
    for each in customers:
        found += [f"a report was refused: {text}" for text in each.worker.refused[:3]]
        for type_, receiver in each.receivers.items():
            found += [f"{receiver.path}: {text}" for text in receiver.refused[:3]]
            if receiver.kind in HEALTHY:
                verdict = judge(each.worker.made[type_], receiver.receipts, ordered=receiver.kind == "ordered")
                found += [f"{receiver.path}: {len(ids)} {name}: {ids[:3]}" for name, ids in verdict.faults.items()]
    return found


def print_run(title: str, customers: Sequence[Customer], havoc: Havoc, settled: float) -> None:
    made = sum(len(ids) for each in customers for ids in each.worker.made.values())
    repeats = sum(each.worker.repeats for each in customers)
    healthy = [one for each in customers for one in each.receivers.values() if one.kind in HEALTHY]
    receipts = [receipt for receiver in healthy for receipt in receiver.receipts]
    distinct = sum(len({receipt.event for receipt in receiver.receipts}) for receiver in healthy)
    sent = {id_: at for each in customers for ids in each.worker.made.values() for id_, at in ids.items()}
    delays = sorted(receipt.at - sent[receipt.event] for receipt in receipts) or [math.nan]
    print(
        f"{title}: {made} events to {len(healthy)} healthy endpoints of {TENANTS * len(TYPES)};"
        f" gateways killed {havoc.killed} times, PostgreSQL {havoc.restarted} times; reports repeated {repeats} times\n"
        f"  {distinct} deliveries arrived, {len(receipts) - distinct} of them more than once;"
        f" p50 {delays[len(delays) // 2]:.2f} s, p99 {delays[math.floor(len(delays) * 0.99)]:.1f} s,"
        f" worst {delays[-1]:.1f} s; all had come {settled:.1f} s after the last kill",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="20 s and 100 events/s instead of 120 s and 500 events/s")
    parser.add_argument("--runs", type=int, default=1)
    given = parser.parse_args()
    configure_logging("chaos", "error")
    sys.exit(asyncio.run(main(SMALL if given.small else FULL, given.runs)))
