# SPDX-License-Identifier: Apache-2.0
"""Tests that need a node which runs containers: collected by `make cluster-e2e` and `make kind-e2e` only."""

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("CASTWARDEN_E2E") == "1":
        return
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
