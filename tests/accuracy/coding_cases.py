# SPDX-License-Identifier: Apache-2.0
"""The same black, freeze and silence in many codings: they must look and sound the same whatever carries them."""

from collections.abc import Iterator
from dataclasses import replace

from .cases import Case, Format, Label, Medium
from .picture_cases import AFTER, BIKES, BUNNY, FMP4, STILL, TS1, TS2, TS4
from .scenes import Plain
from .sounds import Hush, Speech

_PICTURES = ((10.0, BIKES), (10.0, STILL), (8.0, AFTER), (7.0, Plain()), (9.0, BUNNY))
_SOUNDS = ((24.0, Speech()), (8.0, Hush()), (12.0, Speech(seed=8)))
_LABELS = (Label("freeze", 10, 20), Label("silence", 24, 32), Label("black", 28, 35))


def _codings() -> Iterator[Case]:
    forms = {
        "HEVC": (Format("libx265"), FMP4),
        "HEVC in ts": (Format("libx265"), TS4),
        "open groups of pictures": (Format(coding=":open-gop=1:bframes=3:repeat-headers=1"), TS4),
        "no B-frames": (Format(coding=":bframes=0"), TS1),
        "several slices": (Format(coding=":slices=4"), TS2),
        "full range": (Format(pixels="yuvj420p"), TS4),
        "10 bits": (Format(pixels="yuv420p10le"), FMP4),
        "640 x 360": (Format(width=640, height=360, bitrate=900_000), TS4),
        "upright": (Format(width=180, height=320), TS4),
        "AC-3": (Format(audio="ac3", audio_bitrate=192_000), TS4),
        "MP3": (Format(audio="libmp3lame"), TS2),
        "Opus": (Format(audio="libopus"), FMP4),
        "44.1 kHz": (Format(rate=44_100), TS4),
        "mono at 32 kHz": (Format(rate=32_000, layout="mono", audio_bitrate=48_000), FMP4),
    }
    for name, (form, packaging) in forms.items():
        yield Case(f"coding: {name}", Medium(_PICTURES, _SOUNDS, packaging, ((44.0, form),)), _LABELS)
    # Of five pictures a second the first still one is told by the next: a fifth of a second later.
    rarely = tuple(replace(label, exact=0.5) for label in _LABELS)
    yield Case("coding: 5 pictures a second", Medium(_PICTURES, _SOUNDS, TS4, ((44.0, Format(every=5)),)), rarely)


CASES: tuple[Case, ...] = (*_codings(),)
