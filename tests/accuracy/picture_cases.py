# SPDX-License-Identifier: Apache-2.0
"""Cases of what can be seen: black, black with a logo, one colour, freeze, and all that only looks like them."""

from collections.abc import Iterator

from .cases import Case, Format, Label, Medium, Packaging, Settings
from .drawings import bars, clock, credits_roll, letterbox, lights, logo, slide
from .scenes import Dimmed, Fade, Flat, Footage, Grain, Held, Inlay, Pan, Plain, Scene, Turn
from .sounds import Speech

TS1 = Packaging(1, 1)
TS2 = Packaging(2, 2)
TS4 = Packaging(4, 2)
TS6 = Packaging(6, 6)
TS10 = Packaging(10, 2)
LONG = Packaging(2, 10)  # a group of pictures lasts five segments
LONGEST = Packaging(10, 10)
FMP4 = Packaging(4, 2, "fmp4")
FMP4_1 = Packaging(1, 1, "fmp4")
APART = Packaging(4, 2, "ts", separate=True)
FMP4_APART = Packaging(4, 4, "fmp4", separate=True)

BIKES = Footage()
AFTER = Footage(start=120)
BUNNY = Footage("bunny", left=80, top=40)
STILL = Held(BIKES, 249)  # as the last picture of ten seconds of BIKES, which lead in
POOR = Format(bitrate=60_000)


def seen(
    name: str,
    *script: tuple[float, Scene],
    labels: tuple[Label, ...] = (),
    packaging: Packaging = TS2,
    form: Format | None = None,
    checks: Settings | None = None,
) -> Case:
    """A case of pictures only: somebody talks all the time."""
    seconds = sum(length for length, _ in script)
    formats = ((seconds, form),) if form else ()
    return Case(name, Medium(script, ((seconds, Speech()),), packaging, formats), labels, checks or {})


def inside(seconds: float, scene: Scene) -> tuple[tuple[float, Scene], ...]:
    """So much of a scene after ten seconds of motion, and ten more after it."""
    return ((10.0, BIKES), (seconds, scene), (10.0, AFTER))


def _thresholds() -> Iterator[Case]:
    """Three frames less and three frames more than the raise time, however it is packaged."""
    packagings = {
        "1 s ts": TS1,
        "4 s ts": TS4,
        "6 s ts": TS6,
        "gop 10 s": LONG,
        "10 s segments": TS10,
        "4 s fmp4": FMP4,
    }
    for name, packaging in packagings.items():
        yield seen(f"black just under, {name}", *inside(4.88, Plain()), packaging=packaging)
        yield seen(
            f"black just over, {name}", *inside(5.12, Plain()), packaging=packaging, labels=(Label("black", 10, 15.12),)
        )
    for name, packaging in {"1 s fmp4": FMP4_1, "6 s ts": TS6, "gop 10 s": LONG, "apart": APART}.items():
        yield seen(f"freeze just under, {name}", *inside(7.84, STILL), packaging=packaging)
        yield seen(
            f"freeze just over, {name}", *inside(8.16, STILL), packaging=packaging, labels=(Label("freeze", 10, 18.16),)
        )
    for name, packaging in {"2 s ts": TS2, "4 s fmp4 apart": FMP4_APART}.items():
        blue = Plain(41, 240, 110)
        yield seen(f"blank just under, {name}", *inside(5.88, blue), packaging=packaging)
        yield seen(
            f"blank just over, {name}", *inside(6.12, blue), packaging=packaging, labels=(Label("blank", 10, 16.12),)
        )


def _black() -> Iterator[Case]:
    held = (Label("black", 10, 18),)
    yield seen("black that is not quite black", *inside(8, Plain(34)), labels=held, packaging=TS4)
    yield seen("dark grey, too bright for black and too short for blank", *inside(5.6, Plain(46)))
    yield seen("black under noise", *inside(8, Grain(Plain(22), 4)), labels=held, packaging=TS4)
    yield seen("black under noise, hardly any bits", *inside(8, Grain(Plain(20), 4)), labels=held, form=POOR)
    yield seen("black from the start", (8, Plain()), (12, BIKES), labels=(Label("black", 0, 8),), packaging=FMP4)
    yield seen("black to the end", (12, BIKES), (14, Plain()), labels=(Label("black", 12),), packaging=APART)
    yield seen("night", (25, Dimmed(BIKES, 0.3)), packaging=FMP4)
    yield seen("deep night", (25, Dimmed(Footage("bunny"), 0.2)), packaging=TS6)
    yield seen("a concert's dark stage", (10, BIKES), (25, lights(Grain(Plain(18), 2))), packaging=TS4)
    yield seen("one spotlight", (10, BIKES), (25, lights(Plain(17), size=26, count=1)), packaging=LONG)
    yield seen("credits on black", (10, BIKES), (25, credits_roll()), (8, AFTER), packaging=TS4)
    yield seen("sparse credits on black", (10, BIKES), (25, credits_roll(speed=20, lines=3)), packaging=TS6)
    yield seen("wide-screen bars", (10, BIKES), (25, letterbox(BUNNY, 60)), packaging=TS2)
    yield seen(
        "fades to black and back, shorter than the threshold",
        *((10, BIKES), (2, Fade(AFTER, 2)), (2, Plain()), (2, Fade(AFTER, 2, 0, 1)), (10, BIKES)),
    )
    yield seen(
        "black between slow fades",
        *((10, BIKES), (4, Fade(BUNNY, 4)), (6, Plain()), (4, Fade(BUNNY, 4, 0, 1)), (10, BIKES)),
        labels=(Label("black", 13.4, 20.6, exact=0.35),),
    )
    flapping = Turn((Plain(), BIKES), 3)
    yield seen("black, flapping below the threshold", (10, BIKES), (30, flapping), (5, AFTER), packaging=TS1)
    episode = ((7.0, Plain()), (1.0, BIKES), (7.0, Plain()), (1.4, BUNNY), (7.0, Plain()))
    yield seen(
        "black, flapping while it is open", (10, BIKES), *episode, (10, AFTER), labels=(Label("black", 10, 33.4),)
    )
    flashes = tuple(part for _ in range(6) for part in ((4.0, AFTER), (0.6, Plain())))
    yield seen("short blacks between advertisements", (10, BIKES), *flashes, (8, BUNNY), packaging=FMP4_1)


def _logos() -> Iterator[Case]:
    mark = {"left": 232, "top": 10, "width": 76, "height": 48}
    yield seen(
        "black with a logo, after pictures with it",
        *((10, logo(BIKES, **mark)), (9, logo(Plain(), **mark)), (10, logo(AFTER, **mark))),
        labels=(Label("black_with_logo", 10, 19),),
        packaging=TS4,
    )
    yield seen(
        "black with a small logo in the other corner",
        *inside(9, logo(Plain(17), left=14, top=140)),
        labels=(Label("black_with_logo", 10, 19),),
    )
    yield seen(
        "black with a dim logo under noise",
        *inside(9, Grain(logo(Plain(18), luma=90, **mark), 2)),
        labels=(Label("black_with_logo", 10, 19),),
        packaging=FMP4,
    )
    yield seen("black with a logo, just under", *inside(4.88, logo(Plain(), **mark)), packaging=TS1)
    yield seen(
        "black, and then a logo on it",
        *((10, BIKES), (8, Plain()), (9, logo(Plain(), **mark)), (10, AFTER)),
        labels=(Label("black", 10, 18), Label("black_with_logo", 18, 27)),
        packaging=TS1,
    )
    yield seen("a logo over pictures", (25, logo(BIKES, **mark)), packaging=TS4)
    yield seen("a logo over a night scene", (25, logo(Dimmed(BIKES, 0.3), **mark)), packaging=TS2)


def _blank() -> Iterator[Case]:
    colours = {"green": Plain(145, 54, 34), "white": Plain(235), "grey": Plain(126), "dark grey": Plain(46)}
    for packaging, (name, colour) in zip((TS4, FMP4, LONG, TS1), colours.items(), strict=True):
        yield seen(f"blank {name}", *inside(10, colour), labels=(Label("blank", 10, 20),), packaging=packaging)
    yield seen(
        "blank blue under noise",
        *inside(10, Grain(Plain(60, 200, 110), 1.2)),
        labels=(Label("blank", 10, 20),),
        packaging=TS6,
    )
    yield seen("bars are a still picture, not one colour", *inside(10, bars()), labels=(Label("freeze", 10, 20),))
    yield seen("fog", (10, BIKES), (20, Flat(BIKES, 0.2, 170)), (8, AFTER), packaging=TS4)
    moving = Inlay(Plain(235), Footage("bunny"), 120, 60, 60, 60)
    yield seen("something moving on white", (10, BIKES), (15, moving), (8, AFTER))


def _freeze() -> Iterator[Case]:
    held = (Label("freeze", 10, 22),)
    # An encoder that is short of bits goes on refining a still picture for more than a second.
    refined = (Label("freeze", 10, 22, exact=2.0),)
    yield seen("freeze, hardly any bits", *inside(12, STILL), labels=refined, form=POOR, packaging=TS4)
    yield seen("freeze under grain", *inside(12, Grain(STILL, 2)), labels=held, packaging=TS4)
    grain = Grain(STILL, 2.5)
    yield seen("freeze under grain, hardly any bits", *inside(12, grain), labels=refined, form=POOR, packaging=LONG)
    yield seen("freeze under grain, 10 s groups", *inside(12, Grain(STILL, 2)), labels=held, packaging=LONGEST)
    yield seen("freeze of a night scene", *inside(12, Held(Dimmed(BIKES, 0.3), 249)), labels=held, packaging=FMP4)
    yield seen("freeze to the end", (12, BIKES), (14, Held(BIKES, 299)), labels=(Label("freeze", 12),), packaging=TS6)
    yield seen("a card after motion", *inside(12, slide()), labels=held, packaging=FMP4_1)
    yield seen("a card from the start", (35, slide()), packaging=TS4)
    yield seen("a card from the start, hardly any bits", (35, slide()), form=POOR, packaging=LONG)
    yield seen("a card from the start under grain", (35, Grain(slide(2), 2.5)), form=POOR, packaging=TS10)
    yield seen("cards that change in time", (10, BIKES), (36, Turn((slide(1), slide(2), slide(3)), 6)), packaging=TS4)
    timed = clock(STILL)
    yield seen("freeze with a running clock", *inside(14, timed), packaging=TS2)
    yield seen("freeze with a clock of tenths, 10 s groups", *inside(14, clock(STILL, tenths=True)), packaging=LONGEST)
    area = {"x": 0.65, "y": 0.03, "width": 0.35, "height": 0.18}
    yield seen(
        "freeze with a clock that is ignored",
        *inside(12, timed),
        labels=held,
        packaging=TS4,
        checks={"freeze": {"ignore": [area]}},
    )
    yield seen("a slow pan", (10, BIKES), (25, Pan(STILL, 2.0)), (5, AFTER), packaging=TS4)
    yield seen("a faster pan, 10 s groups", (10, BIKES), (25, Pan(BUNNY, 12.0)), (5, AFTER), packaging=LONGEST)
    mouth = Inlay(STILL, Footage("phone", left=40, top=60), 140, 80, 36, 28)
    yield seen("only a mouth moves", (10, BIKES), (20, mouth), (5, AFTER), packaging=TS4)
    yield seen("freeze, flapping below the threshold", (10, BIKES), (30, Turn((STILL, AFTER), 4)), packaging=TS1)
    yield Case(
        "freeze across a discontinuity",
        Medium(inside(12, STILL), ((32, Speech()),), TS2, ((16, Format()), (16, Format()))),
        held,
    )


def _motion() -> Iterator[Case]:
    clips = {"bunny": Footage("bunny"), "phone": Footage("phone", left=40, top=60), "bikes": Footage(mirrored=True)}
    for packaging, (name, clip) in zip((TS4, FMP4, LONG), clips.items(), strict=True):
        yield seen(f"real motion, {name}", (30, clip), packaging=packaging)
    yield seen("slow motion", (30, Footage("bunny", speed=0.25, left=100, top=40)), packaging=TS6)


CASES: tuple[Case, ...] = (*_thresholds(), *_black(), *_logos(), *_blank(), *_freeze(), *_motion())
