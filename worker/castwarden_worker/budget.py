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
_SITES = {  # pages and what answers for them, not media
    "youtube.com": ("youtube.com", "youtu.be", "youtube-nocookie.com", "youtubei.googleapis.com"),
    "twitch.tv": ("twitch.tv",),
}

Ask = Callable[[str], Awaitable[ExtractionGrant]]


def site_of(url: URL) -> str:
    """The site's one name, or else the host: both sides must call it alike."""
    return _site(url.host or "unknown")


def _site(host: str) -> str:
    host = host.lower().rstrip(".").removeprefix("www.")
    for site, hosts in _SITES.items():
        if any(host == known or host.endswith(f".{known}") for known in hosts):
            return site
    return host


async def refusal(ask: Ask | None, url: URL) -> Blocked | None:
    """Why `url` may not be asked now. Without an answer it may: a gateway that is away must not blind its workers."""
    return await _refusal(ask, site_of(url))


async def _refusal(ask: Ask | None, site: str) -> Blocked | None:
    if ask is None:
        return None
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


class Admission:
    """The sites of one extraction: that of its URL, for which the caller asked, and those to which that leads.

    Others than the known ones have no budget worth asking for: a page leads to many. `refused` is why one was closed.
    """

    def __init__(self, ask: Ask | None, url: URL) -> None:
        self.refused: Blocked | None = None
        self._ask = ask
        self._sites = {site_of(url)}
        self._asking = asyncio.Lock()

    async def admits(self, host: str) -> bool:
        """Whether `host` may be asked now; the first host of a site asks the budget."""
        site = _site(host)
        async with self._asking:
            if site not in _SITES or site in self._sites:
                return True
            self.refused = self.refused or await _refusal(self._ask, site)
            if self.refused is None:
                self._sites.add(site)
            return self.refused is None

    def count(self, outcome: Outcome) -> None:
        """What the extraction found, for each site."""
        for site in self._sites:
            EXTRACTIONS.labels(_label(site), type(outcome).__name__.lower()).inc()


def _label(site: str) -> str:
    return site if site in _SITES else "other"
