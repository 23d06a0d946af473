# SPDX-License-Identifier: Apache-2.0
"""Fixtures that run a test against every control plane at hand: the stand-in always, a real one when it is announced.

A test that asks for `control_plane` or `kube` runs once per control plane. The real one is announced by
`KUBEBUILDER_ASSETS` and `KUBECONFIG`; `CASTWARDEN_REQUIRE_REAL=1` makes its absence an error.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from castwarden_base.waiting import wait_until

from tests.plugins.kube import Access, Kube, connect
from tests.plugins.objects import DEFINITIONS, NAMESPACES, SERVICE_ACCOUNTS, Object, make

CRDS = Path(__file__).parents[2] / "crds"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server with controllers, without any node."""

    name: str  # "standin" or "real"
    kubeconfig: Path

    @property
    def access(self) -> Access:
        return Access.read(self.kubeconfig)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "control_plane" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("control_planes")
        names = marker.args if marker else ("standin", "real")
        planes = [pytest.param(name, marks=pytest.mark.real if name == "real" else ()) for name in names]
        metafunc.parametrize("control_plane", planes, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a real control plane there are no cases for it."""
    if _real_kubeconfig() is not None:
        return
    if os.environ.get("CASTWARDEN_REQUIRE_REAL") == "1":
        raise pytest.UsageError(
            "CASTWARDEN_REQUIRE_REAL=1, but KUBEBUILDER_ASSETS and KUBECONFIG do not lead to a real control plane; "
            "start one and export them (cluster up --control-plane, cluster env)"
        )
    real = [item for item in items if item.get_closest_marker("real")]
    config.hook.pytest_deselected(items=real)
    items[:] = [item for item in items if item not in real]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "control_planes(*names): holds for these control planes only; say why beside it")


def _real_kubeconfig() -> Path | None:
    path = Path(os.environ.get("KUBECONFIG", "") or "/nonexistent")
    return path if os.environ.get("KUBEBUILDER_ASSETS") and path.is_file() else None


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of the control planes at hand, with our definitions of this very checkout applied to it."""
    if request.param == "real":
        kubeconfig = _real_kubeconfig()
        assert kubeconfig is not None
        plane = ControlPlane("real", kubeconfig)
        asyncio.run(_define(plane.access))
        yield plane
        return
    from tests.plugins.standin import standin_in_a_thread  # here, because most tests need none of it

    postgres_url = request.getfixturevalue("postgres_url")
    with standin_in_a_thread(postgres_url, tmp_path_factory.mktemp("standin")) as kubeconfig:
        plane = ControlPlane("standin", kubeconfig)
        asyncio.run(_define(plane.access))
        yield plane


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[Kube]:
    """A client with a fresh namespace, ready for Pods; the namespace goes with everything in it."""
    name = f"test-{uuid4().hex[:10]}"
    async with connect(control_plane.access, name) as client:
        await client.create(make(NAMESPACES, name))
        await wait_until(lambda: client.exists(SERVICE_ACCOUNTS, "default"), timeout=30)
        yield client
        await client.delete(NAMESPACES, name)


async def _define(access: Access) -> None:
    """Applies crds/*.yaml and waits until they are served."""
    async with connect(access, "") as kube:
        for file in sorted(CRDS.glob("*.yaml")):
            definition: Object = yaml.safe_load(file.read_text("utf-8"))
            await kube.apply(definition, manager="castwarden-tests", force=True)
            await wait_until(lambda: _established(kube, definition["metadata"]["name"]), timeout=30)  # noqa: B023


async def _established(kube: Kube, name: str) -> bool:
    status = (await kube.get(DEFINITIONS, name)).get("status", {})
    return any(each["type"] == "Established" and each["status"] == "True" for each in status.get("conditions") or ())
