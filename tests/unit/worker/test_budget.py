# SPDX-License-Identifier: Apache-2.0
"""Whether a site may be asked, and what is done when nobody can say."""

import asyncio

import pytest
from castwarden_model.messages import ExtractionGrant
from castwarden_worker.budget import EXTRACTIONS, UNASKED, Admission, refusal, site_of, turn
from castwarden_worker.errors import Fenced, Gone, Unavailable
from yarl import URL

YOUTUBE = URL("https://www.youtube.com/watch?v=dQw4w9WgXcQ")


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.youtube.com/watch?v=a", "youtube.com"),
        ("https://youtu.be/a", "youtube.com"),
        ("https://m.YouTube.com/a", "youtube.com"),
        ("https://www.youtube-nocookie.com/embed/a", "youtube.com"),
        ("https://www.youtube.com./a", "youtube.com"),
        ("https://youtubei.googleapis.com/a", "youtube.com"),
        ("https://rr1.googlevideo.com/a", "rr1.googlevideo.com"),
        ("https://notyoutube.com/a", "notyoutube.com"),
        ("https://www.twitch.tv/a", "twitch.tv"),
        ("https://www.example.com:8443/a", "example.com"),
    ],
)
def test_a_site_has_one_name(url: str, site: str) -> None:
    assert site_of(URL(url)) == site


async def test_a_granted_extraction_is_not_refused_and_a_refused_one_says_when_to_come_back() -> None:
    asked: list[str] = []

    async def yes(site: str) -> ExtractionGrant:
        asked.append(site)
        return ExtractionGrant(granted=True)

    async def no(_: str) -> ExtractionGrant:
        return ExtractionGrant(granted=False, retry_after_seconds=41.6)

    before = EXTRACTIONS.labels("youtube.com", "refused")._value.get()
    assert await refusal(yes, YOUTUBE) is None
    assert asked == ["youtube.com"]
    refused = await refusal(no, YOUTUBE)
    assert refused
    assert (refused.reason, "in 42 s" in refused.hint) == ("extraction_budget", True)
    assert EXTRACTIONS.labels("youtube.com", "refused")._value.get() == before + 1
    assert await refusal(None, YOUTUBE) is None


@pytest.mark.looptime
async def test_work_that_has_time_waits_for_its_turn() -> None:
    answers = [False, False, True]

    async def ask(_: str) -> ExtractionGrant:
        return ExtractionGrant(granted=answers.pop(0), retry_after_seconds=10)

    await turn(ask, YOUTUBE)
    assert answers == []
    assert 30 <= asyncio.get_running_loop().time() <= 90


@pytest.mark.parametrize("error", [Unavailable("away"), Gone("gone"), Fenced("fenced")])
async def test_without_an_answer_the_site_is_asked_and_that_is_counted(error: Exception) -> None:
    async def away(_: str) -> ExtractionGrant:
        raise error

    before = UNASKED._value.get()
    assert await refusal(away, YOUTUBE) is None
    assert UNASKED._value.get() == before + 1


async def test_a_site_to_which_a_page_leads_is_asked_for_once_and_media_are_free() -> None:
    asked: list[str] = []

    async def no_twitch(site: str) -> ExtractionGrant:
        asked.append(site)
        return ExtractionGrant(granted=site != "twitch.tv")

    admission = Admission(no_twitch, URL("https://blog.example/live"))
    hosts = [
        "blog.example",
        "www.youtube.com",
        "youtu.be",
        "manifest.googlevideo.com",
        "www.twitch.tv",
        "gql.twitch.tv",
    ]
    assert [await admission.admits(host) for host in hosts] == [True, True, True, True, False, False]
    assert asked == ["youtube.com", "twitch.tv"]
    assert admission.refused
    assert "twitch.tv" in admission.refused.hint


async def test_without_a_budget_every_site_may_be_asked() -> None:
    assert await Admission(None, URL("https://blog.example/live")).admits("www.youtube.com")
