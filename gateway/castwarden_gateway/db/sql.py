# SPDX-License-Identifier: Apache-2.0
"""Loads the named statements of a `.sql` file: `-- name: claim_due` starts one, it ends where the next begins."""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)


class Statements:
    """Statements by name, read as attributes: `SQL = statements(__file__)`, then `SQL.claim_due`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
        pairs = zip(parts[::2], parts[1::2], strict=True)
        self.by_name = {name: text.strip().removesuffix(";") for name, text in pairs}
        if len(self.by_name) != len(parts) // 2:
            raise ValueError(f"{path} names a statement twice")

    def __getattr__(self, name: str) -> str:
        try:
            return self.by_name[name]
        except KeyError:
            raise AttributeError(f"{self.path} has no statement named {name!r}") from None


def statements(module_file: str) -> Statements:
    """The statements of the `.sql` file that lies beside a module under the module's name (pass `__file__`)."""
    return Statements(Path(module_file).with_suffix(".sql"))
