# SPDX-License-Identifier: Apache-2.0
"""All cases by name: those of contents, and those of transport, whose tape is made when they are first asked for."""

from functools import cache

from . import coding_cases, picture_cases, sound_cases, structure_cases
from .cases import Case
from .transport import Transport

CASES: tuple[Case, ...] = (*picture_cases.CASES, *sound_cases.CASES, *structure_cases.CASES, *coding_cases.CASES)
BY_NAME: dict[str, Case] = {case.name: case for case in CASES}


@cache
def transports() -> dict[str, Transport]:
    from . import playlist_cases, rendition_cases, segment_cases

    return {case.name: case for case in (*playlist_cases.CASES, *segment_cases.CASES, *rendition_cases.CASES)}
