# SPDX-License-Identifier: Apache-2.0
"""ServiceAccount tokens: JWTs with an audience and an expiry, bound to a Pod or to a ServiceAccount that must exist."""

import base64
import binascii
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from castwarden_local.standin.auth.certs import private_key
from castwarden_local.standin.interface import PODS, SERVICE_ACCOUNTS, Object
from castwarden_local.standin.storage.records import Key
from castwarden_local.standin.storage.store import Store

ISSUER = "https://kubernetes.default.svc"
_HALF = 32  # bytes of each half of a P-256 signature


class BadToken(Exception):
    """Why a token does not authenticate, in the API server's words."""


@dataclass(frozen=True, slots=True)
class User:
    """Who a token speaks for."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            answer["uid"] = self.uid
        if self.extra:
            answer["extra"] = {key: list(values) for key, values in self.extra}
        return answer


class Tokens:
    """Mints and reviews. The key is made once and kept in the data directory."""

    def __init__(self, key_file: Path, store: Store) -> None:
        self._key = private_key(key_file)
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key_id = _encode(hashlib.sha256(public).digest())
        self._store = store

    def mint(
        self,
        account: Object,
        audiences: Sequence[str] = (),
        expires_in: int = 3600,
        *,
        pod: Object | None = None,
        now: float | None = None,
    ) -> str:
        """A token for a ServiceAccount, bound to `pod` when given."""
        issued = int(time.time() if now is None else now)
        namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
        bound: dict[str, Any] = {"namespace": namespace, "serviceaccount": _reference(account)}
        if pod is not None:
            bound["pod"] = _reference(pod)
        claims = {
            "aud": list(audiences) or [ISSUER],
            "exp": issued + expires_in,
            "iat": issued,
            "iss": ISSUER,
            "jti": str(uuid4()),
            "kubernetes.io": bound,
            "nbf": issued,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        head = _encode(orjson.dumps({"alg": "ES256", "kid": self._key_id}))
        signed = f"{head}.{_encode(orjson.dumps(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"

    def review(self, token: str, audiences: Sequence[str] = (), now: float | None = None) -> tuple[User, list[str]]:
        """Who the token speaks for, and which of the audiences it is for. Raises BadToken."""
        claims = self._verified(token)
        moment = time.time() if now is None else now
        if moment >= claims["exp"] or moment < claims["nbf"]:
            raise BadToken("[invalid bearer token, service account token has expired]")
        wanted = list(audiences) or [ISSUER]
        common = [each for each in wanted if each in claims["aud"]]
        if not common:
            have, want = (orjson.dumps(each).decode() for each in (claims["aud"], wanted))
            raise BadToken(f"[invalid bearer token, token audiences {have} is invalid for the target audiences {want}]")
        bound = claims["kubernetes.io"]
        self._check_bound(SERVICE_ACCOUNTS.plural, bound["namespace"], bound["serviceaccount"])
        if "pod" in bound:
            self._check_bound(PODS.plural, bound["namespace"], bound["pod"])
        return _user(claims), common

    def _verified(self, token: str) -> Any:
        try:
            head, body, signature = token.split(".")
            header, raw = orjson.loads(_decode(head)), _decode(signature)
            if header != {"alg": "ES256", "kid": self._key_id} or len(raw) != 2 * _HALF:
                raise BadToken("invalid bearer token")
            halves = (int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
            curve = ec.ECDSA(hashes.SHA256())
            self._key.public_key().verify(encode_dss_signature(*halves), f"{head}.{body}".encode(), curve)
            return orjson.loads(_decode(body))
        except (ValueError, binascii.Error, InvalidSignature) as error:
            raise BadToken("invalid bearer token") from error

    def _check_bound(self, plural: str, namespace: str, reference: dict[str, str]) -> None:
        record = self._store.get(Key(plural, namespace, reference["name"]))
        if record is None or record.uid != reference["uid"]:
            raise BadToken("[invalid bearer token, service account token has been invalidated]")


def _user(claims: Any) -> User:
    bound = claims["kubernetes.io"]
    extra = [("authentication.kubernetes.io/credential-id", (f"JTI={claims['jti']}",))]
    if "pod" in bound:
        extra += [
            ("authentication.kubernetes.io/pod-name", (bound["pod"]["name"],)),
            ("authentication.kubernetes.io/pod-uid", (bound["pod"]["uid"],)),
        ]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{bound['namespace']}", "system:authenticated")
    return User(claims["sub"], bound["serviceaccount"]["uid"], groups, tuple(extra))


def _reference(obj: Object) -> dict[str, str]:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
