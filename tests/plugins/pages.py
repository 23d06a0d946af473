# SPDX-License-Identifier: Apache-2.0
"""The pages that people read, as tests read them: fenced blocks, words in backticks, tables."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


class Page:
    def __init__(self, path: str) -> None:
        self.text = (ROOT / path).read_text("utf-8")
        self.prose = _FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks in one language, in order."""
        return [body for found, body in _FENCE.findall(self.text) if found == language]

    def codes(self) -> list[str]:
        """What stands in backticks."""
        return _CODE.findall(self.prose)

    def table(self, first: str) -> list[list[str]]:
        """The rows of the table whose first column has this heading."""
        _, _, after = self.prose.partition(f"\n| {first} |")
        rows = after.split("\n\n", 1)[0].splitlines()[2:]
        return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
