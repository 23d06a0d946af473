# SPDX-License-Identifier: Apache-2.0
"""Cases of what can be heard: silence, one silent channel, loudness, clipping, and all that only sounds like them."""

from collections.abc import Iterator
from typing import Literal

from .cases import Case, Format, Label, Medium, Packaging, Settings
from .picture_cases import APART, BIKES, FMP4, FMP4_1, FMP4_APART, LONG, TS1, TS2, TS4, TS6, TS10
from .sounds import Hiss, Hush, Mixed, Music, Overdriven, Sound, Speech, Spread, Tone

TALK = Speech()
MORE = Speech(seed=8)


def heard(
    name: str,
    *script: tuple[float, Sound],
    labels: tuple[Label, ...] = (),
    packaging: Packaging = TS2,
    layout: Literal["mono", "stereo", "5.1"] = "stereo",
    bitrate: int = 96_000,
    codec: str = "aac",
    checks: Settings | None = None,
) -> Case:
    """A case of sound only: there is motion all the time."""
    seconds = sum(length for length, _ in script)
    form = Format(audio=codec, layout=layout, audio_bitrate=bitrate)
    return Case(name, Medium(((seconds, BIKES),), script, packaging, ((seconds, form),)), labels, checks or {})


def inside(seconds: float, sound: Sound) -> tuple[tuple[float, Sound], ...]:
    """So much of a sound after ten seconds of talk, and ten more after it."""
    return ((10.0, TALK), (seconds, sound), (10.0, MORE))


def _silence() -> Iterator[Case]:
    for name, packaging in {"1 s ts": TS1, "4 s apart": APART, "4 s fmp4": FMP4, "10 s segments": TS10}.items():
        yield heard(f"silence just under, {name}", *inside(4.8, Hush()), packaging=packaging)
        over = (Label("silence", 10, 15.3),)
        yield heard(f"silence just over, {name}", *inside(5.3, Hush()), labels=over, packaging=packaging)
    held = (Label("silence", 10, 18),)
    yield heard("hiss at -55 dBFS", *inside(8, Hiss(-55)), labels=held, packaging=TS4)
    yield heard("hiss at -52 dBFS", *inside(8, Hiss(-52)), labels=held, packaging=FMP4_APART)
    yield heard("hiss at -48 dBFS", *inside(12, Hiss(-48)), packaging=TS4)
    yield heard("hiss at -52 dBFS, mono", *inside(8, Hiss(-52)), labels=held, layout="mono", packaging=TS6)
    yield heard("quiet speech at -45 dBFS", (35, Speech(-45)), packaging=TS2)
    yield heard("quiet speech at -45 dBFS, apart", (10, TALK), (30, Speech(-45, 9)), packaging=APART)
    yield heard("hum of 50 Hz at -40 dBFS", *inside(12, Tone(50, -37)), packaging=FMP4_1)
    yield heard("silence from the start", (8, Hush()), (15, TALK), labels=(Label("silence", 0, 8),), packaging=TS4)
    yield heard("silence to the end", (12, Music()), (14, Hush()), labels=(Label("silence", 12),), packaging=FMP4_APART)
    yield heard("silence in 5.1", *inside(8, Hush()), labels=held, layout="5.1", bitrate=256_000, packaging=TS2)
    beeps = tuple(part for _ in range(6) for part in ((0.3, Tone(1000, -20)), (4.0, Hush())))
    yield heard("beeps in silence", (10, TALK), *beeps, (6, MORE), packaging=TS4)
    flapping = tuple(part for _ in range(4) for part in ((7.0, Hush()), (1.0, MORE)))
    yield heard(
        "silence, flapping while it is open",
        *((10, TALK), *flapping, (10, MORE)),
        labels=(Label("silence", 10, 41),),
        packaging=TS1,
    )
    yield heard("long pauses in a play", (6, TALK), (4, Hiss(-70)), (5, MORE), (4.5, Hush()), (6, TALK), packaging=LONG)
    yield heard("real sound with soft passages", (40, Music(-26)), packaging=TS4)


def _one_channel() -> Iterator[Case]:
    left_off, right_off = Spread(TALK, (None, 0.0)), Spread(TALK, (0.0, None))
    held = (Label("one_channel_silent", 10, 20),)
    yield heard("left channel off", *inside(10, left_off), labels=held, packaging=TS4)
    yield heard("right channel off", *inside(10, right_off), labels=held, packaging=FMP4_APART)
    yield heard("one channel off, just under", *inside(5.5, right_off), packaging=TS1)
    yield heard("one channel off, just over", *inside(6.6, right_off), labels=(Label("one_channel_silent", 10, 16.6),))
    hissing = Mixed(right_off, Spread(Hiss(-58), (None, 0.0)))
    yield heard("one channel only hisses", *inside(10, hissing), labels=held, packaging=FMP4)
    yield heard("one channel is quieter", *inside(12, Spread(Speech(-20), (0.0, -22.0))), packaging=TS4)
    from_start = (Label("one_channel_silent", 0, 12),)
    yield heard("one channel off from the start", (12, left_off), (12, TALK), labels=from_start, packaging=TS2)
    yield heard("both channels off", *inside(10, Hush()), labels=(Label("silence", 10, 20),), packaging=TS6)
    yield heard("mono", (25, TALK), layout="mono", packaging=APART)
    effects = Spread(TALK, (0.0, 0.0, 0.0, None, -6.0, -6.0))
    yield heard("5.1 without low-frequency effects", (25, effects), layout="5.1", bitrate=256_000, packaging=TS2)
    front = Spread(TALK, (None, 0.0, 0.0, 0.0, 0.0, 0.0))
    yield heard(
        "5.1 with front left off", *inside(10, front), labels=held, layout="5.1", bitrate=256_000, packaging=TS4
    )


# A sine of 997 Hz in both channels measures as many LUFS as its peak has dBFS (ITU-R BS.1770-4, annex 1).
def _loudness() -> Iterator[Case]:
    on = {"enabled": True, "raiseAfter": "6s", "clearAfter": "4s"}
    usual, low, fair = Tone(997, -23), Tone(997, -44), Tone(997, -38)
    # The window of 3 s must hold less than 0.5 % of the louder sound to fall below -40 LUFS.
    short = (Label("low_loudness", 12.98, 27),)
    yield heard(
        "too quiet by short-term loudness",
        (10, usual),
        (17, low),
        (10, usual),
        labels=short,
        checks={"lowLoudness": on},
    )
    yield heard("just loud enough", (10, usual), (17, fair), (10, usual), packaging=TS4, checks={"lowLoudness": on})
    moments = on | {"measure": "Momentary"}
    momentary = (Label("low_loudness", 10.4, 22),)
    yield heard(
        "too quiet by momentary loudness",
        *((10, usual), (12, low), (10, usual)),
        labels=momentary,
        packaging=FMP4,
        checks={"lowLoudness": moments},
    )
    yield heard(
        "too quiet by integrated loudness",
        *((20, low), (15, usual)),
        labels=(Label("low_loudness", 0.4, 20),),
        packaging=APART,
        checks={"lowLoudness": on | {"measure": "Integrated"}},
    )
    yield heard(
        "integrated loudness forgives a quiet scene",
        *((20, usual), (15, low), (5, usual)),
        packaging=TS4,
        checks={"lowLoudness": on | {"measure": "Integrated"}},
    )
    yield heard("mono is 3 dB less loud", (25, Tone(997, -38.5)), layout="mono", labels=(
        Label("low_loudness", 0.0, exact=3.1, due=9.0),), checks={"lowLoudness": on})  # fmt: skip


def _clipping() -> Iterator[Case]:
    on = {"enabled": True, "raiseAfter": "5s", "clearAfter": "4s"}
    held = (Label("clipping", 10, 20, exact=1.0),)
    soft, loud = Music(-32), Overdriven(Mixed(Music(-20), Hiss(-14)), 16)
    yield heard("overdriven", (10, soft), (10, loud), (12, soft), labels=held, bitrate=160_000, checks={"clipping": on})
    yield heard("loud, not clipping", (30, Music(-27)), bitrate=160_000, packaging=TS4, checks={"clipping": on})
    # A quarter of the sample rate at 45 degrees: no sample is ever near the peak of the wave. AAC would take off 2 dB.
    between, below = Tone(12_000, 0.6, 45), Tone(12_000, -0.6, 45)
    script = ((10.0, soft), (10.0, between), (12.0, soft))
    yield heard(
        "peaks between the samples",
        *script,
        labels=held,
        packaging=TS4,
        checks={"clipping": on},
        bitrate=192_000,
        codec="ac3",
    )
    script = ((10.0, soft), (12.0, below), (8.0, soft))
    yield heard("almost peaks between the samples", *script, checks={"clipping": on}, bitrate=192_000, codec="ac3")
    now_and_then = tuple(part for _ in range(5) for part in ((0.5, loud), (3.5, soft)))
    yield heard(
        "clips now and then",
        (10, soft),
        *now_and_then,
        (6, soft),
        bitrate=160_000,
        packaging=TS4,
        checks={"clipping": on},
    )


CASES: tuple[Case, ...] = (*_silence(), *_one_channel(), *_loudness(), *_clipping())
