# SPDX-License-Identifier: Apache-2.0
"""Embedded stacks: what every test that starts one gives it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from castwarden_local.up import StackOptions


def options(data: Path, **more: Any) -> StackOptions:
    """Free ports, loopback allowed."""
    free: Any = dict.fromkeys(("port", "internal_port", "operator_port", "kube_port"), 0)
    return StackOptions(data, allow_private=("127.0.0.0/8",), **free, **more)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's folder, which every run of pytest closes to others: as root, PostgreSQL is another user."""
    with tempfile.TemporaryDirectory(prefix="castwarden-test-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()
