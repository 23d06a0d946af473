# SPDX-License-Identifier: Apache-2.0
"""Cases of what a stream is made of: missing tracks, sound and picture apart, another format, lower quality."""

from collections.abc import Iterator

from .cases import Case, Format, Label, Medium, Packaging, Settings, Shift
from .drawings import slide
from .picture_cases import AFTER, BIKES, FMP4, FMP4_1, FMP4_APART, STILL, TS1, TS2, TS4
from .scenes import Dimmed, Plain, Scene
from .sounds import Music

USUAL = Format()
UNMARKED = Format(marked=False)


def built(
    name: str,
    *formats: tuple[float, Format],
    labels: tuple[Label, ...] = (),
    packaging: Packaging = TS2,
    shifts: tuple[Shift, ...] = (),
    deaf: tuple[tuple[float, float], ...] = (),
    checks: Settings | None = None,
) -> Case:
    """Motion and music all the time, in formats that take turns."""
    seconds = sum(length for length, _ in formats)
    medium = Medium(((seconds, BIKES),), ((seconds, Music()),), packaging, formats, shifts, deaf)
    return Case(name, medium, labels, checks or {})


def between(seconds: float, form: Format, marked: bool = False) -> tuple[tuple[float, Format], ...]:
    """So much of a format after twelve seconds of the usual one, and twelve more after it."""
    return ((12.0, USUAL), (seconds, form), (12.0, Format(marked=marked)))


def _missing() -> Iterator[Case]:
    mute, blind = Format(audio=None, marked=False), Format(video=None, marked=False)
    held = (Label("audio_missing", 12, 24),)
    yield built("sound is gone", *between(12, mute), labels=held)
    cut = Format(audio=None)
    yield built("sound is gone, with a discontinuity", *between(12, cut, marked=True), labels=held, packaging=TS4)
    yield built("sound is gone from fMP4", *between(12, cut, marked=True), labels=held, packaging=FMP4)
    yield built("sound is announced and does not come", (36, USUAL), labels=held, packaging=TS4, deaf=((12, 24),))
    yield built("sound is gone, just under", *between(4, mute), packaging=TS1)
    yield built("there never was any sound", (25, Format(audio=None)), packaging=TS4)
    always = {"expected": "Always"}
    yield built(
        "there never was any sound, and there should be",
        (25, Format(audio=None)),
        labels=(Label("audio_missing", 0),),
        checks={"audioMissing": always},
    )
    yield built(
        "no sound, and none is expected",
        *between(12, mute),
        packaging=FMP4_1,
        checks={"audioMissing": {"expected": "Never"}},
    )
    held = (Label("video_missing", 12, 24),)
    yield built("pictures are gone", *between(12, blind), labels=held)
    no_picture = Format(video=None)
    yield built("pictures are gone from fMP4", *between(12, no_picture, marked=True), labels=held, packaging=FMP4)
    yield built("pictures are gone, just under", *between(4, blind), packaging=TS1)
    yield built("radio", (25, Format(video=None)), packaging=TS4)
    yield built(
        "there never was a picture, and there should be",
        (25, Format(video=None)),
        labels=(Label("video_missing", 0),),
        checks={"videoMissing": always},
    )


def _drift() -> Iterator[Case]:
    whole = (60.0, USUAL)
    late = (Shift(20, 40, 0.8, 0.8),)
    held = (Label("av_drift", 20, 40),)
    yield built("sound is late by 0.8 s", whole, labels=held, shifts=late)
    yield built("sound is early by 0.8 s", whole, labels=held, shifts=(Shift(20, 40, -0.8, -0.8),), packaging=TS4)
    yield built("sound is late in fMP4", whole, labels=held, shifts=late, packaging=FMP4)
    yield built("sound is late and separate", whole, labels=held, shifts=late, packaging=FMP4_APART)
    yield built("sound is late by 0.3 s", whole, shifts=(Shift(20, 40, 0.3, 0.3),), packaging=TS4)
    yield built("sound is late for a moment", whole, shifts=(Shift(20, 24, 0.9, 0.9),))
    slow = (Shift(20, 60, 0.0, 1.6),)
    yield built("sound runs 4 % slow", (80, USUAL), labels=(Label("av_drift", 32.5, 60),), shifts=slow)
    yield built("sound runs a little slow", (80, USUAL), shifts=(Shift(20, 80, 0.0, 0.35),), packaging=TS4)


def changed() -> tuple[Label, ...]:
    """The format changes after twelve seconds: told at once, over when the new one has lasted the clear time."""
    return (Label("codec_change", 12, 22, due=12, clear_due=22),)


def _codecs() -> Iterator[Case]:
    hevc, small = Format("libx265"), Format(width=256, height=144)
    yield built("H.264 becomes HEVC", (12, USUAL), (24, hevc), labels=changed())
    # Over at 18; the clear time is for the usual format too, or a stream that alternates would tell it each time.
    back = (Label("codec_change", 12, 18, due=12, clear_due=28),)
    yield built("HEVC for a while", (12, USUAL), (6, hevc), (20, USUAL), labels=back)
    yield built("another picture size", (12, USUAL), (24, small), labels=changed(), packaging=FMP4)
    unmarked = Format(width=256, height=144, marked=False)
    yield built("another picture size, unmarked", (12, USUAL), (24, unmarked), labels=changed(), packaging=TS4)
    yield built("another sample rate", (12, USUAL), (24, Format(rate=44_100)), labels=changed())
    yield built("stereo becomes mono", (12, USUAL), (24, Format(layout="mono")), labels=changed(), packaging=FMP4_1)
    yield built("a discontinuity, nothing else", (12, USUAL), (8, USUAL), (16, USUAL), packaging=TS4)


def _quality() -> Iterator[Case]:
    timing = {"qualityDrop": {"raiseAfter": "10s", "clearAfter": "6s"}}
    poor, fair, half = Format(bitrate=50_000), Format(bitrate=230_000), Format(width=160, height=90)
    drop = (Label("quality_drop", 100, 130),)
    yield built("bitrate falls to a third", (100, USUAL), (30, poor), (30, USUAL), labels=drop, checks=timing)
    yield built("bitrate falls to four fifths", (100, USUAL), (30, fair), (20, USUAL), packaging=TS4, checks=timing)
    yield built("bitrate falls for a moment", (100, USUAL), (6, poor), (20, USUAL), checks=timing)
    both = (*drop, Label("codec_change", 100, 110, due=100, clear_due=110))
    yield built("half the height", (100, USUAL), (30, half), (30, USUAL), labels=(
        *both, Label("codec_change", 130, 140, due=130, clear_due=140)), packaging=FMP4, checks=timing)  # fmt: skip
    poorer: dict[str, tuple[Scene, tuple[Label, ...]]] = {
        "a still picture takes fewer bits": (STILL, (Label("freeze", 100, 130),)),
        "black takes fewer bits": (Plain(), (Label("black", 100, 130),)),
        "a night scene takes fewer bits": (Dimmed(BIKES, 0.3), ()),
        "a card takes fewer bits": (slide(), (Label("freeze", 100, 130),)),
    }
    for name, (scene, labels) in poorer.items():
        medium = Medium(((100.0, BIKES), (30.0, scene), (20.0, AFTER)), ((150.0, Music()),), TS4)
        yield Case(name, medium, labels, timing)


CASES: tuple[Case, ...] = (*_missing(), *_drift(), *_codecs(), *_quality())
