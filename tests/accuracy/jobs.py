# SPDX-License-Identifier: Apache-2.0
"""One run of one case, as a process of the pool does it."""

from .clean import play_clean
from .corpus import BY_NAME, transports
from .play import play, settings
from .report import Result
from .rivals import rival
from .rule import Bounds
from .transport import play_transport

Job = tuple[str, str]  # part and case


def run(job: Job) -> Result:
    """One run, in a process of the pool."""
    part, name = job
    if part == "clean":
        return play_clean(name)
    if part == "transport":
        return play_transport(transports()[name])
    case = BY_NAME[name]
    if part == "ffmpeg":
        bounds = Bounds(case.medium.packaging.segment, case.leeway, case.medium.seconds)
        return Result(part, name, rival(case.medium, case.labels, settings(case.checks).checks, bounds))
    played = play(case, part)
    faults = [f"{played.segment_errors} segments were taken for broken"] if played.segment_errors else []
    if played.impatient:
        faults.append("the virtual clock went on although something was under way")
    return Result(part, name, played.verdict, tuple(faults), len(case.labels), case.medium.seconds)
