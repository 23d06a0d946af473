# SPDX-License-Identifier: Apache-2.0
"""Resolving what is no HLS and no page: manifests, streams without end, and what has its own scheme."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from ipaddress import ip_network
from pathlib import Path

import pytest
from castwarden_base.http import outbound_session
from castwarden_local.origin.dash import DashOrigin
from castwarden_local.origin.encode import Recipe, Stretch
from castwarden_local.origin.icecast import IcecastOrigin
from castwarden_local.origin.rtsp import RtspOrigin
from castwarden_local.origin.streams import Kind
from castwarden_worker.monitor.endless import child_tap
from castwarden_worker.monitor.endless.child_tap import ChildTap
from castwarden_worker.outcomes import Blocked, Live, NotLive, Unsupported
from castwarden_worker.resolve import Resolver, Way

ALLOW = [ip_network("127.0.0.1/32")]
SMALL = Recipe(width=160, height=90)


@pytest.fixture
async def resolver(tmp_path: Path) -> AsyncIterator[Resolver]:
    async with outbound_session(ALLOW) as session:
        yield Resolver(session, ALLOW, tmp_path)


@pytest.mark.parametrize("way", ["Auto", "Direct"])
async def test_a_manifest_is_live(resolver: Resolver, way: Way) -> None:
    async with DashOrigin([(2, "motion")], recipe=SMALL) as origin:
        assert await resolver.resolve(origin.url, way) == Live(origin.url)


@pytest.mark.parametrize("kind", ["mp3", "aac", "opus", "ts"])
async def test_a_stream_without_end_is_live_and_says_its_name(resolver: Resolver, kind: Kind) -> None:
    async with IcecastOrigin([Stretch(30)], kind) as origin:
        assert await resolver.resolve(origin.url) == Live(origin.url, "A station")


async def test_a_stream_behind_a_scheme_of_its_own_is_live_when_there_is_one(resolver: Resolver) -> None:
    async with RtspOrigin([Stretch(30)]) as origin:
        assert await resolver.resolve(origin.url) == Live(origin.url)


async def test_a_stream_that_is_not_there_is_not_live(resolver: Resolver) -> None:
    async with RtspOrigin([Stretch(1)], status=404) as origin:
        assert await resolver.resolve(origin.url) == NotLive("RTSP 404")


async def test_a_stream_that_we_must_not_see_is_blocked(resolver: Resolver) -> None:
    async with RtspOrigin([Stretch(1)], status=403) as origin:
        assert await resolver.resolve(origin.url) == Blocked("forbidden", "The source answers RTSP 403.")


async def test_a_stream_for_which_there_is_no_memory_is_blocked_until_another_one_ends(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_tap, "stream_children", lambda: 1)
    async with RtspOrigin([Stretch(30)]) as origin:
        async with aclosing(ChildTap(origin.url, ALLOW).stretches()) as watched:
            await anext(watched)
            outcome = await resolver.resolve(origin.url)
            assert isinstance(outcome, Blocked)
            assert outcome.reason == "too_many_children"
        assert await resolver.resolve(origin.url) == Live(origin.url)


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps", "rtsp", "rtsps"])
async def test_a_server_that_is_away_blocks_the_look(resolver: Resolver, scheme: str) -> None:
    outcome = await resolver.resolve(f"{scheme}://127.0.0.1:1/live/x")
    assert isinstance(outcome, Blocked)
    assert outcome.reason == "unreachable"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("rtmp://10.0.0.1/live/x", "blocked_address"),
        ("rtsp://169.254.169.254/x", "blocked_address"),
        ("srt://192.168.1.1:9000", "blocked_address"),
        ("srt://127.0.0.1", "invalid_url"),
        ("srt://127.0.0.1:9000?passphrase=0123456789", "invalid_url"),
        ("rtsp://user:secret@127.0.0.1/x", "invalid_url"),
        ("rtmp://127.0.0.1:99999/x", "invalid_url"),
        ("rtmp://127.1/x", "invalid_url"),
    ],
)
async def test_what_must_not_be_asked_is_refused_before_anything_is_dialled(
    resolver: Resolver, url: str, reason: str
) -> None:
    outcome = await resolver.resolve(url)
    assert isinstance(outcome, Unsupported)
    assert outcome.reason == reason
