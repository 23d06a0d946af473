# SPDX-License-Identifier: Apache-2.0
"""Tests that run a program of this machine: collected where it is there, or demanded (CASTWARDEN_REQUIRE_REAL=1)."""

import os
import shutil

import pytest

PROGRAMS = ("helm", "kubectl", "node")


def pytest_configure(config: pytest.Config) -> None:
    for program in PROGRAMS:
        config.addinivalue_line("markers", f"{program}: runs {program}; collected where there is one on the PATH")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    lost = [item for item in items if any(item.get_closest_marker(program) for program in missing)]
    if lost and os.environ.get("CASTWARDEN_REQUIRE_REAL") == "1":
        raise pytest.UsageError(f"CASTWARDEN_REQUIRE_REAL=1, but these are not on the PATH: {', '.join(missing)}")
    if lost:
        config.hook.pytest_deselected(items=lost)
        items[:] = [item for item in items if item not in lost]
