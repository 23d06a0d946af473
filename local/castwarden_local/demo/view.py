# SPDX-License-Identifier: Apache-2.0
"""What the demo shows: a live picture on a terminal, plain lines elsewhere. Knows nothing of what is demonstrated."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened, `at` seconds after the demo began."""

    at: float
    source: str
    text: str
    good: bool | None = None


class View(Protocol):
    """Where the demo tells what happens."""

    def tell(self, source: str, text: str, *, good: bool | None = None) -> None: ...

    def on_air(self, describe: Callable[[], str]) -> None: ...

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def view_for(console: Console) -> "View":
    """The live view when someone looks, plain lines when the output goes to a file or a pipe."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """One line per happening."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, source: str, text: str, *, good: bool | None = None) -> None:
        line = Line(time.monotonic() - self._began, source, text, good)
        self._console.print(_line(line), highlight=False, soft_wrap=True)

    def on_air(self, describe: Callable[[], str]) -> None:
        pass

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._console.print(_table(title, columns, rows))


class LiveView:
    """The last happenings, and what is on air now, drawn anew four times a second."""

    SHOWN = 22

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._lines: list[Line] = []
        self._on_air: Callable[[], str] = lambda: "not yet on air"
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._draw, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._settle()

    def tell(self, source: str, text: str, *, good: bool | None = None) -> None:
        self._lines.append(Line(time.monotonic() - self._began, source, text, good))

    def on_air(self, describe: Callable[[], str]) -> None:
        self._on_air = describe

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._settle()
        self._console.print(_table(title, columns, rows))

    def _settle(self) -> None:
        """Ends the picture and leaves its lines behind for good."""
        self._live.stop()
        for line in self._lines:
            self._console.print(_line(line), highlight=False, soft_wrap=True)
        self._lines.clear()

    def _draw(self) -> RenderableType:
        seconds = time.monotonic() - self._began
        lines = [_line(line) for line in self._lines[-self.SHOWN :]]
        return Group(
            Panel(Group(*lines) if lines else Text("starting …"), title="Castwarden demo", title_align="left"),
            Text(f" {seconds:5.1f} s   on air: {self._on_air()}", style="bold"),
        )


def _line(line: Line) -> Text:
    mark = {True: ("✓ ", "green"), False: ("✗ ", "bold red"), None: ("  ", "")}[line.good]
    return Text.assemble(
        (f"{line.at:6.1f} s  ", "dim"), mark, (f"{line.source:<11}", "cyan"), line.text, overflow="fold", no_wrap=False
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column.endswith("(s)") else "left")
    for row in rows:
        table.add_row(*row)
    return table
