# SPDX-License-Identifier: Apache-2.0
"""Reads a feed's text: Atom (YouTube's with its own tags), RSS 2.0 and RSS 1.0. Pure; fetching is `role.py`'s work."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError

from castwarden_model.messages import VideoSeen
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

ATOM = "{http://www.w3.org/2005/Atom}"
YOUTUBE = "{http://www.youtube.com/xml/schemas/2015}"
MEDIA = "{http://search.yahoo.com/mrss/}"
RSS1 = "{http://purl.org/rss/1.0/}"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
_ROOTS = (f"{ATOM}feed", "rss", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}RDF")
_LONGEST = {"media_id": 512, "title": 1024, "url": 2048, "description": 65536, "thumbnail_url": 2048}


class NotAFeed(Exception):
    """The text is neither Atom nor RSS."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed says. `skipped` counts entries without an id or a link."""

    title: str | None
    videos: tuple[VideoSeen, ...]
    skipped: int = 0


def read_feed(text: bytes, base_url: str) -> Feed:
    """The feed in `text`; relative links are joined to `base_url`. Raises NotAFeed."""
    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise NotAFeed(f"not well-formed XML: {error}") from error
    if root.tag not in _ROOTS:
        raise NotAFeed(f"the document is <{root.tag.rpartition('}')[2]}>, not a feed")
    videos: dict[str, VideoSeen] = {}
    skipped = 0
    for entry in _entries(root):
        video = _video(entry, base_url)
        if video is None:
            skipped += 1
        else:
            videos.setdefault(video.media_id, video)
    return Feed(_feed_title(root), tuple(videos.values()), skipped)


def _entries(root: Element) -> Iterator[Element]:
    for tag in (f"{ATOM}entry", "item", f"{RSS1}item"):
        yield from root.iter(tag)


def _feed_title(root: Element) -> str | None:
    channel = next((found for tag in ("channel", f"{RSS1}channel") if (found := root.find(tag)) is not None), root)
    return _text(channel, f"{ATOM}title", "title", f"{RSS1}title")


def _video(entry: Element, base_url: str) -> VideoSeen | None:
    url = _link(entry, base_url)
    media_id = _text(entry, f"{YOUTUBE}videoId", f"{ATOM}id", "guid") or url
    if not url or not media_id:
        return None
    group = entry.find(f"{MEDIA}group")
    media = entry if group is None else group
    published = _text(entry, f"{ATOM}published", "pubDate", f"{DUBLIN_CORE}date")
    return VideoSeen(
        media_id=_cut("media_id", media_id),
        title=_cut("title", _text(entry, f"{ATOM}title", "title", f"{RSS1}title") or media_id),
        url=url,
        published_at=_time(published),
        updated_at=_time(_text(entry, f"{ATOM}updated")),
        description=_cut("description", _description(entry, media)),
        thumbnail_url=_thumbnail(entry, media, base_url),
        views=_views(media),
    )


def _description(entry: Element, media: Element) -> str:
    return (
        _text(media, f"{MEDIA}description")
        or _text(entry, f"{ATOM}summary", "description", f"{RSS1}description", f"{CONTENT}encoded", f"{ATOM}content")
        or ""
    )


def _link(entry: Element, base_url: str) -> str | None:
    """The entry's page, or else its media file; only http and https, and only when it is not too long to keep."""
    alternates = [
        link.get("href") for link in entry.findall(f"{ATOM}link") if link.get("rel", "alternate") == "alternate"
    ]
    files = [found.get("url") for found in entry.findall("enclosure")]
    return _first_url([*alternates, _text(entry, "link", f"{RSS1}link"), *files], base_url)


def _thumbnail(entry: Element, media: Element, base_url: str) -> str | None:
    pictures = [*media.findall(f"{MEDIA}thumbnail"), *entry.findall(f"{MEDIA}thumbnail")]
    podcast = [found.get("href") for found in entry.findall(f"{ITUNES}image")]
    return _first_url([*(found.get("url") for found in pictures), *podcast], base_url)


def _first_url(candidates: Iterable[str | None], base_url: str) -> str | None:
    for candidate in candidates:
        try:
            url = urljoin(base_url, candidate.strip()) if candidate else ""
            usable = urlsplit(url).scheme in ("http", "https") and len(url) <= _LONGEST["url"]
        except ValueError:
            continue
        if usable:
            return url
    return None


def _views(media: Element) -> int | None:
    statistics = media.find(f"{MEDIA}community/{MEDIA}statistics")
    views = "" if statistics is None else statistics.get("views", "")
    return int(views) if views.isascii() and views.isdigit() and len(views) < 19 else None


def _text(parent: Element, *tags: str) -> str | None:
    """The text of the first of `tags` that has any, mark-up inside it included."""
    for tag in tags:
        found = parent.find(tag)
        text = "" if found is None else "".join(found.itertext()).strip()
        if text:
            return text
    return None


def _time(text: str | None) -> datetime | None:
    """RFC 3339 or RFC 822; a time without a zone is UTC; None when it is neither."""
    if not text:
        return None
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            time = parse(text)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _cut(field: str, text: str) -> str:
    return text[: _LONGEST[field]]
