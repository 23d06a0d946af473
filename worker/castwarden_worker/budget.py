# SPDX-License-Identifier: Apache-2.0
"""Asks before a site is asked. The installation has a budget of extractions: sites shut out whoever asks often."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from castwarden_base.logs import get_logger
from castwarden_model.messages import ExtractionGrant
from prometheus_client import Counter
from yarl import URL

from .errors import Fenced, Gone, Unavailable
from .outcomes import Blocked, Outcome

log = get_logger(__name__)
EXTRACTIONS = Counter(
    "castwarden_worker_extractions_total",
    "Extractions by yt-dlp or streamlink, by what they found; refused: the budget was used up",
    ["site", "outcome"],
)
UNASKED = Counter(
    "castwarden_worker_extraction_budget_unavailable_total", "Extractions made because nobody could say whether to"
)
_TURN_SECONDS = 30.0
SPENT = "extraction_budget"
_SITES = {"youtube.com": ("youtube.com", "youtu.be", "youtube-nocookie.com"), "twitch.tv": ("twitch.tv",)}

Ask = Callable[[str], Awaitable[ExtractionGrant]]


def site_of(url: URL) -> str:
    """The site's one name, or else the host: both sides must call it alike."""
    host = (url.host or "unknown").lower().removeprefix("www.")
    for site, hosts in _SITES.items():
        if any(host == known or host.endswith(f".{known}") for known in hosts):
            return site
    return host


async def refusal(ask: Ask | None, url: URL) -> Blocked | None:
    """Why `url` may not be asked now. Without an answer it may: a gateway that is away must not blind its workers."""
    if ask is None:
        return None
    site = site_of(url)
    try:
        grant = await ask(site)
    except (Unavailable, Gone, Fenced) as error:
        UNASKED.inc()
        log.warning("extraction_budget_unavailable", site=site, error=str(error))
        return None
    if grant.granted:
        return None
    EXTRACTIONS.labels(_label(site), "refused").inc()
    wait = round(grant.retry_after_seconds)
    return Blocked(SPENT, f"All Monitors together ask {site} too often; one more look is free in {wait} s.")


async def turn(ask: Ask, url: URL) -> None:
    """Waits until `url` may be asked: for work that has time, within the caller's timeout."""
    while (refused := await refusal(ask, url)) is not None:
        log.info("waiting_for_a_turn", hint=refused.hint)
        await asyncio.sleep(_TURN_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load


def count(url: URL, outcome: Outcome) -> None:
    """What an extraction found."""
    EXTRACTIONS.labels(_label(site_of(url)), type(outcome).__name__.lower()).inc()


def _label(site: str) -> str:
    return site if site in _SITES else "other"
