# SPDX-License-Identifier: Apache-2.0
"""Pieces of Markdown that every generated page is made of."""

import json
from collections.abc import Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join(lines)


def cell(text: str) -> str:
    """One line, in which nothing ends the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def fence(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"
