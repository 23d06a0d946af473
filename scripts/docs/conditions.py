# SPDX-License-Identifier: Apache-2.0
"""docs/conditions.md: what can be wrong with a stream, from the one catalogue."""

from datetime import timedelta
from typing import Any

from castwarden_model.conditions import CONDITIONS, Condition, Group
from castwarden_model.durations import format_duration
from castwarden_model.events import CATALOGUE
from castwarden_model.resources.checks import CheckSpec
from pydantic.alias_generators import to_camel

from .tables import fence

_SEEN_IN = {
    Group.PICTURE: "Seen in the picture, on media time.",
    Group.SOUND: "Seen in the sound, on media time.",
    Group.STRUCTURE: "Seen in what the segments hold, without decoding them.",
    Group.DELIVERY: "Seen in how playlists and segments arrive.",
    Group.SOURCE: "Seen in the source.",
    Group.PROBE: "About the worker, not about the stream.",
}
_INTRODUCTION = """# Conditions

A condition is something that can be wrong with a stream. Each has one check with settings of its own under
`spec.checks.<name>`, is told at most once per episode, and every alert that ends is followed by a recovery,
but for what [ends without one](webhooks.md#what-ends-without-a-recovery). `raiseAfter` is how
long it must be bad, `clearAfter` how long it must be good again. A stall stops media time: while nothing arrives, an
episode of picture or sound neither grows nor clears. Nor does it by media that nobody saw: segments that could not be
fetched, or were gone before we came back.

To be raised, a condition must hold without a break: one good picture, or a tenth of a second of sound, begins the wait
anew. What flickers below `raiseAfter` is not told. To be cleared, it must be good for `clearAfter`; a shorter good time
leaves the alert open. Where pauses are natural (freeze, silence, one silent channel) bad times of up to 0.6 x
`clearAfter` do not break the good one: speech has pauses, and speakers hold still.

One cause is told once. A picture that is black, black with a logo or blank is not also frozen. What begins with more
than ten seconds of silence is neither too quiet nor silent on one channel.
"""


def page() -> str:
    """An overview, then each condition with its settings and an example of its alert."""
    rows = [f"| [`{entry.name}`](#{entry.name}) | {entry.group} | {_raise(entry)} | {entry.raised_text} |"
            for entry in CONDITIONS.values()]  # fmt: skip
    parts = [_INTRODUCTION, "| condition | group | raised after | meaning |", "|---|---|---|---|", *rows, ""]
    for entry in CONDITIONS.values():
        parts += _section(entry)
    return "\n".join(parts)


def _raise(entry: Condition) -> str:
    after = getattr(entry.spec, "raise_after", None)
    off = "" if entry.spec is None or entry.spec.enabled else " (off by default)"
    return (format_duration(after) if isinstance(after, timedelta) else "") + off


def _section(entry: Condition) -> list[str]:
    about = " ".join((type(entry.spec).__doc__ or "").split()) if entry.spec else entry.raised_text
    parts = [f"## {entry.name}\n", f"{about} {_SEEN_IN[entry.group]}\n"]
    parts.append(f"Events: `{entry.raised}`, then `{entry.cleared}`.\n")
    if entry.spec:
        parts += [*_settings(to_camel(entry.name), entry.spec), ""]
    parts.append(fence(CATALOGUE[entry.raised].example))
    return parts


def _settings(name: str, spec: CheckSpec) -> list[str]:
    shown = spec.model_dump(mode="json", by_alias=True)
    rows = [
        f"| `{name}.{to_camel(field)}` | {_value(shown[to_camel(field)])} | {described.description} |"
        for field, described in type(spec).model_fields.items()
    ]
    return ["| setting | default | meaning |", "|---|---|---|", *rows]


def _value(value: Any) -> str:
    if value in (None, []):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
