# SPDX-License-Identifier: Apache-2.0
"""`castwarden probe`, as a process."""

import asyncio
import json
import sys
from typing import Any

import castwarden_worker.probe
import pytest
from castwarden_local.cli import app
from castwarden_local.origin.encode import Recipe
from castwarden_local.origin.live import LiveOrigin
from castwarden_worker.probe import UsageError, parse_sets
from typer.testing import CliRunner

SMALL = Recipe(width=160, height=90)
CODE = "import sys, json; from castwarden_worker.probe import run_probe; sys.exit(run_probe(**json.loads(sys.argv[1])))"


async def probe(url: str, **arguments: Any) -> tuple[int, str, str]:
    given = json.dumps({"url": url} | arguments)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CODE, given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(100):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_every_fact_is_one_json_line_and_nothing_else_is_on_stdout() -> None:
    script: Any = [(6, "motion"), (5, "black"), (9, "motion")]
    async with LiveOrigin(script, recipe=SMALL, live=False) as origin:
        status, out, err = await probe(origin.url, sets=["black.raiseAfter=3s", "black.clearAfter=1s"], json=True)
    started, raised, cleared, ended = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert (started["type"], started["condition"]) == ("stream.started", None)
    assert (ended["type"], ended["data"]) == ("stream.ended", {"reason": "endlist_detected"})
    assert (raised["condition"], raised["state"], raised["media_time"]) == (
        "black",
        "raised",
        pytest.approx(9, abs=0.1),
    )
    assert (cleared["state"], cleared["media_time"]) == ("cleared", pytest.approx(12, abs=0.1))
    assert raised["time"].endswith("Z")
    assert raised["episode"] == cleared["episode"]


async def test_plain_lines_when_stdout_is_no_terminal_and_an_end_when_the_time_is_up() -> None:
    async with LiveOrigin([(12, "motion")], recipe=SMALL) as origin:
        status, out, err = await probe(origin.url, for_seconds=3)
    assert status == 0
    assert "started" in out
    assert "time is up" in err


@pytest.mark.parametrize(
    ("path", "message"),
    [("main/0.ts", "this is a media file (video/mp2t), not a live playlist"), ("gone.m3u8", "HTTP 404")],
)
async def test_what_cannot_be_watched_ends_with_one_clear_line(path: str, message: str) -> None:
    async with LiveOrigin([(2, "motion")], recipe=SMALL, live=False) as origin:
        status, out, err = await probe(origin.url.replace("main.m3u8", path), json=True)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert message in err


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/live.m3u8", "http://no-such-host.invalid/page"])
@pytest.mark.parametrize("json", [True, False])
async def test_a_host_that_is_not_there_is_said_once_in_words_and_without_logs(url: str, json: bool) -> None:
    status, out, err = await probe(url, json=json)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert f"{url}: cannot reach no-such-host.invalid: " in err
    assert "ssl" not in err


@pytest.mark.parametrize("url", ["ftp://example.org/live.m3u8", "foo"])
async def test_what_is_no_url_is_wrong_usage(url: str) -> None:
    status, out, err = await probe(url)
    assert (status, out) == (2, "")
    assert err == f"castwarden probe: {url}: must be an http, https, rtmp, rtmps, rtsp, rtsps or srt URL\n"


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("blak.raiseAfter=5s", "choose from black, blackWithLogo, blank, freeze"),
        ("black.raise=5s", "enabled, raiseAfter, clearAfter, luma, area"),
        ("black", "check.parameter=value"),
        ("black.raiseAfter=5", "30s, 1m30s"),
        ("black.luma=2", "less than or equal to 1"),
    ],
)
def test_a_wrong_setting_names_the_choices(text: str, choices: str) -> None:
    with pytest.raises(UsageError, match=choices):
        parse_sets([text])


def test_settings_of_any_check_are_taken() -> None:
    checks = parse_sets(["black.raiseAfter=5s", "black.luma=0.2", "silence.enabled=false", "stall.raiseAfter=1m"])
    assert checks.black.raise_after.total_seconds() == 5
    assert (checks.black.luma, checks.silence.enabled) == (0.2, False)
    assert checks.stall.raise_after is not None


@pytest.mark.parametrize(
    ("arguments", "depth"), [([], "Adaptive"), (["--depth", "Full"], "Full"), (["--depth", "Some"], None)]
)
def test_the_depth_is_chosen_by_its_name(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], depth: str | None
) -> None:
    asked = []

    def run_probe(_: str, **given: Any) -> int:
        asked.append(given["depth"])
        return 0

    monkeypatch.setattr(castwarden_worker.probe, "run_probe", run_probe)
    result = CliRunner().invoke(app, ["probe", "https://example.com/live.m3u8", *arguments])
    assert asked == ([depth] if depth else [])
    assert result.exit_code == (0 if depth else 2)
