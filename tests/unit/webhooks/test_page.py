# SPDX-License-Identifier: Apache-2.0
"""docs/webhooks.md says what is so: its tables, its JSON and its snippets."""

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import castwarden_gateway
import pytest
from castwarden_gateway.webhooks import conditions
from castwarden_gateway.webhooks.checks import check
from castwarden_gateway.webhooks.control_models import Pause, RotateSecret
from castwarden_gateway.webhooks.delivery_models import Recover, SigningKeyRequest
from castwarden_gateway.webhooks.models import EndpointCreate
from castwarden_gateway.webhooks.payloads import Payload, StoredEvent, body
from castwarden_gateway.webhooks.replay_models import ReplayStart
from castwarden_gateway.webhooks.schedule import WAITS
from castwarden_gateway.webhooks.sign import Message, Profile, headers, new_private_key, new_secret
from pydantic import BaseModel

from tests.plugins.pages import Page

PAGE = Page("docs/webhooks.md")
README = Page("README.md")
SCHEMA = EndpointCreate.model_json_schema()["properties"]
MESSAGE = Message(UUID(int=1), UUID(int=2), "alert.blackout", '{"title":"Füße"}'.encode())
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


OPTIONS = {codes(name)[0]: (values, default) for name, values, default in PAGE.table("option")}


def test_every_option_of_an_endpoint_is_in_the_table_and_no_other() -> None:
    beside = {"url", "description", "retry_waits"}  # the first two explain themselves, the last is told of with `retry`
    assert OPTIONS.keys() == EndpointCreate.model_fields.keys() - beside
    assert "`retry_waits`" in OPTIONS["retry"][0]


@pytest.mark.parametrize("option", OPTIONS)
def test_the_default_of_an_option_is_the_one_in_the_table(option: str) -> None:
    told = OPTIONS[option][1].partition(":")[0].strip("`")
    default = EndpointCreate.model_fields[option].default
    if told == "none":
        assert not default
    elif isinstance(default, str):
        assert told == default
    else:
        assert json.loads(told) == default


@pytest.mark.parametrize("option", ["timeout_seconds", "max_in_flight"])
def test_the_bounds_of_an_option_are_those_in_the_table(option: str) -> None:
    least, most = re.match(r"(\d+) to (\d+)", OPTIONS[option][0]).groups()  # type: ignore[union-attr]
    assert (int(least), int(most)) == (SCHEMA[option]["minimum"], SCHEMA[option]["maximum"])


def test_formats_and_profiles_are_all_told() -> None:
    assert set(get_args(Payload)) <= set(codes(OPTIONS["payload"][0]))
    assert [codes(row[0])[0] for row in PAGE.table("profile")] == list(get_args(Profile))
    assert {"v1", "v1a"} == set(codes(OPTIONS["signature"][0]))


@pytest.mark.parametrize("format_", ["stream-tracker", "yt-tracker"])
def test_the_fields_of_the_older_bodies_are_those_that_are_told(format_: Payload) -> None:
    told = re.search(rf"`{format_}` \(([^)]*)\)", OPTIONS["payload"][0])
    assert told
    data = dict.fromkeys(("video_id", "youtube_id", "title", "published_at"), "x")
    event = StoredEvent(
        UUID(int=1), "video.created", "Channel", "a", "b", "c", AT, data, {"a": "b"}, "https://a.example/"
    )
    assert list(json.loads(body(format_, event))) == codes(told[1])


@pytest.mark.parametrize("row", PAGE.table("profile"), ids=lambda row: row[0])
def test_a_profile_adds_the_headers_in_the_table(row: list[str]) -> None:
    profile: Any = codes(row[0])[0]
    added = set(headers(profile, new_secret(), MESSAGE, 1)) - set(headers("standard", new_secret(), MESSAGE, 1))
    told = {code.partition(":")[0] for code in codes(row[1]) if code.startswith("X-")}
    assert added == told


def test_the_policies_of_retry_are_as_told() -> None:
    attempts, days = re.search(r"`standard`: (\d+) attempts over (\d) days", OPTIONS["retry"][0]).groups()  # type: ignore[union-attr]
    assert len(WAITS["standard"]) + 1 == int(attempts)
    assert sum(WAITS["standard"]) // 86_400 == int(days)
    seed = re.search(r"`seed`: (.*?) after the first", OPTIONS["retry"][0])
    units = {"m": 60, "h": 3600}
    assert seed
    assert [int(one[:-2]) * units[one[-1]] for one in seed[1].split(", ")] == list(WAITS["seed"])


EVENT: dict[str, Any] = {
    "type": "alert.blackout",
    "subject": {"kind": "Monitor", "namespace": "a", "name": "studio", "uid": "1"},
    "data": {"duration_sec": 60.0},
    "metadata": {},
}


def test_the_filter_that_is_shown_lets_through_what_it_says() -> None:
    (shown,) = PAGE.blocks("json")
    condition = json.loads(shown)
    check({"filter": condition})
    assert conditions.matches(condition, EVENT)
    for other in ({"type": "stream.ended"}, {"data": {"duration_sec": 59}}, {"subject": {"name": "roof"}}):
        assert not conditions.matches(condition, {**EVENT, **other})


def test_every_operator_is_told_and_no_other() -> None:
    told = {name for row in PAGE.table("written") for name in re.findall(r"\$\w+", row[0])}
    assert told == {*conditions._OPERATORS, "$not", "$or"}


def test_the_size_of_a_filter_is_as_told() -> None:
    assert f"at most {conditions.DEPTH_LIMIT} deep" in PAGE.text
    assert f"at most {conditions.SIZE_LIMIT} names" in PAGE.text


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ('{"desk": "7"}', None),
        ("{}", SigningKeyRequest),
        ('{"rotate": true}', SigningKeyRequest),
        ('{"signature": "v1a"}', RotateSecret),
        ('{"until": …}', Pause),
        ('{"since": "2026-11-20T00:00:00Z"}', Recover),
        ('{"since": …}', ReplayStart),
        ('{"certificate": "<PEM>", "key": "<PEM>"}', EndpointCreate.model_fields["client_certificate"].annotation),
    ],
)
def test_bodies_that_are_told_are_taken(written: str, model: Any) -> None:
    assert written in PAGE.codes()
    found = json.loads(written.replace("…", '"2026-11-20T00:00:00Z"'))
    if model is None:
        EndpointCreate.model_validate({"url": "https://a.example/", "labels": found})
    else:
        taken: type[BaseModel] = model if isinstance(model, type) else get_args(model)[0]
        taken.model_validate(found)


def test_every_body_that_is_told_is_tried_above() -> None:
    mark = next(one for one in test_bodies_that_are_told_are_taken.pytestmark)
    tried = {written for written, _ in mark.args[1]}
    operators = {code for row in PAGE.table("written") for code in codes(row[0])}
    assert {code for code in PAGE.codes() if code.startswith("{")} - operators == tried


def test_every_error_class_of_an_attempt_is_told_and_no_other() -> None:
    folder = Path(castwarden_gateway.__file__).parent
    sources = [path.read_text("utf-8") for part in ("outbound", "webhooks") for path in (folder / part).glob("*.py")]
    known = {name for text in sources for name in re.findall(r'(?:\berror=|NoConnection\()"([a-z_]+)"', text)}
    told = {codes(row[0])[0] for row in PAGE.table("error")}
    assert {"timeout", "dns", "protocol"} < known
    assert told - {"status_404"} == known


def signed_by_v1a() -> tuple[str, dict[str, str]]:
    private, public = new_private_key()
    return public, headers("standard", private, MESSAGE, 1_732_104_000, [new_secret()])


def test_the_python_snippet_for_v1a_takes_what_is_signed_and_nothing_else() -> None:
    space: dict[str, Any] = {}
    exec(PAGE.blocks("python")[0], space)
    public, signed = signed_by_v1a()
    verify, (other, _) = space["verify"], signed_by_v1a()
    assert verify(public, signed, MESSAGE.body)
    assert not verify(public, signed, MESSAGE.body + b" ")
    assert not verify(other, signed, MESSAGE.body)
    assert not verify(public, {**signed, "webhook-signature": "v1a,AAAA v1,x"}, MESSAGE.body)


def run_js(script: str, *calls: tuple[str, dict[str, str], str]) -> list[str]:
    lines = [f"console.log(verify({', '.join(json.dumps(one) for one in call)}));" for call in calls]
    done = subprocess.run(
        ["node", "-e", "\n".join([script, *lines])], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.split()


@pytest.mark.node
def test_the_javascript_snippet_for_v1a_takes_what_is_signed_and_nothing_else() -> None:
    public, signed = signed_by_v1a()
    text = MESSAGE.body.decode()
    calls = [(public, signed, text), (public, signed, text + " "), (signed_by_v1a()[0], signed, text)]
    forged = {**signed, "webhook-signature": "v1a,AAAA v1,x"}
    assert run_js(PAGE.blocks("js")[0], *calls, (public, forged, text)) == ["true", "false", "false", "false"]


def test_the_readmes_python_snippet_takes_each_of_several_signatures() -> None:
    space: dict[str, Any] = {}
    exec(README.blocks("python")[0], space)
    old, new = new_secret(), new_secret()
    signed = headers("standard", new, MESSAGE, 1_732_104_000, [old])
    taken = [space["verify"](secret, signed, MESSAGE.body) for secret in (new, old, new_secret())]
    assert taken == [True, True, False]


@pytest.mark.node
def test_the_readmes_javascript_snippet_takes_each_of_several_signatures() -> None:
    old, new = new_secret(), new_secret()
    signed = headers("standard", new, MESSAGE, 1_732_104_000, [old])
    calls = [(secret, signed, MESSAGE.body.decode()) for secret in (new, old, new_secret())]
    assert run_js(README.blocks("js")[0], *calls) == ["true", "true", "false"]
