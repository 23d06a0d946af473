# SPDX-License-Identifier: Apache-2.0
"""ServiceAccount tokens: whom they speak for, and all the ways in which one does not count."""

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from castwarden_local.standin.auth.tokens import ISSUER, BadToken, Tokens
from castwarden_local.standin.storage.database import Database
from castwarden_local.standin.storage.records import Key, Record
from castwarden_local.standin.storage.store import Store

ACCOUNT = {"metadata": {"name": "worker", "namespace": "news", "uid": "account-uid"}}
POD = {"metadata": {"name": "monitor-a", "namespace": "news", "uid": "pod-uid"}}
NOW = 1_700_000_000.0


class Shelf(Store):
    """A store whose objects a test puts there itself."""

    def __init__(self) -> None:
        super().__init__(Database("unused"), lambda _, __: {})
        self.there: dict[Key, Record] = {}

    def put(self, plural: str, obj: dict[str, Any]) -> None:
        meta = obj["metadata"]
        key = Key(plural, meta["namespace"], meta["name"])
        self.there[key] = Record(key, 1, b"", meta["uid"], {}, {}, ())

    def get(self, key: Key) -> Record | None:
        return self.there.get(key)


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    shelf.put("serviceaccounts", ACCOUNT)
    shelf.put("pods", POD)
    return shelf


@pytest.fixture
def tokens(tmp_path: Path, shelf: Shelf) -> Tokens:
    return Tokens(tmp_path / "key", shelf)


def test_a_token_speaks_for_its_service_account_and_pod(tokens: Tokens) -> None:
    token = tokens.mint(ACCOUNT, ["gateway"], pod=POD, now=NOW)
    user, audiences = tokens.review(token, ["gateway", "other"], now=NOW + 1)
    shown = user.as_dict()
    assert audiences == ["gateway"]
    assert shown["username"] == "system:serviceaccount:news:worker"
    assert shown["uid"] == "account-uid"
    assert shown["groups"] == ["system:serviceaccounts", "system:serviceaccounts:news", "system:authenticated"]
    assert shown["extra"]["authentication.kubernetes.io/pod-name"] == ["monitor-a"]
    assert shown["extra"]["authentication.kubernetes.io/pod-uid"] == ["pod-uid"]


def test_a_token_without_audience_is_for_the_api(tokens: Tokens) -> None:
    assert tokens.review(tokens.mint(ACCOUNT, now=NOW), now=NOW)[1] == [ISSUER]


def test_a_token_for_someone_else_is_refused(tokens: Tokens) -> None:
    with pytest.raises(
        BadToken, match=r'token audiences \["gateway"\] is invalid for the target audiences \["other"\]'
    ):
        tokens.review(tokens.mint(ACCOUNT, ["gateway"], now=NOW), ["other"], now=NOW)


@pytest.mark.parametrize("later", [-60, 3600, 1e9])
def test_a_token_counts_only_in_its_time(tokens: Tokens, later: float) -> None:
    with pytest.raises(BadToken, match="expired"):
        tokens.review(tokens.mint(ACCOUNT, expires_in=3600, now=NOW), now=NOW + later)


def test_a_token_ends_with_its_pod(tokens: Tokens, shelf: Shelf) -> None:
    token = tokens.mint(ACCOUNT, pod=POD, now=NOW)
    shelf.put("pods", {"metadata": POD["metadata"] | {"uid": "a new Pod of the same name"}})
    with pytest.raises(BadToken, match="invalidated"):
        tokens.review(token, now=NOW)
    shelf.there.pop(Key("pods", "news", "monitor-a"))
    with pytest.raises(BadToken, match="invalidated"):
        tokens.review(token, now=NOW)


def test_a_token_ends_with_its_service_account(tokens: Tokens, shelf: Shelf) -> None:
    token = tokens.mint(ACCOUNT, now=NOW)
    shelf.there.clear()
    with pytest.raises(BadToken, match="invalidated"):
        tokens.review(token, now=NOW)


def test_tokens_outlive_the_process_that_made_them(tmp_path: Path, shelf: Shelf, tokens: Tokens) -> None:
    token = tokens.mint(ACCOUNT, now=NOW)
    assert Tokens(tmp_path / "key", shelf).review(token, now=NOW)
    with pytest.raises(BadToken):
        Tokens(tmp_path / "another", shelf).review(token, now=NOW)


def changed(token: str, claims: dict[str, Any]) -> str:
    head, body, signature = token.split(".")
    raw = orjson.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{base64.urlsafe_b64encode(orjson.dumps(raw | claims)).rstrip(b'=').decode()}.{signature}"


@pytest.mark.parametrize("junk", ["", "x", "a.b.c", "a.b.c.d", "ä.b.c", "e30.e30.e30", "." * 3])
def test_what_is_no_token_is_refused(tokens: Tokens, junk: str) -> None:
    with pytest.raises(BadToken, match="invalid bearer token"):
        tokens.review(junk)


def test_a_token_that_was_tampered_with_is_refused(tokens: Tokens) -> None:
    token = tokens.mint(ACCOUNT, now=NOW)
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for forged in (changed(token, {"exp": NOW * 2}), f"{unsigned}.{token.split('.')[1]}.", token[:-4] + "AAAA"):
        with pytest.raises(BadToken, match="invalid bearer token"):
            tokens.review(forged, now=NOW)


def test_the_key_is_readable_by_its_owner_alone(tmp_path: Path, tokens: Tokens) -> None:
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
