# SPDX-License-Identifier: Apache-2.0
"""What the images are made of is locked by hash, is what is tested, and tells nothing of where it was made."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from castwarden_model import __version__

ROOT = Path(__file__).parents[3]
LOCKS = sorted((ROOT / "images" / "locks").glob("*.txt"))
DOCKERFILES = sorted(ROOT.glob("Dockerfile.*"))


def _pins(text: str) -> dict[str, tuple[str, set[str]]]:
    """Name → version and hashes."""
    found = {}
    for block in re.split(r"\n(?=\S)", text.replace("\\\n", " ")):
        if match := re.match(r"([a-z0-9.-]+)==(\S+)", block):
            found[match[1]] = (match[2], set(re.findall(r"--hash=(\S+)", block)))
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_package_of_an_image_has_hashes_and_no_place_where_it_came_from(lock: Path) -> None:
    text = lock.read_text("utf-8")
    pins = _pins(text)
    assert pins
    assert all(hashes for _, hashes in pins.values())
    assert not re.search(r"https?://|file:|(?<![\w.])/[a-z]+/", text)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_an_image_has_the_versions_that_are_tested(lock: Path) -> None:
    tested = _pins((ROOT / "requirements.lock").read_text("utf-8"))
    for name, pin in _pins(lock.read_text("utf-8")).items():
        if name in tested:
            assert pin[0] == tested[name][0], name


def test_only_the_layer_of_its_own_has_yt_dlp() -> None:
    with_it = [lock.stem for lock in LOCKS if "yt-dlp" in _pins(lock.read_text("utf-8"))]
    assert with_it == ["yt-dlp"]


def test_yt_dlp_gets_the_scripts_that_it_was_made_for() -> None:
    pins = _pins((ROOT / "images" / "locks" / "yt-dlp.txt").read_text("utf-8"))
    assert metadata.version("yt-dlp") == pins["yt-dlp"][0]
    wanted = {each.partition(";")[0] for each in metadata.requires("yt-dlp") or () if each.startswith("yt-dlp-ejs")}
    assert wanted == {f"yt-dlp-ejs=={pins['yt-dlp-ejs'][0]}"}


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.suffix)
def test_an_image_begins_with_debian_and_runs_as_nobody_in_particular(dockerfile: Path) -> None:
    lines = dockerfile.read_text("utf-8").splitlines()
    instructions = [line for line in lines if re.match(r"[A-Z]+ ", line)]
    assert instructions[0].startswith("FROM debian:trixie-slim")
    (user,) = [line for line in instructions if line.startswith("USER")]
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", user)
    text = "\n".join(lines)
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in text


def test_the_chart_is_of_the_version_of_the_program() -> None:
    chart = (ROOT / "helm" / "castwarden" / "Chart.yaml").read_text("utf-8")
    assert f"\nappVersion: {__version__}\n" in chart


def test_a_bill_of_materials_names_what_is_there(tmp_path: Path) -> None:
    status = tmp_path / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    (status / "libc6").write_text("Package: libc6\nVersion: 2.41-12+deb13u1\nArchitecture: amd64\n", "utf-8")
    info = tmp_path / "opt/castwarden/lib/aiohttp-3.14.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: aiohttp\nVersion: 3.14.5\nLicense-Expression: Apache-2.0\n", "utf-8")
    program = [sys.executable, str(ROOT / "images" / "sbom.py"), "castwarden-gateway", "0.1.0", str(tmp_path)]
    told = json.loads(subprocess.run(program, capture_output=True, check=True, text=True).stdout)
    assert told["metadata"]["component"]["name"] == "castwarden-gateway"
    assert [each["purl"] for each in told["components"]] == [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=trixie",
        "pkg:pypi/aiohttp@3.14.5",
    ]
    assert told["components"][1]["licenses"] == [{"expression": "Apache-2.0"}]
