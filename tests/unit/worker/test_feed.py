# SPDX-License-Identifier: Apache-2.0
"""Reading feeds: YouTube's Atom, plain Atom, RSS 2.0, RSS 1.0, and what people put into them."""

from datetime import UTC, datetime

import pytest
from castwarden_local.origin.feeds import Channel, Video, atom
from castwarden_worker.poll.feed import NotAFeed, read_feed

BASE = "https://example.com/feeds/all.xml"


def rss(items: str) -> bytes:
    return f"<rss version='2.0'><channel><title>My show</title>{items}</channel></rss>".encode()


def test_youtube_s_feed_gives_every_field() -> None:
    video = Video(
        "dQw4w9WgXcQ",
        "Rock & <Roll>",
        datetime(2026, 11, 20, 12, tzinfo=UTC),
        "First line\nsecond line",
        1234,
        datetime(2026, 11, 20, 13, tzinfo=UTC),
    )
    feed = read_feed(atom(Channel("UC" + "a" * 22, "Music", [video]), "https://i.example"), BASE)
    assert feed.title == "Music"
    (seen,) = feed.videos
    assert seen.media_id == "dQw4w9WgXcQ"
    assert seen.title == "Rock & <Roll>"
    assert seen.url == "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
    assert (seen.published_at, seen.updated_at) == (video.published_at, video.updated_at)
    assert seen.description == "First line\nsecond line"
    assert seen.thumbnail_url == "https://i.example/thumbnails/dQw4w9WgXcQ.jpg"
    assert seen.views == 1234


def test_a_podcast_s_rss_is_read() -> None:
    item = """<item><title>Episode 1</title><guid isPermaLink="false">ep-1</guid>
      <pubDate>Fri, 20 Nov 2026 13:00:00 +0100</pubDate>
      <description><![CDATA[<p>Notes</p>]]></description><enclosure url="/1.mp3" type="audio/mpeg" length="1"/>
      <itunes:image xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" href="/cover.jpg"/></item>"""
    feed = read_feed(rss(item), BASE)
    assert feed.title == "My show"
    (seen,) = feed.videos
    assert (seen.media_id, seen.title, seen.url) == ("ep-1", "Episode 1", "https://example.com/1.mp3")
    assert seen.published_at == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert seen.description == "<p>Notes</p>"
    assert seen.thumbnail_url == "https://example.com/cover.jpg"
    assert seen.views is None


def test_plain_atom_is_read() -> None:
    text = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><entry><id>tag:1</id>
      <title type="html">A &lt;b&gt;title&lt;/b&gt;</title><link rel="self" href="/x"/><link href="/post"/>
      <published>2026-11-20T12:00:00Z</published><summary>Short</summary></entry></feed>"""
    (seen,) = read_feed(text, BASE).videos
    assert (seen.media_id, seen.url, seen.description) == ("tag:1", "https://example.com/post", "Short")


def test_rss_1_is_read() -> None:
    text = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
      xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Old</title></channel>
      <item><title>One</title><link>https://example.com/1</link><dc:date>2026-11-20</dc:date></item></rdf:RDF>"""
    feed = read_feed(text, BASE)
    (seen,) = feed.videos
    assert (feed.title, seen.media_id, seen.title) == ("Old", "https://example.com/1", "One")
    assert seen.published_at == datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20T12:00:00+00:00", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20T12:00:00", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 12:00:00 GMT", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 12:00:00 -0000", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("Fri, 99 Nov 2026 12:00:00 GMT", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
    ],
)
def test_a_time_is_read_in_either_fashion_or_left_out(text: str, time: datetime | None) -> None:
    item = f"<item><guid>1</guid><link>https://example.com/</link><pubDate>{text}</pubDate></item>"
    assert read_feed(rss(item), BASE).videos[0].published_at == time


def test_entries_without_id_or_usable_link_are_skipped_and_counted() -> None:
    items = (
        "<item><title>nothing</title></item>"
        "<item><guid>1</guid><link>javascript:alert(1)</link></item>"
        "<item><guid>2</guid><link>http://[</link></item>"
        "<item><guid>3</guid><link>https://example.com/3</link></item>"
    )
    feed = read_feed(rss(items), BASE)
    assert [video.media_id for video in feed.videos] == ["3"]
    assert feed.skipped == 3


def test_an_entry_that_comes_twice_counts_once() -> None:
    item = "<item><guid>1</guid><title>{}</title><link>https://example.com/</link></item>"
    (seen,) = read_feed(rss(item.format("first") + item.format("second")), BASE).videos
    assert seen.title == "first"


def test_too_long_texts_are_cut_to_what_may_be_reported() -> None:
    item = f"<item><guid>{'g' * 600}</guid><title>{'t' * 2000}</title><link>https://example.com/</link></item>"
    (seen,) = read_feed(rss(item), BASE).videos
    assert (len(seen.media_id), len(seen.title)) == (512, 1024)


@pytest.mark.parametrize("views", ["", "-1", "many", "9" * 30, "\uff11\uff12"])
def test_a_view_count_that_is_none_is_left_out(views: str) -> None:
    item = f"""<item xmlns:media="http://search.yahoo.com/mrss/"><guid>1</guid><link>https://example.com/</link>
      <media:community><media:statistics views="{views}"/></media:community></item>"""
    assert read_feed(rss(item), BASE).videos[0].views is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html><body>Welcome</body></html>",
        b"<rss><channel>",
        b"{}",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="klingon"?><rss/>',
        b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><channel><title>&a;</title></channel></rss>',
        b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><rss><channel><title>&b;</title></channel></rss>',
    ],
)
def test_what_is_no_feed_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(NotAFeed):
        read_feed(text, BASE)


def test_an_empty_feed_is_a_feed() -> None:
    assert read_feed(rss(""), BASE).videos == ()
