# SPDX-License-Identifier: Apache-2.0
"""What a run proves or does not: receipts beside the events that were made. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tests.chaos.receivers import Receipt


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one endpoint; faults are empty in a run that went well."""

    receipts: int
    repeated: int
    lost: Sequence[str] = ()
    unknown: Sequence[str] = ()
    doubled: Sequence[str] = ()
    disordered: Sequence[str] = ()

    @property
    def faults(self) -> dict[str, Sequence[str]]:
        found = {name: getattr(self, name) for name in ("lost", "unknown", "doubled", "disordered")}
        return {name: events for name, events in found.items() if events}


def judge(made: Collection[str], receipts: Sequence[Receipt], *, ordered: bool) -> Verdict:
    """`made` are the events that should have come, in order.

    Lost: never came. Unknown: was never made. Doubled: came under two webhook-ids, so that its receiver could not know
    it again. Disordered: came for the first time after a later one.
    """
    names: dict[str, str] = {}
    numbers = {event: number for number, event in enumerate(made)}
    doubled, disordered, latest = [], [], 0
    for receipt in receipts:
        if (known := names.get(receipt.event)) is None:
            names[receipt.event] = receipt.webhook_id
            number = numbers.get(receipt.event, latest)
            if number < latest:
                disordered.append(receipt.event)
            latest = max(latest, number)
        elif known != receipt.webhook_id:
            doubled.append(receipt.event)
    return Verdict(
        receipts=len(receipts),
        repeated=len(receipts) - len(names),
        lost=[event for event in made if event not in names],
        unknown=sorted(names.keys() - numbers.keys()),
        doubled=doubled,
        disordered=disordered if ordered else [],
    )
