# SPDX-License-Identifier: Apache-2.0
"""What README.md, docs/rest.md and docs/webhooks.md name is so: routes, scopes, codes, settings, metrics, numbers."""

import re
from collections.abc import Iterator

import castwarden_gateway.app  # noqa: F401 - registers all metrics
import pytest
from castwarden_gateway.audit import log
from castwarden_gateway.events import feed, streams
from castwarden_gateway.http import claims
from castwarden_gateway.http.cursors import PageQuery
from castwarden_gateway.http.problems import Problem
from castwarden_gateway.http.routes import Route
from castwarden_gateway.outbound import answer
from castwarden_gateway.settings import GatewaySettings
from castwarden_gateway.tables import DESCRIBED_ROUTES, INTERNAL_ROUTES
from castwarden_gateway.webhooks import breaker, replays, send
from castwarden_gateway.webhooks.options import Options
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


def told(page: str, pattern: str) -> list[float]:
    found = re.search(pattern.replace(" ", r"\s+"), PAGES[page].prose)
    assert found, pattern
    return [float(one.replace(",", "")) for one in found.groups()]


REST, HOOKS = "docs/rest.md", "docs/webhooks.md"
LIMIT = PageQuery.model_json_schema()["properties"]["limit"]


@pytest.mark.parametrize(
    ("page", "pattern", "so"),
    [
        (REST, r"has (\d+) rows, or `limit` \((\d+) to (\d+)\)", [LIMIT[k] for k in ("default", "minimum", "maximum")]),
        (REST, r"method and the path for (\d+) hours", [claims.LIFE_SECONDS / 3600]),
        (REST, r"in-flight` for up to (\d+) seconds", [claims.LEASE_SECONDS]),
        (REST, r"more than ([\d,]+) outcomes", [log._MOST_WAITING]),
        (REST, r"comment comes every (\d+) seconds", [streams._HEARTBEAT_SECONDS]),
        (REST, r"falls (\d+) events behind", [feed._MOST_WAITING]),
        (REST, r"takes nothing in for (\d+) seconds", [streams._PATIENCE_SECONDS]),
        (HOOKS, r"no connection within (\d+) s", [send._CONNECT_SECONDS]),
        (HOOKS, r"more than (\d+) KiB of headers", [answer.HEAD_LIMIT / 1024]),
        (HOOKS, r"first (\d+) KiB of what the receiver said", [answer.BODY_LIMIT / 1024]),
        (HOOKS, r"It rests while ([\d,]+) deliveries wait", [replays._MUCH]),
        (HOOKS, r"the endpoint rests for (\d+) to (\d+) seconds", [breaker._FIRST_REST, breaker._LONGEST_REST]),
        (HOOKS, r"`CASTWARDEN_DELIVERY_DAYS` \((\d+)\)", [GatewaySettings.model_fields["delivery_days"].default]),
        (HOOKS, r"`CASTWARDEN_EVENT_DAYS` \((\d+)\)", [GatewaySettings.model_fields["event_days"].default]),
        (HOOKS, r"have (\d+) of the \d+ that a process takes", [Options().share]),
        (HOOKS, r"have \d+ of the (\d+) that a process takes", [Options().max_in_flight]),
    ],
)
def test_the_numbers_that_are_told_are_those_of_the_code(page: str, pattern: str, so: list[float]) -> None:
    assert told(page, pattern) == so


def test_every_metric_that_is_named_is_told(page: Page) -> None:
    known = {family.name for family in REGISTRY.collect()}
    named = {name for code in page.codes() for name in METRIC.findall(code)}
    assert {name for name in named if name.removesuffix("_total") not in known} == set()


def test_every_setting_that_is_named_is_one(page: Page) -> None:
    known = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/settings.md").read_text("utf-8")))
    named = {name for code in page.codes() for name in SETTING.findall(code)}
    assert named - known == set()
