# SPDX-License-Identifier: Apache-2.0
"""Label and field selectors: the whole grammar, and what is no selector."""

import pytest
from castwarden_local.standin.errors import BadRequest
from castwarden_local.standin.storage.selectors import parse_fields, parse_labels

LABELS = {"app": "web", "tier": "front", "weight": "5"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app = web , tier != back", True),
        ("app!=web", False),
        ("other!=web", True),
        ("app in (web,api)", True),
        ("app in (api)", False),
        ("app notin (api, db)", True),
        ("other notin (x)", True),
        ("other in (x)", False),
        ("app", True),
        ("other", False),
        ("!app", False),
        ("! other", True),
        ("weight>4,weight<6", True),
        ("weight>5", False),
        ("app>1", False),
        ("other=", False),
        ("app.kubernetes.io/name=x", False),
        ("app in (web),!other,tier notin (back)", True),
    ],
)
def test_label_selectors_match_as_kubernetes_says(text: str, matches: bool) -> None:
    assert all(each.matches(LABELS) for each in parse_labels(text)) is matches


@pytest.mark.parametrize(
    "text",
    [
        "a===b",
        "a in web",
        "a in (web",
        "a,,b",
        "=x",
        "a b",
        "a=b=c",
        "(a)",
        "a=b c",
        "-a=b",
        "a=not ok!",
        "a>x",
        "a/b/c=d",
    ],
)
def test_what_is_no_label_selector_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="unable to parse requirement"):
        parse_labels(text)


SUPPORTED = frozenset({"metadata.name", "spec.nodeName"})


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("metadata.name=x", True),
        ("metadata.name==x,spec.nodeName!=n1", True),
        ("spec.nodeName=", True),
        ("metadata.name!=x", False),
        (r"metadata.name=a\,b", False),
    ],
)
def test_field_selectors_compare_exactly(text: str, matches: bool) -> None:
    fields = {"metadata.name": "x", "spec.nodeName": ""}
    assert all(each.matches(fields) for each in parse_fields(text, SUPPORTED)) is matches


@pytest.mark.parametrize(
    ("text", "why"),
    [("spec.size=1", "field label not supported: spec.size"), ("metadata.name", "can't understand 'metadata.name'")],
)
def test_what_is_no_field_selector_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        parse_fields(text, SUPPORTED)
