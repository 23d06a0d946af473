# SPDX-License-Identifier: Apache-2.0
"""How the probe shows a watch to a person."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from castwarden_model.messages import Occurrence, Transition
from castwarden_model.resources.checks import Checks
from castwarden_model.resources.monitor import Statistics, StreamState
from castwarden_worker import probe_view
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.episode import Moment
from castwarden_worker.monitor.view import View, view_of
from rich.console import Console

NOW = Moment(100.0, 1e9 + 100)


def view(checks: CheckSet, segments: int = 25) -> View:
    statistics = Statistics(total_segments_analyzed=segments)
    return view_of((), checks, StreamState.LIVE, statistics, None, NOW)


def drawn(seen: View, width: int = 140) -> list[str]:
    console = Console(width=width, force_terminal=False, no_color=True)
    with console.capture() as capture:
        console.print(probe_view._table("http://origin.example/live.m3u8", seen))
    return capture.get().splitlines()


def rows(lines: list[str]) -> list[str]:
    """The first cell of each row."""
    cells = [line.split("│") for line in lines if "│" in line]
    return [row[1].strip() for row in cells if row[1].strip()]


def test_alerts_come_first_then_what_is_suspicious_and_the_quiet_ones_share_a_row() -> None:
    checks = CheckSet(Checks())
    for condition in ("silence", "rendition_missing"):
        check = checks.named(condition)
        assert check is not None
        check.prime(uuid4(), 1e9)
    black = checks.named("black")
    assert black is not None
    black.episode.observe(Moment(88.0, 1e9 + 88), bad=True)
    lines = drawn(view(checks))
    assert rows(lines)[:6] == ["silence", "rendition_missing", "black", "picture", "sound", "delivery"]
    assert len(rows(lines)) == 7
    assert any("bad for 12 s of 30 s" in line for line in lines)
    assert any("others" in line and "ok" in line for line in lines)
    assert "off: low_loudness" in " ".join(lines)


def test_a_failure_on_the_wall_clock_counts_its_seconds_there() -> None:
    checks = CheckSet(Checks())
    growth = checks.named("latency_growth")
    assert growth is not None
    growth.episode.observe(Moment(99.0, 1e9 + 80), bad=True)
    assert any("bad for 20 s of 30 s" in line for line in drawn(view(checks)))


def test_a_table_of_all_checks_fits_a_usual_terminal() -> None:
    assert all(len(line) <= 100 for line in drawn(view(CheckSet(Checks())), width=100))
    assert len(drawn(view(CheckSet(Checks())), width=100)) <= 24


def test_before_the_first_segment_nothing_is_called_well() -> None:
    lines = drawn(view(CheckSet(Checks()), segments=0))
    assert "ok" not in " ".join(lines).split()
    assert "waiting for the first segment" in " ".join(lines)


def test_an_alert_is_told_with_what_was_measured() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    raised = Transition(
        id=uuid4(),
        condition="codec_change",
        state="raised",
        episode=uuid4(),
        at=at,
        started_at=at,
        media_time=12.5,
        duration_sec=0.0,
        measured={"field": "height", "before": "720", "after": "\x1b[31m"},
    )
    told = probe_view.sentence(raised)
    assert told == "codec_change        raised  at 0:00:12.500 after 0.0 s (field height, before 720, after ?[31m)"
    keys = "condition state media_time time started_at duration threshold episode segment detail"
    assert probe_view.as_json(raised).keys() == {*keys.split(), "type", "timestamp", "data", "settled"}


def transition(state: str, **given: Any) -> Transition:
    at = "2026-11-20T12:00:00Z"
    values = {"id": uuid4(), "condition": "black", "state": state, "episode": uuid4(), "at": at, "started_at": at}
    return Transition.model_validate(values | {"media_time": 12.5, "duration_sec": 42.0, "threshold_sec": 30.0} | given)


def test_json_has_the_name_and_the_payload_of_the_webhook() -> None:
    raised = probe_view.as_json(transition("raised", measured={"dark_area": 0.998, "luma": 0.01}))
    assert (raised["type"], raised["timestamp"]) == ("alert.blackout", "2026-11-20T12:00:00Z")
    assert raised["data"] == {
        "condition": "black",
        "episode": raised["episode"],
        "duration_sec": 42.0,
        "started_at": "2026-11-20T12:00:00Z",
        "threshold_sec": 30.0,
        "measured": {"dark_area": 0.998, "luma": 0.01},
    }
    cleared = probe_view.as_json(transition("cleared"))
    assert cleared["type"] == "alert.blackout_recovered"
    assert cleared["data"]["total_duration_sec"] == 42.0


def test_what_nobody_saw_recover_is_no_event_and_is_not_called_cleared() -> None:
    settled = transition("cleared", settled="stream_ended")
    told = probe_view.as_json(settled)
    assert (told["type"], told["data"], told["settled"]) == (None, {}, "stream_ended")
    assert "ended   at 0:00:12.500 after 42.0 s without a recovery: stream_ended" in probe_view.sentence(settled)


def test_a_start_and_an_end_are_lines_too() -> None:
    ended = Occurrence.model_validate(
        {"id": uuid4(), "type": "stream.ended", "at": "2026-11-20T12:00:00Z", "data": {"reason": "endlist_detected"}}
    )
    assert probe_view.as_json(ended) == {
        "type": "stream.ended",
        "timestamp": "2026-11-20T12:00:00Z",
        "data": {"reason": "endlist_detected"},
        "condition": None,
    }
