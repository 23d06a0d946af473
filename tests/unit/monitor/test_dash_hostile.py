# SPDX-License-Identifier: Apache-2.0
"""Manifests that are made to cost much: what they cost is bounded by what they are."""

import threading
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from castwarden_worker.monitor.dash import addressing, loader, manifest, segments
from castwarden_worker.monitor.dash.addressing import MAX_URL
from castwarden_worker.monitor.dash.loader import DashLoader, DashSource
from castwarden_worker.monitor.dash.manifest import parse
from castwarden_worker.monitor.dash.numbers import Numbering
from castwarden_worker.monitor.dash.segments import MOST, MOST_CHARACTERS, Announced, announced
from castwarden_worker.monitor.errors import PlaylistError

from tests.unit.monitor.test_dash_segments import BEGAN, URL, at, mpd, names, period, timeline


class Counter:
    """Calls what it stands for, and counts that."""

    def __init__(self, stands_for: Any) -> None:
        self.stands_for, self.calls = stands_for, 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.calls += 1
        return self.stands_for(*given, **named)


@pytest.fixture
def spots(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter(segments._Spot)
    monkeypatch.setattr(segments, "_Spot", counter)
    return counter


def runs(count: int, repeat: int) -> str:
    return "".join(f'<S t="{at * (repeat + 1)}" d="1" r="{repeat}"/>' for at in range(count))


def test_of_a_static_timeline_of_many_runs_only_what_is_kept_is_made(spots: Counter) -> None:
    text = mpd(period(timeline(runs(300, 49_999))), kind="static")
    found = at(text, 0)
    assert spots.calls == len(found.segments) == 50_000
    assert found.segments[-1][1].uri.endswith(f"/{300 * 50_000 - 1}.m4s")


def test_of_a_live_timeline_of_many_runs_only_what_is_kept_is_made(spots: Counter) -> None:
    found = at(mpd(period(timeline(runs(1_000, 199)))), 30_000)
    assert spots.calls == len(found.segments) == MOST
    assert found.segments[-1][1].uri.endswith("/199999.m4s")


def test_holes_count_among_the_newest() -> None:
    text = mpd(period(timeline("".join(f'<S t="{20 * at}" d="10"/>' for at in range(200)))))
    found = at(text, 1_000).segments
    assert len(found) == MOST
    assert [segment.gap for _, segment in found[-4:]] == [True, False, True, False]


def test_numbers_that_end_leave_the_newest_of_those_that_there_are() -> None:
    text = mpd(period(timeline(runs(10, 99), more='startNumber="1" endNumber="130"', media="$Number$.m4s")))
    assert names(text, 1_000) == [f"{number}.m4s" for number in range(3, 131)]


def test_periods_without_anything_share_a_timeline_and_look_at_little_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_available", looked := Counter(segments._available))
    shared = timeline(runs(2_000, 0), more='startNumber="5" endNumber="4"')
    inner = (
        '<Period duration="PT1S"><AdaptationSet contentType="video"><Representation id="v"/></AdaptationSet></Period>'
    )
    assert at(mpd(shared, inner * 900, kind="static"), 0).segments == ()
    assert looked.calls == 900


@pytest.mark.parametrize(
    "inner",
    [
        '<SegmentTemplate duration="1" media="{}"/>',
        '<SegmentTemplate duration="1" media="a" initialization="{}"/>',
        '<SegmentTemplate duration="1" media="a"><Initialization sourceURL="{}"/></SegmentTemplate>',
        '<SegmentList duration="1"><SegmentURL media="{}"/></SegmentList>',
    ],
    ids=["media", "initialization", "sourceURL", "SegmentURL"],
)
def test_a_template_is_refused_before_it_is_multiplied(inner: str) -> None:
    parse(mpd(period(inner.format("a" * MAX_URL))).encode(), URL)
    with pytest.raises(PlaylistError, match=r"a URL of more than 16384 characters"):
        parse(mpd(period(inner.format("a" * (MAX_URL + 1)))).encode(), URL)


@pytest.mark.parametrize("where", ["media", "initialization"])
def test_a_template_that_repeats_a_long_name_is_refused_before_it_is_filled(where: str) -> None:
    urls = {"media": "m", "initialization": "i"} | {where: "$RepresentationID$" * 900}
    inner = f'<SegmentTemplate duration="1" media="{urls["media"]}" initialization="{urls["initialization"]}"/>'
    text = mpd(period(inner)).replace('id="v"', f'id="{"v" * 1_000_000}"')
    with pytest.raises(PlaylistError, match="a URL of more than 16384 characters"):
        at(text, 100)


def test_a_base_does_not_make_a_url_longer_than_any_may_be() -> None:
    text = mpd(f"<BaseURL>{'b' * 8_000}/</BaseURL>", period(f'<SegmentTemplate duration="1" media="{"a" * 9_000}"/>'))
    with pytest.raises(PlaylistError, match="a URL of more than 16384 characters"):
        at(text, 100)


@pytest.mark.parametrize(
    ("media", "name"),
    [("a" * 16_000, "v"), ("$RepresentationID$" * 900, ""), ("$RepresentationID$", "../" * 5_000)],
    ids=["long", "long and empty when filled", "long until it is joined"],
)
def test_all_urls_together_are_bounded(monkeypatch: pytest.MonkeyPatch, media: str, name: str) -> None:
    monkeypatch.setattr(segments, "fill", filled := Counter(addressing.fill))
    inner = f'<SegmentTemplate duration="1" media="{media}"/>'
    text = mpd(period(inner, attributes='duration="PT40000S"'), kind="static").replace('id="v"', f'id="{name}"')
    with pytest.raises(PlaylistError, match="URLs of more than 33554432 characters in all"):
        at(text, 0)
    assert filled.calls <= MOST_CHARACTERS / 15_000


def test_a_day_of_segments_with_signed_urls_is_followed_as_a_whole() -> None:
    inner = f'<SegmentTemplate duration="2" media="$Number$.m4s?signature={"s" * 400}"/>'
    assert len(at(mpd(period(inner, attributes='duration="PT86400S"'), kind="static"), 0).segments) == 43_200


def test_attributes_that_nobody_reads_are_not_copied_to_each_period(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[manifest._Scope] = []
    within = manifest._Scope.within

    def noted(scope: manifest._Scope, element: Element) -> manifest._Scope:
        taken.append(within(scope, element))
        return taken[-1]

    monkeypatch.setattr(manifest._Scope, "within", noted)
    more = " ".join(f'a{number}=""' for number in range(5_000))
    parse(
        mpd(
            period('<SegmentTemplate duration="1" media="a"/>', attributes='duration="PT1S"') * 100, more=more
        ).encode(),
        URL,
    )
    assert len(taken) == 301
    assert sum(len(scope.attributes or {}) for scope in taken) < 1_000


def test_a_window_that_shrinks_costs_what_it_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    class Known(dict[float, int]):
        searches = 0

        def __iter__(self) -> Any:
            type(self).searches += 1
            return super().__iter__()

    numbering = Numbering()
    numbering._known = Known()
    numbering.number([(float(at), at, 1.0) for at in range(50_000)])
    assert numbering.number([(50_000.0, 50_000, 1.0)]) == [50_000]
    assert next(iter(dict.keys(numbering._known))) == 50_000 - 511
    assert Known.searches <= 3


async def test_manifest_and_segments_are_made_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[int] = []

    def noted(*given: Any) -> Announced:
        where.append(threading.get_ident())
        return announced(*given)

    class Source(DashSource):
        def __init__(self) -> None:
            self.clock = type("Clock", (), {"now": staticmethod(lambda: BEGAN + 8)})()

        async def manifest(self, page: Any = None) -> manifest.Manifest:
            return parse(mpd(period('<SegmentTemplate duration="4" media="$Number$"/>')).encode(), URL)

    monkeypatch.setattr(loader, "announced", noted)
    loaded = await DashLoader(Source(), "video", Numbering()).load()
    assert len(loaded.playlist.segments) == 2
    assert threading.get_ident() not in where
    assert len(where) == 1
