# SPDX-License-Identifier: Apache-2.0
"""The matching rule: when an alert counts for a label, and what precision, recall and delay follow from that.

An alert counts for a label when all of this holds:

1. It names the label's condition, and no other alert has counted for that label.
2. The beginning that it tells lies within `exact` seconds of the label's: 0.25 s for what frames and samples show
   (0.5 s for sound, whose codec smears), one segment for what only segments and playlists show.
3. It is told when it is due, which is the label's beginning plus the raise time: not more than `exact` before, and not
   more than 2 x max(group of pictures, segment) after. "Told" is the time on air at which the fact was emitted, so the
   publication of the segment, the reload of the playlist and the download count as delay.
4. A label with an end has its recovery told, in the same episode: not before that end plus the clear time (less
   `exact`), and not more than 2 x max(group, segment) after. A label without an end has no recovery before the stream
   ends. The length that the recovery tells is that of the label, within twice `exact`.

An alert that counts for no label is a false alarm. A label for which no alert counts is a miss. So an alert that is
too early, too late, wrongly dated or wrongly cleared is both.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from castwarden_model.conditions import CONDITIONS, Group
from castwarden_model.resources.checks import Checks

from .cases import Label

_FRAMES = 0.25
_SAMPLES = 0.5
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as it was told. Times in seconds on air; `cleared` and `lasted` are None while it is open."""

    condition: str
    began: float
    told: float
    cleared: float | None = None
    lasted: float | None = None

    def __str__(self) -> str:
        end = "open" if self.cleared is None else f"cleared {self.cleared:.2f} after {self.lasted:.2f}"
        return f"{self.condition} from {self.began:.2f} told {self.told:.2f}, {end}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What matching needs to know of a case: seconds of a segment, leeway after an alert is due, length in all."""

    segment: float
    leeway: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one run of one case gave."""

    hits: tuple[tuple[str, float], ...] = ()  # condition and raise delay over threshold
    false: tuple[Alert, ...] = ()
    missed: tuple[Label, ...] = ()

    @property
    def right(self) -> bool:
        return not self.false and not self.missed


def judge(labels: Iterable[Label], alerts: Sequence[Alert], checks: Checks, bounds: Bounds) -> Verdict:
    """Applies the rule to one run."""
    free = list(alerts)
    hits: list[tuple[str, float]] = []
    missed: list[Label] = []
    for label in labels:
        found = next((alert for alert in free if counts(alert, label, checks, bounds)), None)
        if found is None:
            missed.append(label)
        else:
            free.remove(found)
            hits.append((label.condition, found.told - due(label, checks)))
    return Verdict(tuple(hits), tuple(free), tuple(missed))


def counts(alert: Alert, label: Label, checks: Checks, bounds: Bounds) -> bool:
    """Whether the alert counts for the label, by points 1 to 4."""
    exact = exactness(label, bounds) + _ROUNDING
    if alert.condition != label.condition or abs(alert.began - label.begin) > exact:
        return False
    leeway = (bounds.leeway if label.late is None else label.late) + _ROUNDING
    if not -exact <= alert.told - due(label, checks) <= leeway:
        return False
    if label.end is None:
        return alert.cleared is None or alert.cleared >= bounds.seconds - _ROUNDING
    if alert.cleared is None or alert.lasted is None:
        return False
    late = alert.cleared - clear_due(label, checks, label.end)
    return -exact <= late <= leeway and abs(alert.lasted - (label.end - label.begin)) <= 2 * exact


def exactness(label: Label, bounds: Bounds) -> float:
    """How exactly the label's beginning can be told, in seconds."""
    if label.exact is not None:
        return label.exact
    group = CONDITIONS[label.condition].group
    return {Group.PICTURE: _FRAMES, Group.SOUND: _SAMPLES}.get(group, bounds.segment)


def due(label: Label, checks: Checks) -> float:
    """When the alert is due."""
    return label.begin + _seconds(checks, label.condition, "raise_after") if label.due is None else label.due


def clear_due(label: Label, checks: Checks, end: float) -> float:
    """When the recovery is due."""
    return end + _seconds(checks, label.condition, "clear_after") if label.clear_due is None else label.clear_due


def _seconds(checks: Checks, condition: str, name: str) -> float:
    given = getattr(getattr(checks, condition), name, None)
    return given.total_seconds() if given else 0.0


@dataclass(slots=True)
class Score:
    """Sums over many cases, per condition."""

    hit: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    delays: dict[str, list[float]] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        for condition, delay in verdict.hits:
            self.hit[condition] += 1
            self.delays.setdefault(condition, []).append(delay)
        self.false.update(alert.condition for alert in verdict.false)
        self.missed.update(label.condition for label in verdict.missed)

    @property
    def conditions(self) -> list[str]:
        """Those that were met, in the catalogue's order."""
        return [name for name in CONDITIONS if self.hit[name] + self.false[name] + self.missed[name]]

    def precision(self, *conditions: str) -> float:
        return _share(sum(self.hit[name] for name in conditions), sum(self.false[name] for name in conditions))

    def recall(self, *conditions: str) -> float:
        return _share(sum(self.hit[name] for name in conditions), sum(self.missed[name] for name in conditions))

    def f1(self, *conditions: str) -> float:
        precision, recall = self.precision(*conditions), self.recall(*conditions)
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def delay(self, *conditions: str) -> tuple[float, float] | None:
        """Median and worst."""
        found = [delay for name in conditions for delay in self.delays.get(name, ())]
        return (median(found), max(found)) if found else None


def _share(good: int, bad: int) -> float:
    return good / (good + bad) if good + bad else 1.0
