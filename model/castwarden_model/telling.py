# SPDX-License-Identifier: Apache-2.0
"""What event a transition makes, for everybody who tells of one: the gateway by webhook, the probe as a line."""

from typing import Any

from .conditions import ALERTS
from .messages import Transition


def told_as(transition: Transition) -> str | None:
    """The type of its event; None when it makes none: nobody saw it recover, or we do not know the condition."""
    types = ALERTS.get(transition.condition)
    if types is None or transition.settled:
        return None
    return types.raised if transition.state == "raised" else types.cleared


def told_with(transition: Transition) -> dict[str, Any]:
    """Everything a transition tells; each event type picks its own fields (`events.check_data`)."""
    segment = transition.segment
    return {
        "error": "unknown",
        "reason": "unknown",
        "hint": "",
        **transition.measured,
        **transition.detail,
        "condition": transition.condition,
        "episode": transition.episode,
        "duration_sec": transition.duration_sec,
        "total_duration_sec": transition.duration_sec,
        "started_at": transition.started_at,
        "recovered_at": transition.at,
        "threshold_sec": transition.threshold_sec,
        "segment_info": {"sequence": segment.sequence, "duration": segment.duration} if segment else None,
        "measured": transition.measured or None,
    }
