# SPDX-License-Identifier: Apache-2.0
"""What must come, what came, and how late: the demo's account of itself. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from castwarden_local.demo.receiver import Received
from castwarden_local.demo.script import Expected


@dataclass(slots=True)
class Account:
    """Everything that must be told by webhook: `expected` of each of `monitors`, and counts of (type, subject).

    `monitors` maps a Monitor's name to what the table calls it.
    """

    went_on_air: datetime
    expected: Sequence[Expected]
    monitors: Mapping[str, str]
    others: Mapping[tuple[str, str], int]
    came: dict[tuple[str, str], list[Received]] = field(default_factory=dict)

    def take(self, received: Received) -> None:
        """Enters one webhook."""
        self.came.setdefault((received.type, received.subject), []).append(received)

    def delay(self, expected: Expected, monitor: str) -> tuple[float, float] | None:
        """Seconds from cause to webhook, and how many of them were over the threshold; None while it has not come."""
        came = self.came.get((expected.type, monitor))
        if not came:
            return None
        cause = self.went_on_air + timedelta(seconds=expected.offset)
        after = (came[0].at - cause).total_seconds()
        return after, after - expected.threshold

    def missing(self) -> list[str]:
        """What has not come yet."""
        wanted = {(event.type, monitor): 1 for monitor in self.monitors for event in self.expected} | dict(self.others)
        return [
            f"{type_} of {subject}"
            for (type_, subject), count in wanted.items()
            if len(self.came.get((type_, subject), [])) < count
        ]

    def doubled(self) -> list[str]:
        """What one Monitor told more than once."""
        return [
            f"{type_} of {subject} came {len(came)} times"
            for (type_, subject), came in self.came.items()
            if subject in self.monitors and len(came) > 1
        ]

    def unverified(self) -> list[str]:
        """Webhooks whose signature was wrong."""
        return [
            f"{received.type} of {received.subject} was not signed with our secret"
            for came in self.came.values()
            for received in came
            if not received.verified
        ]

    def rows(self) -> list[list[str]]:
        """One row per webhook of a Monitor: who, what, why, threshold, after, late; dashes for what never came."""
        rows = []
        for monitor, shown in self.monitors.items():
            for event in self.expected:
                delay = self.delay(event, monitor)
                times = [f"{seconds:.1f}" for seconds in delay] if delay else ["-", "-"]
                rows.append([shown, event.type, event.cause, f"{event.threshold:g}", *times])
        return rows


def describe(event: Mapping[str, Any]) -> str:
    """The few words of an event's data that a person wants to see."""
    data = event["data"]
    shown = ("title", "reason", "duration_sec", "total_duration_sec", "path", "error", "message")
    own_name = event["subject"]["name"]
    return ", ".join(f"{name}={data[name]}" for name in shown if data.get(name, own_name) != own_name)
