# SPDX-License-Identifier: Apache-2.0
"""How the probe shows what it sees: JSON lines, plain lines, or a live table when stdout is a terminal."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from castwarden_model.events import check_data
from castwarden_model.messages import Occurrence, Transition
from castwarden_model.telling import told_as, told_with

from .monitor.view import CheckView, View

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_STATUS_EVERY = 10.0  # seconds between status lines where no table can be drawn


class Show(Protocol):
    """Where the probe puts what it has to say. Without `refresh_seconds` it wants no views."""

    refresh_seconds: float

    def fact(self, fact: Transition | Occurrence) -> None: ...
    def update(self, view: View) -> None: ...
    def remark(self, text: str) -> None: ...
    def problem(self, text: str) -> None: ...


class _Messages:
    """What is no result goes to stderr, one line each."""

    def remark(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def problem(self, text: str) -> None:
        print(f"castwarden probe: {_printable(text)}", file=sys.stderr, flush=True)


class JsonLines(_Messages):
    """Every fact as one JSON line on stdout, nothing else there."""

    refresh_seconds = 0.0

    def fact(self, fact: Transition | Occurrence) -> None:
        print(json.dumps(as_json(fact)), flush=True)

    def update(self, view: View) -> None:
        """Measurements are no facts."""


class PlainLines(_Messages):
    """A line per event, and the state now and then."""

    refresh_seconds = 1.0

    def __init__(self) -> None:
        self._shown = time.monotonic()
        self._problem: str | None = None

    @staticmethod
    def is_terminal() -> bool:
        return sys.stdout.isatty()

    def fact(self, fact: Transition | Occurrence) -> None:
        print(f"{_clock(fact.at)}  {sentence(fact)}", flush=True)

    def update(self, view: View) -> None:
        if view.problem != self._problem and _has_seen(view):  # before that it is why the probe ends
            self._problem = view.problem
            if view.problem:
                self.remark(_printable(view.problem))
        if time.monotonic() - self._shown >= _STATUS_EVERY:
            self._shown = time.monotonic()
            print(f"{_clock(datetime.now().astimezone())}  {_status(view)}", flush=True)


class LiveTable(_Messages):
    """A table that is redrawn, with the newest events beneath."""

    refresh_seconds = 0.25

    def __init__(self, url: str) -> None:
        from rich.live import Live  # only people at a terminal pay for loading it

        self._url = url
        self._events: deque[Text] = deque(maxlen=10)
        self._live = Live(auto_refresh=False, transient=True)  # stays once there was something to see

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._live.stop()

    def fact(self, fact: Transition | Occurrence) -> None:
        from rich.text import Text

        self._events.append(Text(f"{_clock(fact.at)}  {sentence(fact)}"))

    def update(self, view: View) -> None:
        from rich.console import Group

        self._live.transient = not _has_seen(view)
        self._live.update(Group(_table(self._url, view), *self._events), refresh=True)


@contextmanager
def live_table(url: str) -> Iterator[LiveTable]:
    """The table, drawn until the block is left."""
    table = LiveTable(url)
    table.start()
    try:
        yield table
    finally:
        table.stop()


def as_json(fact: Transition | Occurrence) -> dict[str, Any]:
    """One fact for programs: `type`, `timestamp` and `data` are those of its webhook, and what the probe adds.

    `type` is null and `data` empty for a transition that makes no event, because nobody saw it recover: `settled`
    says why. What happens at one moment has no condition.
    """
    values = fact.model_dump(mode="json")
    if isinstance(fact, Occurrence):
        return {
            "type": fact.type,
            "timestamp": values["at"],
            "data": check_data(fact.type, fact.data),
            "condition": None,
        }
    type_ = told_as(fact)
    return {
        "type": type_,
        "timestamp": values["at"],
        "data": check_data(type_, told_with(fact)) if type_ else {},
        "condition": fact.condition,
        "state": fact.state,
        "media_time": fact.media_time,
        "time": values["at"],
        "started_at": values["started_at"],
        "duration": fact.duration_sec,
        "threshold": fact.threshold_sec,
        "episode": values["episode"],
        "segment": values["segment"],
        "detail": values["detail"],
        "settled": fact.settled or None,
    }


def sentence(fact: Transition | Occurrence) -> str:
    """A fact in words."""
    if isinstance(fact, Occurrence):
        words = " ".join(f"{name}={_printable(value)}" for name, value in fact.data.items() if value != "")
        return f"{fact.type.removeprefix('stream.').replace('_', ' ')} {words}".rstrip()
    lasted = f"{fact.duration_sec:.1f} s"
    seen = f" ({', '.join(_words(fact.measured))})" if fact.measured else ""
    state, why = ("ended", f" without a recovery: {_printable(fact.settled)}") if fact.settled else (fact.state, "")
    return f"{fact.condition:<19} {state:<7} at {_time(fact.media_time)} after {lasted}{seen}{why}"


def _printable(value: object) -> str:
    """What a stranger's server sent must not steer the terminal."""
    return "".join(character if character.isprintable() else "?" for character in str(value))


def _has_seen(view: View) -> bool:
    return view.statistics.total_segments_analyzed > 0


def _status(view: View) -> str:
    alerts = ", ".join(check.condition for check in view.checks if check.alert) or "no alert"
    return f"{view.state.value} {_time(view.media_time)}  {alerts}  {'  '.join(_measurements(view))}"


def _measurements(view: View) -> list[str]:
    return _picture(view) + _sound(view)


def _picture(view: View) -> list[str]:
    luma = [] if view.luma is None else [f"luma {view.luma:.0%} (dark {view.dark or 0:.0%})"]
    return luma + ([] if view.motion_db is None else [f"motion {view.motion_db:.0f} dB"])


def _sound(view: View) -> list[str]:
    return [] if view.level_db is None else [f"sound {view.level_db:.0f} dBFS (peak {view.peak_db or 0:.0f})"]


def _delivery(view: View) -> list[str]:
    if not _has_seen(view):
        return []
    due = "next segment is late" if view.late else f"target {view.target_duration:g} s"
    broken = view.statistics.segment_errors
    return [due, f"{broken} broken", _printable(view.last_error or "")] if broken else [due]


def _newest(view: View) -> str:
    newest = view.newest
    if newest is None or newest.took is None:
        return "nothing fetched yet"
    size = f"{newest.seconds:.1f} s, {newest.size / 1000:.0f} kB"
    return f"newest {newest.sequence}: {size} in {newest.took * 1000:.0f} ms"


def _words(measured: Mapping[str, float | str]) -> list[str]:
    return [f"{name} {_printable(str(value))}" for name, value in measured.items()]


def _table(url: str, view: View) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(url, overflow="ellipsis"), title_justify="left", expand=False)
    table.add_column("check", min_width=19)
    table.add_column("state", min_width=26)
    table.add_column("measured", min_width=34, max_width=72)
    for check in sorted(view.checks, key=lambda check: not check.alert):
        if check.alert or check.bad_for is not None:
            table.add_row(check.condition, Text(*_loud(check)), "  ".join(_words(check.measured)))
    for name, words in (("picture", _picture(view)), ("sound", _sound(view)), ("delivery", _delivery(view))):
        table.add_row(Text(name, "dim"), "", "  ".join(words))
    if _has_seen(view):
        table.add_row(*(Text(words, style) for words, style in _quiet(view.checks)))
    problem = f"\n{_printable(view.problem)}" if view.problem else ""
    if not _has_seen(view):
        table.caption = Text(f"waiting for the first segment{problem}")
        return table
    table.caption = Text(
        f"{view.state.value} {_time(view.media_time)}  {view.statistics.total_segments_analyzed} segments, "
        f"{_newest(view)}{problem}"
    )
    return table


def _loud(check: CheckView) -> tuple[str, str]:
    """The state of a check that is not quiet, and its style."""
    if check.alert:
        return "ALERT", "bold red"
    return f"bad for {check.bad_for or 0.0:.0f} s of {check.raise_after:g} s", "yellow"


def _quiet(checks: Sequence[CheckView]) -> tuple[tuple[str, str], tuple[str, str], tuple[str, str]]:
    """All the other checks in one row: how many, their state, and which ones."""
    quiet = [check for check in checks if not check.alert and check.bad_for is None]
    well = [check.condition for check in quiet if check.enabled]
    off = [check.condition for check in quiet if not check.enabled]
    names = ", ".join(well) + (f"; off: {', '.join(off)}" if off else "")
    return (f"{len(well)} others", "dim"), ("ok", "green"), (names, "dim")


def _time(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:06.3f}"


def _clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")
