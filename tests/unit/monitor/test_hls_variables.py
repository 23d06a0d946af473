# SPDX-License-Identifier: Apache-2.0
"""EXT-X-DEFINE: variables in playlists."""

import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.hls.reader import parse
from castwarden_worker.monitor.playlist import (
    Init,
    MultivariantPlaylist,
)

from tests.unit.monitor.read_hls import media, one


def test_variables_are_put_in_wherever_they_are_referred_to() -> None:
    tags = [
        '#EXT-X-DEFINE:NAME="host",VALUE="cdn.example"',
        '#EXT-X-DEFINE:QUERYPARAM="token"',
        '#EXT-X-DEFINE:IMPORT="auth"',
        '#EXT-X-MAP:URI="https://{$host}/{$auth}/i.mp4?{$token}"',
    ]
    context = {"url": "https://o.example/l.m3u8?token=a%20b&x=1", "variables": [("auth", "secret")]}
    assert one(*tags, **context).init == Init("https://cdn.example/secret/i.mp4?a b")
    text = "\n".join(["#EXTM3U", *tags, "#EXTINF:1,", "{$host}/{$auth}/{$host}.ts"])
    assert media(text, **context).segments[0].uri == "cdn.example/secret/cdn.example.ts"


def test_a_playlist_without_variables_may_have_any_characters_in_its_uris() -> None:
    assert media("#EXTM3U\n#EXTINF:1,\n{$a}.ts\n").segments[0].uri == "{$a}.ts"


def test_a_multivariant_playlist_hands_its_variables_on() -> None:
    playlist = parse(
        b'#EXTM3U\n#EXT-X-DEFINE:NAME="a",VALUE="1"\n#EXT-X-DEFINE:NAME="b",VALUE="{$a}2"\n'
        b"#EXT-X-STREAM-INF:BANDWIDTH=1\nv{$b}\n"
    )
    assert isinstance(playlist, MultivariantPlaylist)
    assert playlist.variables == (("a", "1"), ("b", "12"))
    assert playlist.variants[0].uri == "v12"


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (['#EXT-X-DEFINE:NAME="a",VALUE="1"', "#EXTINF:1,", "{$b}"], "the variable b is not defined"),
        (['#EXT-X-DEFINE:QUERYPARAM="t"'], "the variable t has no value"),
        (['#EXT-X-DEFINE:IMPORT="t"'], "the variable t has no value"),
        (['#EXT-X-DEFINE:NAME="a"'], "the variable a has no value"),
        (['#EXT-X-DEFINE:NAME="a b",VALUE="1"'], "'a b' is not the name of a variable"),
        (["#EXT-X-DEFINE:"], "EXT-X-DEFINE without a name"),
        ([f'#EXT-X-DEFINE:NAME="a{n}",VALUE="1"' for n in range(1001)], "more than 1000 variables"),
    ],
)
def test_a_variable_that_means_nothing_is_refused(tags: list[str], message: str) -> None:
    with pytest.raises(PlaylistError, match=message):
        one(*tags)


def test_variables_that_double_each_other_do_not_fill_the_memory() -> None:
    tags = ['#EXT-X-DEFINE:NAME="a0",VALUE="aaaaaaaa"']
    tags += [f'#EXT-X-DEFINE:NAME="a{n + 1}",VALUE="{{$a{n}}}{{$a{n}}}"' for n in range(60)]
    with pytest.raises(PlaylistError, match="variables of more than 16384 characters"):
        one(*tags)
