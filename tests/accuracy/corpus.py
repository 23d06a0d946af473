# SPDX-License-Identifier: Apache-2.0
"""All cases of contents, by name."""

from . import picture_cases, sound_cases, structure_cases
from .cases import Case

CASES: tuple[Case, ...] = (*picture_cases.CASES, *sound_cases.CASES, *structure_cases.CASES)
BY_NAME: dict[str, Case] = {case.name: case for case in CASES}
