# SPDX-License-Identifier: Apache-2.0
"""What README.md, docs/rest.md and docs/webhooks.md name is there: routes, scopes, codes, settings, metrics."""

import re
from collections.abc import Iterator

import castwarden_gateway.app  # noqa: F401 - registers all metrics
import pytest
from castwarden_gateway.http.problems import Problem
from castwarden_gateway.http.routes import Route
from castwarden_gateway.tables import DESCRIBED_ROUTES, INTERNAL_ROUTES
from prometheus_client import REGISTRY

from tests.plugins.pages import ROOT, Page

PAGES = {name: Page(name) for name in ("README.md", "docs/rest.md", "docs/webhooks.md")}
ROUTES: list[Route] = [route for table in (*DESCRIBED_ROUTES, *INTERNAL_ROUTES) for route in table]
PATHS = [(route.method, path) for route in ROUTES for path in (route.path, *route.aliases)]
CALL = re.compile(r"(GET|POST|PUT|PATCH|DELETE) ([/…][^ ]*)")
CURL = re.compile(r"curl [^\n]*?\$CASTWARDEN(/[^ \"?\n]*)([^\n]*(?:\\\n[^\n]*)*)")
METRIC = re.compile(r"castwarden_\w+")
SETTING = re.compile(r"\b(?:CASTWARDEN_[A-Z_]+|[A-Z]{3,}(?:_[A-Z]+)+)\b")


@pytest.fixture(params=PAGES, ids=lambda name: name)
def page(request: pytest.FixtureRequest) -> Page:
    return PAGES[request.param]


def exists(method: str, path: str) -> bool:
    """`…` stands for a beginning that goes without saying; a query may follow."""
    path = path.partition("?")[0]
    if path.startswith("…"):
        return any(known.endswith(path[1:]) for verb, known in PATHS if verb == method)
    return (method, path) in PATHS


def test_every_call_that_is_named_is_a_route(page: Page) -> None:
    named = [found for code in page.codes() if (found := CALL.fullmatch(code))]
    assert named
    assert [found[0] for found in named if not exists(found[1], found[2])] == []


def test_every_path_below_an_id_that_is_named_alone_is_a_route(page: Page) -> None:
    named = [code for code in page.codes() if re.fullmatch(r"…/\w+", code)]
    assert [code for code in named if not exists("GET", code)] == []


def test_every_command_calls_a_route_with_the_method_that_curl_takes() -> None:
    called = [
        ("POST" if " -d " in rest else "GET", path.replace("'", ""))
        for path, rest in CURL.findall("\n".join(PAGES["README.md"].blocks("sh")))
    ]
    assert len(called) >= 6
    assert [call for call in called if not exists(*call)] == []


def problems(of: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for one in of.__subclasses__():
        yield one
        yield from problems(one)


def test_every_code_of_a_problem_that_is_named_in_words_is_one() -> None:
    codes = {problem.code for problem in problems()}
    named = re.findall(r"\b[45]\d\d `([a-z-]+)`", PAGES["docs/rest.md"].prose)
    assert named
    assert set(named) <= codes


def test_every_scope_that_is_named_opens_something() -> None:
    needed = {route.scope for route in ROUTES if route.scope}
    named = set(re.findall(r"[Ss]cope `([^`]+)`", PAGES["docs/rest.md"].text))
    assert "audit:read" in named
    assert {scope for scope in named - needed if not scope.endswith("*")} == set()


def test_every_metric_that_is_named_is_told(page: Page) -> None:
    told = {family.name for family in REGISTRY.collect()}
    named = {name for code in page.codes() for name in METRIC.findall(code)}
    assert {name for name in named if name.removesuffix("_total") not in told} == set()


def test_every_setting_that_is_named_is_one(page: Page) -> None:
    known = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/settings.md").read_text("utf-8")))
    named = {name for code in page.codes() for name in SETTING.findall(code)}
    assert named - known == set()
