# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is of the renditions that are not watched, and what a probe of one tells."""

from itertools import pairwise
from typing import Any

import pytest
from castwarden_worker.monitor.hls.renditions import Choice, choose
from castwarden_worker.monitor.hls.rota import Edge, Offer, Probe, RenditionRota, Turnover
from castwarden_worker.monitor.playlist import MediaPlaylist, MultivariantPlaylist, Rendition, Segment, Variant

URL = "https://o.example/live/master.m3u8"
LOW, MID, HIGH = (Variant(f"{height}.m3u8", 1000 * height, height, audio="a") for height in (144, 360, 1080))
SOUND = (Rendition("a", "English", "en.m3u8", default=True), Rendition("a", "Suomi", "fi.m3u8"))
ALL = MultivariantPlaylist((LOW, MID, HIGH), SOUND)


def rota(playlist: MultivariantPlaylist = ALL) -> RenditionRota:
    made = RenditionRota()
    made.offered(playlist, URL, choose(playlist), 0.0)
    return made


def turns(made: RenditionRota, until: float) -> list[tuple[float, str]]:
    """Who has a turn when, asked every second."""
    found = []
    for now in range(int(until)):
        if offer := made.turn(float(now)):
            found.append((float(now), offer.name))
    return found


def test_what_is_watched_has_no_turn_and_all_others_have() -> None:
    assert {name for _, name in turns(rota(), 300)} == {"360p", "1080p", "audio Suomi"}


def test_one_is_probed_every_half_minute_and_each_every_two_minutes_at_most() -> None:
    found = turns(rota(), 1200)
    times = [at for at, _ in found]
    assert times[:3] == [0.0, 30.0, 60.0]
    assert all(later - earlier >= 30 for earlier, later in pairwise(times))
    for name in ("360p", "1080p", "audio Suomi"):
        own = [at for at, whose in found if whose == name]
        assert {later - earlier for earlier, later in pairwise(own)} == {120.0}


def test_of_many_each_has_its_turn_and_hundreds_are_not_followed() -> None:
    many = MultivariantPlaylist(tuple(Variant(f"{n}", n, 100 + n) for n in range(300)))
    made = rota(many)
    assert len(made) == 20
    assert len({name for _, name in turns(made, 30 * 20)}) == 20


def test_one_that_failed_is_probed_again_soon() -> None:
    made = rota()
    offer = made.turn(0.0)
    assert offer
    made.failed(offer, 0.0)
    again = next(at for at, name in turns(made, 200) if name == offer.name)
    assert again == 65.0  # after the two whose first turn it is


def test_it_tells_how_long_to_wait() -> None:
    made = rota()
    assert made.wait(0.0) == 0.0
    made.turn(0.0)
    assert made.wait(10.0) == 20.0
    assert rota(MultivariantPlaylist((LOW,))).wait(0.0) is None


def test_urls_are_absolute_and_may_change_under_the_same_name() -> None:
    made = rota()
    names = {offer.name: offer.url for now in (0.0, 30.0, 60.0) if (offer := made.turn(now))}
    assert names["1080p"] == "https://o.example/live/1080.m3u8"
    signed = [Variant(f"{it.uri}?s=2", it.bandwidth + 7, it.height, audio="a") for it in (LOW, MID, HIGH)]
    again = MultivariantPlaylist(tuple(signed), SOUND)
    assert made.offered(again, "https://p.example/m.m3u8", choose(again), 70.0) == Turnover()
    urls = {offer.url for now in range(120, 300) if (offer := made.turn(float(now)))}
    assert "https://p.example/1080.m3u8?s=2" in urls
    assert not any("144" in url for url in urls)


def test_renditions_that_share_a_uri_are_one_and_those_of_one_height_are_told_apart() -> None:
    twins = (LOW, MID, Variant("360.m3u8", 1, 360), Variant("b.m3u8", 400_000, 360), Variant("v.m3u8", 5, None, "avc1"))
    assert {name for _, name in turns(rota(MultivariantPlaylist(twins)), 300)} == {"360p", "360p (2)", "variant"}


def test_what_comes_and_goes_is_told_once() -> None:
    made = rota()
    less = MultivariantPlaylist((LOW, MID), SOUND)
    assert made.offered(less, URL, choose(less), 100.0) == Turnover((), ("1080p",))
    assert made.offered(less, URL, choose(less), 200.0) == Turnover()
    more = MultivariantPlaylist((LOW, MID, HIGH, Variant("720.m3u8", 1, 720)), SOUND)
    assert made.offered(more, URL, choose(more), 300.0) == Turnover(("720p", "1080p"), ())


def test_one_that_is_no_longer_offered_has_its_turn_to_be_reported() -> None:
    made = rota()
    turns(made, 100)
    less = MultivariantPlaylist((LOW, MID), SOUND)
    made.offered(less, URL, choose(less), 100.0)
    offer = made.turn(130.0)
    assert offer
    assert offer.name == "1080p"
    assert not made.is_offered(offer)


def test_a_uri_that_is_none_is_no_rendition() -> None:
    broken = MultivariantPlaylist((LOW, Variant("http://[", 1, 720)))
    assert turns(rota(broken), 300) == []


def media(first: int, count: int, began: float | None = None) -> MediaPlaylist:
    segments = tuple(
        Segment(n, f"{n}", 4.0, program_time=None if began is None else began + 4 * n)
        for n in range(first, first + count)
    )
    return MediaPlaylist(segments, 4.0, first)


def probe(made: RenditionRota, playlist: MediaPlaylist, edge: Edge | None) -> Probe:
    return made.probed(Offer("360p", ""), playlist, edge)


def newest(playlist: MediaPlaylist) -> Edge:
    return Edge.of(playlist.segments[-1])


def test_lag_is_told_by_dates_whatever_the_numbering() -> None:
    assert probe(rota(), media(7000, 3, began=-7000 * 4), newest(media(0, 6, began=0.0))).lag == 12.0


def test_a_rendition_that_is_ahead_has_no_lag() -> None:
    assert probe(rota(), media(0, 6, began=0.0), newest(media(0, 3, began=0.0))).lag == 0.0
    assert probe(rota(), media(0, 6), newest(media(0, 3))).lag == 0.0


def test_without_dates_lag_is_told_by_numbers_that_were_alike_once() -> None:
    made = rota()
    assert probe(made, media(10, 5), newest(media(10, 6))).lag == 4.0
    assert probe(made, media(10, 5), newest(media(40, 5))).lag == 120.0


def test_without_dates_numbers_that_were_never_alike_tell_no_lag() -> None:
    made = rota()
    assert probe(made, media(10, 5), newest(media(5000, 5))).lag is None
    assert probe(made, media(11, 5), newest(media(5001, 5))).lag is None


def test_a_renumbered_rendition_is_not_alike_any_more() -> None:
    made = rota()
    assert probe(made, media(10, 5), newest(media(10, 5))).lag == 0.0
    assert probe(made, media(90_000, 5), newest(media(11, 5))).lag is None


def test_before_anything_is_watched_there_is_no_lag() -> None:
    assert probe(rota(), media(0, 3, began=0.0), None).lag is None


@pytest.mark.parametrize(
    ("before", "after", "advanced"),
    [
        (media(0, 3), media(0, 3), False),
        (media(0, 3), media(1, 3), True),
        (media(9, 3), media(8, 3), False),
        (media(9000, 3, began=-36_000), media(0, 3, began=100.0), True),
        (media(0, 3), MediaPlaylist((), 4.0), False),
    ],
    ids=["the same", "newer", "older", "numbered anew with later dates", "empty"],
)
def test_a_rendition_has_gone_on_when_its_newest_segment_is_newer(
    before: MediaPlaylist, after: MediaPlaylist, advanced: bool
) -> None:
    made = rota()
    assert not probe(made, before, None).advanced
    assert probe(made, after, None).advanced is advanced


def test_a_probe_of_one_that_is_not_known_tells_nothing() -> None:
    unknown: Any = rota().probed(Offer("none", ""), media(0, 3), None)
    assert unknown == Probe(None, advanced=False)


def test_what_is_watched_may_be_the_only_rendition() -> None:
    made = RenditionRota()
    made.offered(MultivariantPlaylist((LOW,)), URL, Choice("144.m3u8"), 0.0)
    assert made.turn(1000.0) is None


@pytest.mark.parametrize(
    ("fault", "bad", "expected"),
    [
        ("fails", (60, 65), [0, 60, 65, 70, 80, 140, 200, 260]),
        ("lags", (60, 70), [0, 60, 70, 80, 90, 150, 210, 270]),
    ],
)
def test_one_that_failed_or_lags_is_probed_soon_until_it_was_well_twice(
    fault: str, bad: tuple[int, ...], expected: list[int]
) -> None:
    made = RenditionRota(every=10.0, each=60.0)
    ladder = MultivariantPlaylist((LOW, MID))
    made.offered(ladder, URL, choose(ladder), 0.0)
    probes = []
    for now in range(300):
        if offer := made.turn(float(now)):
            probes.append(now)
            behind = 40.0 if fault == "lags" else 0.0
            if now in bad and fault == "fails":
                made.failed(offer, float(now))
                continue
            newest = Segment(now, "x.ts", 4.0, program_time=now - 4.0 - (behind if now in bad else 0.0))
            made.probed(offer, MediaPlaylist((newest,), 4.0), Edge(now, float(now)))
    assert probes == expected


def test_one_that_stays_away_is_soon_known_to_be_missing_and_then_has_its_turns_like_all_others() -> None:
    made = RenditionRota(every=10.0, each=60.0)
    ladder = MultivariantPlaylist((LOW, MID))
    made.offered(ladder, URL, choose(ladder), 0.0)
    probes = []
    for now in range(60):
        if offer := made.turn(float(now)):
            probes.append(now)
            made.failed(offer, float(now))
    assert probes == [0, 5, 10, 15, 20, 30, 40, 50]


def test_a_large_playlist_is_paid_for_with_time() -> None:
    made = rota()
    assert made.turn(0.0)
    made.cost(9_000, 0.0)
    assert made.wait(0.0) == 45.0
