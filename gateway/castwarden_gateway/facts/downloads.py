# SPDX-License-Identifier: Apache-2.0
"""Folds how a download stands: progress, attempts, and its end. Pure. The end is told once."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from castwarden_model.messages import DownloadObservation

from castwarden_gateway.facts.known import Added, Known, degrade

Told = tuple[str, datetime, dict[str, Any]]


def fold_download(known: Known, seen: DownloadObservation, newest: bool, added: Added, now: datetime) -> Iterator[Told]:
    """Progress counts when it is the newest; attempts, result and final failure always. A result outlasts a failure."""
    added.attempts.extend(seen.attempts)
    state = known.status.get("state")
    if newest and state not in ("Complete", "Failed"):
        known.status["state"] = "Running"
        if seen.progress is not None:
            known.status["progress"] = seen.progress.model_dump(mode="json", by_alias=True, exclude_none=True)
    if seen.result is not None and state != "Complete":
        added.result = seen.result
        result = seen.result.model_dump(mode="json")
        known.status |= {"state": "Complete", "result": seen.result.model_dump(mode="json", by_alias=True)}
        known.status.pop("error", None)
        degrade(known, None, "", now)
        yield "download.completed", now, result
    elif seen.failure is not None and state not in ("Complete", "Failed"):
        known.status["error"] = f"{seen.failure.reason}: {seen.failure.message}"
        degrade(known, "SourceFailing", known.status["error"], now)
        if seen.failure.final:
            known.status["state"] = "Failed"
            yield "download.failed", now, {"reason": seen.failure.reason, "message": seen.failure.message}
