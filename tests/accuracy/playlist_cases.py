# SPDX-License-Identifier: Apache-2.0
"""Transport cases of playlists: pace, staleness, numbering, dates, windows, renditions, low latency, errors."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from .broadcast import Aired, Broadcast, View
from .cases import Label
from .transport import SEGMENT, Transport, each, marked, status, tape, text, view

_HOUR = 3600.0


def healthy(seconds: float) -> dict[str, Sequence[Aired]]:
    return {"main": tape().aired(seconds)}


def late_between(begin: float, end: float) -> dict[str, Sequence[Aired]]:
    """The origin publishes nothing from `begin` to `end`, and then all that has been held back."""
    aired = tape().aired(end + 60, publish=lambda ends: end if begin < ends < end else ends)
    return {"main": aired}


def at_its_pace(origin: Broadcast) -> str | None:
    """RFC 8216 §6.3.4: the target duration after a change, half of it after none. And each segment is fetched once."""
    loads = [at for at, path in origin.requests if path == "main.m3u8"][1:]  # the first is to find out what it is
    shortest = min(later - earlier for earlier, later in pairwise(loads))
    if shortest < SEGMENT / 2 - 0.01 or len(loads) > 1.5 * (loads[-1] - loads[0]) / SEGMENT + 2:
        return f"{len(loads)} loads, down to {shortest:.2f} s apart"
    return fetched_once(origin)


def fetched_once(origin: Broadcast) -> str | None:
    """All segments since the watch began, each once."""
    found = [int(number[1]) for _, path in origin.requests if (number := re.search(r"(\d+)\.ts$", path))]
    if len(set(found)) != len(found):
        return "a segment was fetched twice"
    return None if found == list(range(found[0], found[-1] + 1)) else "a segment was left out"


def _pace() -> Iterator[Transport]:
    yield Transport("a healthy stream", "reload pacing", healthy(200), inspect=at_its_pace)
    jitter = [0.0, 1.4, 0.3, 1.1, 0.0, 0.7]
    uneven = tape().aired(200, publish=lambda ends: ends + jitter[round(ends / SEGMENT) % len(jitter)])
    yield Transport("published unevenly", "reload pacing", {"main": uneven}, inspect=at_its_pace)
    yield Transport("one segment is late by 1.3 target durations", "staleness", late_between(80, 89.2))
    yield Transport("nothing new for 13 s", "staleness", late_between(80, 93), window=48)
    stalled = Label("stall", 80, 120, due=95, clear_due=120)
    yield Transport("nothing new for 40 s", "staleness", late_between(80, 120), (stalled,), window=60)
    before, after = tape().aired(80), tape().aired(240)[20:]
    resumed = [
        replace(
            segment, begins=segment.begins + 40, published=segment.published + 40, discontinuity=segment is after[0]
        )
        for segment in after
    ]
    off = Label("stall", 80, 124, due=95, clear_due=128)
    yield Transport("the encoder is off for 40 s", "staleness", {"main": [*before, *resumed]}, (off,))


def _numbering() -> Iterator[Transport]:
    def older(shown: View, _: float) -> View:
        shown.segments = shown.segments[:-3]
        return shown

    regression = Label("sequence_regression", 80, 86, due=80, clear_due=116)
    yield Transport(
        "a cache answers with an older copy",
        "sequence regression",
        healthy(180),
        (regression,),
        faults=(view(older, 80, 86),),
    )

    def alternating(shown: View, now: float) -> View:
        shown.segments = shown.segments[: -1 if round(now / 2) % 2 else None]
        return shown

    yield Transport(
        "two caches, one a segment behind", "sequence regression", healthy(180), faults=(view(alternating),)
    )

    def swinging(shown: View, now: float) -> View:
        shown.segments = shown.segments[:-2] if now % 30 < 12 else shown.segments
        return shown

    swings = Label("sequence_regression", 90, 156, exact=4.0, due=90, clear_due=186)
    yield Transport(
        "a cache falls back every half minute",
        "sequence regression",
        healthy(240),
        (swings,),
        faults=(view(swinging, 88, 160),),
    )
    second = [
        replace(
            one, name=f"again/{at}.ts", begins=one.begins + 100, published=one.published + 100, discontinuity=at == 0
        )
        for at, one in enumerate(tape().aired(120))
    ]

    def anew(shown: View, _: float) -> View:
        shown.segments = [segment for segment in shown.segments if segment.name.startswith("again")]
        shown.sequence = int(shown.segments[0].name[6:-3])
        shown.discontinuities = 0
        return shown

    yield Transport(
        "the origin begins to number anew",
        "sequence regression",
        {"main": [*tape().aired(100), *second]},
        told=((104.0, "stream.epoch_changed"),),
        faults=(view(anew, 104),),
        first_sequence=5000,
    )

    def ahead(shown: View, _: float) -> View:
        first = next(at for at, segment in enumerate(shown.segments) if segment.begins >= 80)
        shown.segments, shown.sequence = shown.segments[first:], shown.sequence + first + 9
        return shown

    yield Transport("numbers jump ahead by nine", "sequence jump", healthy(180), faults=(view(ahead, 84),))
    signed = each(lambda segment: replace(segment, name=f"{segment.name}?expires={segment.published}&sig=x"))

    def resigned(shown: View, now: float) -> View:
        shown.segments = [replace(one, name=f"{one.name}?at={now:.3f}") for one in shown.segments]
        return shown

    yield Transport("signed URIs", "changed URIs", healthy(120), faults=(signed,), inspect=at_its_pace)
    yield Transport(
        "URIs signed anew each time", "changed URIs", healthy(120), faults=(view(resigned),), inspect=at_its_pace
    )
    rooted = each(lambda segment: replace(segment, name=f"/{segment.name}"))
    yield Transport("root-relative URIs", "changed URIs", healthy(120), faults=(rooted,), inspect=at_its_pace)
    rare = marked(tape().aired(300), *range(7, 75, 7))
    yield Transport("advertisements every 28 s", "discontinuity sequence", {"main": rare}, inspect=at_its_pace)
    storm = marked(tape().aired(240), *range(20, 28))
    storming = Label("discontinuity", 80, 110, exact=4.0, due=96, clear_due=170)
    yield Transport("eight discontinuities in 32 s", "discontinuity sequence", {"main": storm}, (storming,))


def _storms() -> Iterator[Transport]:
    each_segment = marked(tape().aired(240), *range(20, 40))
    storming = Label("discontinuity", 80, 156, exact=4.0, due=96, clear_due=216)
    yield Transport(
        "a discontinuity before every segment", "discontinuity sequence", {"main": each_segment}, (storming,)
    )
    five = marked(tape().aired(240), 20, 23, 26, 29, 32)
    barely = Label("discontinuity", 80, 128, exact=4.0, due=128, clear_due=188)
    yield Transport("five discontinuities in a minute", "discontinuity sequence", {"main": five}, (barely,))
    four = marked(tape().aired(240), 20, 24, 28, 32)
    yield Transport("four discontinuities in a minute", "discontinuity sequence", {"main": four})


def _lengths() -> Iterator[Transport]:
    def longer(shown: View, _: float) -> View:
        shown.target = 6
        return shown

    def shorter(shown: View, _: float) -> View:
        shown.target = 3
        return shown

    def newest_two(shown: View, _: float) -> View:
        shown.sequence += len(shown.segments[:-2])
        shown.segments = shown.segments[-2:]
        return shown

    yield Transport("the target duration grows", "target duration", healthy(160), faults=(view(longer, 80),))
    yield Transport("segments are longer than announced", "target duration", healthy(160), faults=(view(shorter),))
    yield Transport(
        "a window of two segments", "window", healthy(160), faults=(view(newest_two),), inspect=fetched_once
    )
    yield Transport("a window of five minutes", "window", healthy(400), window=300, inspect=at_its_pace)


def _dates() -> Iterator[Transport]:
    def off(seconds: float, begin: float) -> tuple[Aired, ...]:
        return tuple(
            replace(one, program_time=one.begins + seconds) if one.begins >= begin else one for one in tape().aired(200)
        )

    jump = Label("pdt_jump", 80, 84, due=80, clear_due=114)
    yield Transport("dates jump ahead by 12 s", "PDT", {"main": off(12, 80)}, (jump,))
    yield Transport("dates jump back by 12 s", "PDT", {"main": off(-12, 80)}, (jump,))
    excused = marked(off(12, 80), 20)
    yield Transport("dates jump at a discontinuity", "PDT", {"main": excused})
    yield Transport("dates jump ahead by 1.5 s", "PDT", {"main": off(1.5, 80)}, (jump,))
    yield Transport("dates jump back by an hour", "PDT", {"main": off(-_HOUR, 80)}, (jump,))
    yield Transport("dates are 0.6 s off", "PDT", {"main": off(0.6, 80)})
    yield Transport("the origin's clock is an hour slow", "latency", {"main": off(-_HOUR, -1)})
    slow = [replace(one, program_time=one.begins * 0.997) for one in tape().aired(600)]
    yield Transport("dates run 0.3 % slow", "PDT", {"main": slow})

    def undated(shown: View, _: float) -> View:
        shown.dates = "none"
        return shown

    def once(shown: View, _: float) -> View:
        shown.dates = "first"
        return shown

    yield Transport("no dates", "latency", healthy(200), faults=(view(undated),))
    yield Transport("only the first segment has a date", "PDT", healthy(200), faults=(view(once),))
    behind = tape().aired(
        560, publish=lambda ends: ends + min(18.0, max(0.0, ends - 340) * 0.3) if ends <= 460 else max(478.0, ends)
    )
    late = tape().aired(300, publish=lambda ends: ends + 16)
    yield Transport("segments always come 16 s late", "latency", {"main": late}, window=60)
    creeping = tape().aired(900, publish=lambda ends: ends + min(9.0, max(0.0, ends - 300) * 0.03))
    yield Transport("segments come 9 s later and stay so", "latency", {"main": creeping}, window=60)
    growing = Label("latency_growth", 383, 478, exact=6.0)
    slower = tape().aired(
        720, publish=lambda ends: ends + min(20.0, max(0.0, ends - 340) * 0.08) if ends <= 620 else max(640.0, ends)
    )
    # 10 s more than before are reached at 465; at this pace, two seconds between loads are 25 s. The rest comes at 640.
    creeps = Label("latency_growth", 465, 640, exact=25.0, due=495, clear_due=670, late=25.0)
    yield Transport("segments come slowly later", "latency", {"main": slower}, (creeps,), window=80)
    yield Transport("segments come ever later", "latency", {"main": behind}, (growing,), window=60)


def _failing() -> Iterator[Transport]:
    playlist = r"main\.m3u8"
    page = "<!DOCTYPE html><html><body>Please log in</body></html>"
    yield Transport(
        "one load fails", "playlist errors", healthy(160), faults=(status(503, 80, 82, playlist),), inspect=fetched_once
    )
    # Loads at 84.5, 86.5 and 90.5 fail; a stall begins with the last segment that came, at 80.
    failing = Label("playlist_errors", 81, 111, exact=4.0, due=89, clear_due=141)
    stalled = Label("stall", 80, 113, exact=4.0, due=95, clear_due=115)
    for name, fault in {
        "the playlist answers 503 for 30 s": status(503, 81, 111, playlist),
        "the playlist is a web page for 30 s": text(page, 81, 111),
        "the playlist is cut off for 30 s": text("#EXTM3U\n#EXT-X-TARG", 81, 111),
    }.items():
        yield Transport(name, "playlist errors", healthy(200), (failing, stalled), faults=(fault,), window=60)
    yield Transport("the stream ends", "ENDLIST", healthy(120), inspect=fetched_once)

    def event(shown: View, _: float) -> View:
        shown.kind = "VOD" if shown.ended else "EVENT"
        return shown

    yield Transport(
        "an event that becomes a recording", "playlist type", healthy(160), window=1e9, faults=(view(event),)
    )


CASES: tuple[Transport, ...] = (*_pace(), *_numbering(), *_storms(), *_lengths(), *_dates(), *_failing())
