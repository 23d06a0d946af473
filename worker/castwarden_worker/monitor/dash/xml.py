# SPDX-License-Identifier: Apache-2.0
"""The XML of MPDs: a tree of bounded size, and its attributes as values. Fetches nothing and expands nothing."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ..errors import PlaylistError

_MAX_ELEMENTS = 100_000
_MAX_DEPTH = 32
_V = TypeVar("_V")


def tree(data: bytes) -> Element:
    """The root element; PlaylistError when there is none, or a document type, or too much."""
    parser = DefusedXMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    try:
        parser.feed(data)
        root: Element = parser.close()
    except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
        raise PlaylistError(f"not an MPD: {error}"[:200]) from None
    return root


def get(given: Mapping[str, str], name: str, read: Callable[[str], _V]) -> _V | None:
    """The attribute as `read` reads it, None when it is missing; ValueError names it."""
    text = given.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if local_name(child) == name)


def local_name(element: Element) -> str:
    """Without its namespace: old and new schemas differ in that, and some packagers forget it."""
    return str(element.tag).rpartition("}")[2]


class _BoundedBuilder(TreeBuilder):
    """Refuses documents whose tree would take many times their size."""

    def __init__(self) -> None:
        super().__init__()
        self._elements = self._depth = 0

    def start(self, tag: str, attrs: "dict[str, str]", /) -> Element:
        self._elements += 1
        self._depth += 1
        if self._elements > _MAX_ELEMENTS:
            raise PlaylistError(f"an MPD of more than {_MAX_ELEMENTS} elements")
        if self._depth > _MAX_DEPTH:
            raise PlaylistError(f"an MPD that is nested more than {_MAX_DEPTH} deep")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)
