# SPDX-License-Identifier: Apache-2.0
"""A CronJob's schedule: when it was last due and when it is next due, in its time zone. Pure.

Five fields, names of months and days, `@hourly` and its like, and `@every 1h30m`, as Kubernetes reads them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELD = re.compile(r"(?:[0-9*?,/-]|[A-Za-z]{3})+")
_EVERY = re.compile(r"@every (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECOND = timedelta(seconds=1)


class BadSchedule(ValueError):
    """The schedule or the time zone cannot be read."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`expression` for cronsim, or a fixed `interval` counted from wherever the caller starts."""

    expression: str
    zone: ZoneInfo
    interval: timedelta | None = None

    @classmethod
    def parse(cls, text: str, time_zone: str | None) -> "Schedule":
        """Raises BadSchedule."""
        try:
            zone = ZoneInfo(time_zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise BadSchedule(f"unknown time zone {time_zone}") from error
        if text.startswith("@every "):
            return cls("", zone, _interval(text))
        expression = _normalise(MACROS.get(text.strip(), text))
        try:
            CronSim(expression, datetime.now(UTC))
        except CronSimError as error:
            raise BadSchedule(str(error)) from error
        return cls(expression, zone)

    def after(self, moment: datetime) -> datetime | None:
        """The first time later than `moment`; None when there is none (31 February)."""
        if self.interval:
            return moment.replace(microsecond=0) + self.interval
        found = next(CronSim(self.expression, moment.astimezone(self.zone)), None)
        return found.astimezone(UTC) if found else None

    def last(self, since: datetime, until: datetime) -> datetime | None:
        """The latest time that is later than `since` and not later than `until`."""
        if self.interval:
            count = (until - since) // self.interval
            return since.replace(microsecond=0) + count * self.interval if count > 0 else None
        first = self.after(since)
        if first is None or first > until:
            return None
        start = until.astimezone(self.zone).replace(microsecond=0)
        found = next(CronSim(self.expression, _later(start, self.zone), reverse=True), None)
        return max(found.astimezone(UTC), first) if found else None

    def count(self, since: datetime, until: datetime, limit: int) -> int:
        """How often it was due in that time, counted up to `limit`."""
        count, moment = 0, self.after(since)
        while moment is not None and moment <= until and count < limit:
            count, moment = count + 1, self.after(moment)
        return count


def _later(moment: datetime, zone: ZoneInfo) -> datetime:
    return (moment.astimezone(UTC) + _SECOND).astimezone(zone)


def _interval(text: str) -> timedelta:
    match = _EVERY.fullmatch(text.strip())
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    interval = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not interval:
        raise BadSchedule(f"cannot read {text!r}")
    return interval


def _normalise(text: str) -> str:
    fields = text.split()
    if len(fields) != 5 or not all(_FIELD.fullmatch(field) for field in fields):
        raise BadSchedule(f"expected five fields, found {text!r}")
    fields = ["*" + field[1:] if field.startswith("?") else field for field in fields]
    # Both day fields given means either may match; a step makes a field "given" for Kubernetes, not for cronsim.
    fields[2] = re.sub(r"^\*/", "1-31/", fields[2])
    fields[4] = re.sub(r"^\*/", "0-6/", fields[4])
    return " ".join(fields)
