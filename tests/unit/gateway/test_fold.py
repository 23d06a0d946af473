# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from castwarden_base.ids import uuid7
from castwarden_gateway.facts.errors import Fenced, InvalidReport
from castwarden_gateway.facts.fold import fold
from castwarden_gateway.facts.known import BENEATH, Added, Known
from castwarden_model.conditions import ALERTS
from castwarden_model.messages import OpenCondition, Report, ResourceRef
from castwarden_model.resources import Channel, DownloadJob, Monitor
from castwarden_model.resources.channel import ChannelStatus
from castwarden_model.resources.downloadjob import DownloadJobStatus
from castwarden_model.resources.monitor import MonitorStatus

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
REF = ResourceRef(kind="Monitor", namespace="default", name="one", uid="uid-1")
URL = {"source": {"url": "https://cdn.example.com/x.m3u8"}}
MONITOR = Monitor.model_validate({"spec": {**URL, "metadata": {"show": "news"}}})
CHANNEL = Channel.model_validate({"spec": {"source": {"feedUrl": "https://cdn.example.com/feed"}}})
EPISODES = [uuid7(), uuid7()]
DOWNLOAD = DownloadJob.model_validate({"spec": URL})


def known(**fields: Any) -> Known:
    return Known(REF, uuid7(), **{"epoch": 1, "pod": "pod-1", **fields})


def report(**fields: Any) -> Report:
    return Report.model_validate({"id": uuid7(), "resource": REF, "pod": "pod-1", "epoch": 1, "seq": 1, **fields})


def transition(condition: str, state: str, **fields: Any) -> dict[str, Any]:
    base = {"id": uuid7(), "condition": condition, "state": state, "episode": EPISODES[0], "at": NOW}
    return {**base, "started_at": NOW, "media_time": 1.0, "duration_sec": 31.0, "threshold_sec": 30.0, **fields}


def occurrence(type_: str, **data: Any) -> dict[str, Any]:
    return {"id": uuid7(), "type": type_, "at": NOW, "data": data}


def folded(state: Known, *reports: Report, resource: Any = MONITOR, repeated: set[UUID] | None = None) -> list[Added]:
    return [fold(state, one, resource, repeated or set(), NOW) for one in reports]


def types(added: list[Added]) -> list[str]:
    return [event.type for one in added for event in one.events]


RAISED, RECOVERED = "alert.blackout", "alert.blackout_recovered"


@pytest.mark.parametrize(
    ("open_before", "told", "events", "open_after"),
    [
        (None, ["raised 0"], [RAISED], 0),
        (None, ["cleared 0"], [], None),
        (None, ["raised 0", "raised 0"], [RAISED], 0),
        (None, ["raised 0", "cleared 0"], [RAISED, RECOVERED], None),
        (None, ["raised 0", "cleared 0", "raised 1"], [RAISED, RECOVERED, RAISED], 1),
        (0, ["raised 0"], [], 0),  # a worker that went on with it
        (0, ["cleared 0", "cleared 0"], [RECOVERED], None),
        (0, ["cleared 0", "raised 1"], [RECOVERED, RAISED], 1),
        (0, ["cleared 1"], [], 0),
        (0, ["raised 1"], [RECOVERED, RAISED], 1),
        (0, ["raised 1", "cleared 0"], [RECOVERED, RAISED], 1),
        (0, ["raised 1", "cleared 1"], [RECOVERED, RAISED, RECOVERED], None),
    ],
)
def test_an_episode_is_raised_once_and_cleared_once_by_its_own_end_or_by_the_next_one(
    open_before: int | None, told: list[str], events: list[str], open_after: int | None
) -> None:
    state = known()
    if open_before is not None:
        state.open["black"] = OpenCondition(condition="black", episode=EPISODES[open_before], started_at=NOW)
    transitions = [transition("black", one.split()[0], episode=EPISODES[int(one.split()[1])]) for one in told]
    assert types(folded(state, report(transitions=transitions))) == events
    assert [one.episode for one in state.open.values()] == ([] if open_after is None else [EPISODES[open_after]])


@pytest.mark.parametrize(("after", "lasted"), [(90.0, 90.0), (0.0, 0.0), (-5.0, 0.0)])
def test_a_lost_recovery_is_told_as_of_the_next_episode(after: float, lasted: float) -> None:
    state, began = known(), NOW + timedelta(seconds=after)
    first = transition("black", "raised")
    second = transition("black", "raised", episode=EPISODES[1], started_at=began, at=began + timedelta(seconds=30))
    recovered = folded(state, report(transitions=[first, second]))[0].events[1]
    at = NOW + timedelta(seconds=lasted)
    assert (recovered.type, recovered.timestamp, recovered.data["total_duration_sec"]) == (RECOVERED, at, lasted)
    assert recovered.data["started_at"] == "2026-11-20T12:00:00Z"
    assert recovered.data["recovered_at"] == at.isoformat().replace("+00:00", "Z")
    assert state.open["black"].started_at == began


@pytest.mark.parametrize("condition", list(ALERTS))
def test_a_lost_recovery_can_be_told_of_every_condition(condition: str) -> None:
    told = ALERTS[condition]
    transitions = [transition(condition, "raised", episode=one) for one in EPISODES]
    assert types(folded(known(), report(transitions=transitions))) == [told.raised, told.cleared, told.raised]


@pytest.mark.parametrize(
    ("condition", "raised", "cleared"),
    [
        ("black", {"duration_sec", "started_at", "threshold_sec", "segment_info"}, None),
        ("silence", {"duration_sec", "started_at", "threshold_sec", "segment_info"}, None),
        ("freeze", {"duration_sec", "started_at", "threshold_sec", "segment_info"}, None),
        ("stall", set(), set()),
        ("segment_errors", {"error", "duration_sec", "started_at"}, None),
        ("probe_blocked", {"reason", "hint"}, None),
    ],
)
def test_every_condition_tells_the_fields_that_its_events_promise(
    condition: str, raised: set[str], cleared: set[str] | None
) -> None:
    segment = {"sequence": 7, "duration": 4.0}
    first, second = (transition(condition, state, segment=segment) for state in ("raised", "cleared"))
    events = folded(known(), report(transitions=[first, second]))[0].events
    assert set(events[0].data) == raised
    recovered = {"total_duration_sec", "started_at", "recovered_at"} if cleared is None else cleared
    assert set(events[1].data) == recovered


def test_a_condition_of_a_newer_worker_is_kept_open_without_an_event() -> None:
    state = known()
    assert types(folded(state, report(transitions=[transition("loudness", "raised")]))) == []
    assert state.status["openConditions"] == ["loudness"]


def test_events_carry_the_resource_its_metadata_and_the_workers_time() -> None:
    at = NOW - timedelta(minutes=1)
    event = folded(known(), report(occurrences=[{**occurrence("stream.ended", reason="x"), "at": at}]))[0].events[0]
    assert (event.subject.uid, event.metadata, event.timestamp) == ("uid-1", {"show": "news"}, at)


def test_the_newest_snapshot_wins_and_facts_of_older_ones_still_count() -> None:
    state = known()
    newer = report(seq=5, monitor={"stream": "Live"})
    older = report(seq=4, monitor={"stream": "Upcoming"}, transitions=[transition("black", "raised")])
    assert types(folded(state, newer, older)) == ["alert.blackout"]
    assert (state.status["stream"]["state"], state.seq) == ("Live", 5)


def test_a_snapshot_whose_number_was_taken_before_changes_nothing() -> None:
    state = known()
    folded(state, report(seq=5, monitor={"stream": "Live"}), report(seq=5, monitor={"stream": "Ended"}))
    assert state.status["stream"]["state"] == "Live"


@pytest.mark.parametrize("before", ["Live", "Stalled", "Ended"])
def test_what_a_stream_was_is_kept_while_it_cannot_be_looked_at(before: str) -> None:
    state = known()
    folded(state, report(seq=1, monitor={"stream": before}))
    folded(state, *(report(seq=seq, monitor={"stream": "ProbeBlocked"}) for seq in (2, 3)))
    assert state.private[BENEATH] == before
    folded(state, report(seq=4, monitor={"stream": "Live"}))
    assert BENEATH not in state.private


def test_a_stream_keeps_the_time_since_when_it_is_as_it_is() -> None:
    state = known()
    fold(state, report(seq=1, monitor={"stream": "Live"}), MONITOR, set(), NOW)
    fold(state, report(seq=2, monitor={"stream": "Live"}), MONITOR, set(), NOW + timedelta(seconds=9))
    assert state.status["stream"]["since"] == "2026-11-20T12:00:00Z"
    fold(state, report(seq=3, monitor={"stream": "Ended"}), MONITOR, set(), NOW + timedelta(seconds=10))
    assert state.status["stream"]["since"] == "2026-11-20T12:00:10Z"


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"monitor": {"stream": "Live"}}, "False", "SourceHealthy"),
        ({"transitions": [transition("black", "raised")]}, "True", "ConditionsOpen"),
        ({"transitions": [transition("stall", "raised")]}, "True", "StreamStalled"),
        ({"monitor": {"stream": "ProbeBlocked", "reason": "bot_check"}}, "True", "ProbeBlocked"),
        ({"transitions": [transition("analysis_degraded", "raised")]}, "True", "ProbeDegraded"),
        ({"transitions": [transition("rendition_missing", "raised")]}, "True", "ConditionsOpen"),
    ],
)
def test_degraded_says_whether_the_source_is_faulty_and_why(fields: Any, status: str, reason: str) -> None:
    state = known()
    folded(state, report(**fields))
    condition = state.status["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Degraded", status, reason)


@pytest.mark.parametrize(
    ("conditions", "reason", "message"),
    [
        (("analysis_degraded",), "ProbeDegraded", "looks less deeply than it should: the worker cannot keep up"),
        (("silence", "black"), "ConditionsOpen", "open: black, silence"),
        (
            ("analysis_degraded", "black"),
            "ConditionsOpen",
            "open: black; looks less deeply than it should: the worker cannot keep up",
        ),
        (("black", "stall"), "StreamStalled", "open: black, stall"),
        (("stall", "probe_blocked"), "ProbeBlocked", "cannot look at the source: unknown; open: stall"),
    ],
)
def test_what_we_cannot_do_is_no_fault_of_the_stream(conditions: tuple[str, ...], reason: str, message: str) -> None:
    state = known()
    folded(state, report(transitions=[transition(condition, "raised") for condition in conditions]))
    condition = state.status["conditions"][0]
    assert (condition["reason"], condition["message"]) == (reason, message)
    assert state.status["openSummary"] == ", ".join(sorted(conditions))


def test_the_summary_of_what_is_open_stays_short() -> None:
    state = known()
    names = ["black", "silence", "stall", "av_drift", "pdt_jump", "slow_delivery", "freeze"]
    folded(state, report(seq=1, transitions=[transition(name, "raised") for name in names]))
    assert state.status["openSummary"] == "av_drift, black, freeze, pdt_jump, silence, +2"
    folded(state, report(seq=2, transitions=[]), report(seq=3, monitor={"stream": "Live"}))
    assert state.status["openSummary"].endswith("+2")


def test_degraded_keeps_the_time_of_its_last_change_while_only_the_reason_changes() -> None:
    state = known()
    times = []
    for second, changed in enumerate(
        [("black", "raised"), ("stall", "raised"), ("black", "cleared"), ("stall", "cleared")]
    ):
        one = report(seq=second, transitions=[transition(*changed)])
        fold(state, one, MONITOR, set(), NOW + timedelta(seconds=second))
        times.append(state.status["conditions"][0]["lastTransitionTime"])
    assert times == ["2026-11-20T12:00:00Z"] * 3 + ["2026-11-20T12:00:03Z"]


def test_degraded_says_why_the_source_cannot_be_looked_at_for_as_long_as_it_cannot() -> None:
    state = known()
    why = {"reason": "unreachable", "hint": "Check the URL."}
    folded(state, report(seq=1, transitions=[transition("probe_blocked", "raised", detail=why)]))
    folded(state, report(seq=2, monitor={"stream": "Live"}, transitions=[transition("black", "raised")]))
    condition = state.status["conditions"][0]
    assert condition["reason"] == "ProbeBlocked"
    assert condition["message"] == "cannot look at the source: unreachable; Check the URL.; open: black"
    folded(state, report(seq=3, transitions=[transition("probe_blocked", "cleared")]))
    assert state.status["conditions"][0]["message"] == "open: black"
    folded(state, report(seq=4, monitor={"stream": "ProbeBlocked", "reason": "bot_check"}))
    assert state.status["conditions"][0]["message"] == "cannot look at the source: bot_check; open: black"


def message_of(state: Known) -> str:
    return str(state.status["conditions"][0]["message"])


@pytest.mark.parametrize(("offset", "remark"), [(95.4, "about 100 s ahead"), (-42.0, "about 40 s behind")])
def test_a_clock_that_is_off_is_told_with_the_condition_and_alters_neither_it_nor_any_time(
    offset: float, remark: str
) -> None:
    state = known()
    raised = transition("black", "raised")
    added = folded(state, report(seq=1, monitor={"stream": "Live"}, transitions=[raised], clock_offset=offset))
    assert state.status["conditions"][0]["status"] == "True"
    assert message_of(state).startswith("open: black; the worker's clock is " + remark)
    assert added[0].events[0].timestamp == NOW
    folded(
        state,
        report(
            seq=2,
            monitor={"stream": "Live"},
            clock_offset=offset + 3,
            transitions=[{**raised, "id": uuid7(), "state": "cleared"}],
        ),
    )
    assert state.status["conditions"][0]["status"] == "False"
    assert message_of(state).startswith("the worker's clock is " + remark)
    folded(state, report(seq=3, monitor={"stream": "Live"}, clock_offset=1.0))
    assert message_of(state) == ""


def test_a_report_that_would_make_the_state_too_large_is_invalid() -> None:
    state = known()
    several = [transition(f"{number}{'x' * 200}", "raised") for number in range(400)]
    folded(state, report(seq=1, transitions=several[:200]))
    with pytest.raises(InvalidReport, match="state"):
        folded(state, report(seq=2, transitions=several[200:]))


def test_an_event_with_too_much_data_is_an_invalid_report() -> None:
    with pytest.raises(InvalidReport, match=r"stream\.ended"):
        folded(known(), report(occurrences=[occurrence("stream.ended", reason="x" * 70_000)]))


def test_an_older_epoch_is_fenced_off_unless_it_is_of_the_same_pod() -> None:
    with pytest.raises(Fenced):
        folded(known(epoch=2, pod="pod-2"), report(epoch=1))
    assert types(folded(known(epoch=2), report(epoch=1, transitions=[transition("black", "raised")])))


def test_a_snapshot_of_an_older_epoch_is_ignored_whatever_its_number() -> None:
    state = known(epoch=2, seq=3, status={"stream": {"state": "Live"}})
    folded(state, report(epoch=1, seq=99, monitor={"stream": "Ended"}))
    assert (state.status["stream"]["state"], state.seq) == ("Live", 3)


def test_a_newer_epoch_than_we_know_is_taken_over() -> None:
    state = known(epoch=1, seq=50)
    folded(state, report(epoch=4, seq=0, pod="pod-9", monitor={"stream": "Live"}))
    assert (state.epoch, state.seq, state.pod) == (4, 0, "pod-9")


def test_a_fact_that_was_taken_before_is_left_out() -> None:
    raised = transition("black", "raised")
    assert types(folded(known(), report(transitions=[raised]), repeated={raised["id"]})) == []


def test_data_that_the_catalogue_refuses_is_an_invalid_report() -> None:
    with pytest.raises(InvalidReport, match="delay_sec"):
        folded(known(), report(occurrences=[occurrence("stream.delayed")]))


def test_a_feed_that_did_not_change_keeps_its_validators_and_its_title() -> None:
    state = known()
    fresh = {"polled_at": NOW, "http_status": 200, "title": "News", "validators": {"etag": "a"}}
    folded(state, report(seq=1, feed=fresh), resource=CHANNEL)
    folded(state, report(seq=2, feed={"polled_at": NOW, "http_status": 304}), resource=CHANNEL)
    assert state.private["validators"] == {"etag": "a"}
    assert (state.status["feed"]["title"], state.status["feed"]["state"]) == ("News", "OK")
    folded(state, report(seq=3, feed={"polled_at": NOW, "error": "timeout"}), resource=CHANNEL)
    assert (state.private["validators"], state.status["feed"]["state"]) == ({"etag": "a"}, "Failing")


def test_new_videos_are_told_oldest_first_and_changed_ones_with_what_changed() -> None:
    state = known()
    videos = [
        {"media_id": "b", "title": "B", "url": "https://x/b", "published_at": NOW},
        {"media_id": "a", "title": "A", "url": "https://x/a", "published_at": NOW - timedelta(days=1)},
    ]
    first = folded(state, report(seq=1, videos=videos), resource=CHANNEL)[0]
    assert [event.data["youtube_id"] for event in first.events] == ["a", "b"]
    changed = [{**videos[0], "title": "B2", "views": 9}, {**videos[1], "views": 9}]
    second = folded(state, report(seq=2, videos=changed), resource=CHANNEL)[0]
    assert [(event.type, event.data["changed"]) for event in second.events] == [("video.updated", ["title"])]
    assert (state.status["videos"], state.status["lastVideoPublishedAt"]) == (2, "2026-11-20T12:00:00Z")


def test_a_download_ends_once_and_a_result_outlasts_a_failure() -> None:
    state = known()
    passing = {"failure": {"reason": "http_500", "message": "later", "final": False}}
    final = {"failure": {"reason": "unavailable", "message": "private", "final": True}}
    result = {"result": {"path": "a", "bytes": 1, "sha256": "0", "mediaId": "a", "title": "A"}}
    reports = [report(seq=n, download=one) for n, one in enumerate([passing, final, final, result, result, final])]
    assert types(folded(state, *reports, resource=DOWNLOAD)) == ["download.failed", "download.completed"]
    assert (state.status["state"], "error" in state.status) == ("Complete", False)


def test_what_is_folded_fits_the_schema_of_status() -> None:
    state = known()
    seen = {"stream": "Live", "title": "T", "scheduled_start": NOW, "last_check_at": NOW, "reason": "r"}
    folded(state, report(monitor=seen, transitions=[transition("black", "raised")]))
    strict = MonitorStatus.model_validate(state.status)
    assert strict.model_dump(mode="json", by_alias=True, exclude_unset=True) == state.status
    feed, video = {"polled_at": NOW, "http_status": 200}, {"media_id": "a", "title": "A", "url": "https://x/a"}
    channel = known()
    folded(channel, report(feed=feed, videos=[{**video, "published_at": NOW}]), resource=CHANNEL)
    assert ChannelStatus.model_validate(channel.status).model_fields_set == {
        "feed",
        "conditions",
        "videos",
        "last_video_published_at",
        "last_event",
    }
    download = known()
    result = {"path": "a", "bytes": 1, "sha256": "0", "mediaId": "a", "title": "A"}
    folded(download, report(download={"result": result, "progress": {"bytes": 1}}), resource=DOWNLOAD)
    parsed = DownloadJobStatus.model_validate(download.status)
    assert parsed.model_dump(mode="json", by_alias=True, exclude_unset=True) == download.status


@pytest.mark.parametrize(
    ("stream", "reason", "said"),
    [
        ({"stream": "Live"}, "SourceHealthy", ""),
        ({"stream": "Unknown", "reason": "http_404"}, "SourceNotSeen", "the stream has not been seen yet: http_404"),
        ({"stream": "Upcoming"}, "SourceNotSeen", "the stream has not been seen yet: no segment yet"),
        ({"stream": "Ended", "reason": "endlist_detected"}, "SourceEnded", "the stream has ended: endlist_detected"),
    ],
)
def test_a_source_is_called_healthy_only_while_it_is_seen(stream: dict[str, str], reason: str, said: str) -> None:
    state = known()
    folded(state, report(monitor=stream))
    condition = state.status["conditions"][0]
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", reason, said)
