# SPDX-License-Identifier: Apache-2.0
"""Says in a table how right the checks were, beside FFmpeg's filters, and whether that is good enough."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .rule import Score, Verdict

_RIVALS = {"black": "blackdetect", "freeze": "freezedetect", "silence": "silencedetect"}


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one case. `faults`: what was wrong apart from alerts; `part`: Adaptive, Full, transport, ffmpeg …"""

    part: str
    name: str
    verdict: Verdict
    faults: tuple[str, ...] = ()
    labels: int = 0
    media_seconds: float = 0.0

    @property
    def right(self) -> bool:
        return self.verdict.right and not self.faults


def passed(results: Iterable[Result]) -> bool:
    """Whether everything that is ours was right. The rule bounds every delay, so a late alert is not right."""
    return all(result.right for result in results if result.part != "ffmpeg")


def lines(results: Sequence[Result]) -> Iterator[str]:
    """The table of each part, and what went wrong."""
    rivals = _score(result for result in results if result.part == "ffmpeg")
    for part in dict.fromkeys(result.part for result in results if result.part != "ffmpeg"):
        ours = [result for result in results if result.part == part]
        yield from _table(part, ours, rivals if part in ("Adaptive", "Keyframes", "Full") else None)
        yield ""
    for result in results:
        if not result.right and result.part != "ffmpeg":
            yield f"WRONG {result.part}: {result.name}"
            yield from (f"    missed {label}" for label in result.verdict.missed)
            yield from (f"    false  {alert}" for alert in result.verdict.false)
            yield from (f"    {fault}" for fault in result.faults)


def data(results: Sequence[Result]) -> dict[str, Any]:
    """The same for machines."""
    parts = dict.fromkeys(result.part for result in results)
    return {
        "passed": passed(results),
        "parts": {part: _numbers([result for result in results if result.part == part]) for part in parts},
        "wrong": [asdict(result) for result in results if not result.right and result.part != "ffmpeg"],
    }


def _score(results: Iterable[Result]) -> Score:
    score = Score()
    for result in results:
        score.add(result.verdict)
    return score


def _table(part: str, results: Sequence[Result], rivals: Score | None) -> Iterator[str]:
    score = _score(results)
    hours = sum(result.media_seconds for result in results) / 3600
    wrong = sum(not result.right for result in results)
    yield f"{part}: {len(results)} cases, {hours:.2f} h of media, {wrong} wrong"
    yield f"  {'condition':<22}{'labels':>7}{'precision':>11}{'recall':>8}{'F1':>7}   raise delay over threshold"
    for name in score.conditions:
        yield _row(name, score, (name,)) + (_beside(name, rivals) if rivals else "")
    yield _row("all", score, tuple(score.conditions))


def _row(title: str, score: Score, names: tuple[str, ...]) -> str:
    labels = sum(score.hit[name] + score.missed[name] for name in names)
    rates = f"{score.precision(*names):>11.3f}{score.recall(*names):>8.3f}{score.f1(*names):>7.3f}"
    return f"  {title:<22}{labels:>7}{rates}   {_delay(score, names):<31}"


def _delay(score: Score, names: tuple[str, ...]) -> str:
    found = score.delay(*names)
    return f"median {found[0]:.2f} s, worst {found[1]:.2f} s" if found else "-"


def _beside(name: str, rivals: Score) -> str:
    if name not in _RIVALS:
        return ""
    found = rivals.delay(name)
    late = f", late {found[0]:.1f} s" if found else ""
    rates = f"{rivals.precision(name):.3f} {rivals.recall(name):.3f} F1 {rivals.f1(name):.3f}"
    return f"| {_RIVALS[name]} {rates}{late}"


def _numbers(results: Sequence[Result]) -> dict[str, Any]:
    score = _score(results)
    names = tuple(score.conditions)
    return {
        "cases": len(results),
        "wrong": sum(not result.right for result in results),
        "media_seconds": sum(result.media_seconds for result in results),
        "conditions": {name: _condition(score, (name,)) for name in names},
        "all": _condition(score, names),
    }


def _condition(score: Score, names: tuple[str, ...]) -> dict[str, Any]:
    delay = score.delay(*names)
    return {
        "labels": sum(score.hit[name] + score.missed[name] for name in names),
        "precision": score.precision(*names),
        "recall": score.recall(*names),
        "f1": score.f1(*names),
        "median_delay": delay and delay[0],
        "worst_delay": delay and delay[1],
    }
