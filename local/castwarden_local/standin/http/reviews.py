# SPDX-License-Identifier: Apache-2.0
"""Resources that are questions and hold no objects: TokenReview, SelfSubjectAccessReview, TokenRequest, Binding."""

from datetime import timedelta
from typing import Any

from castwarden_local.standin.auth.tokens import BadToken, Tokens
from castwarden_local.standin.builtin.table import model_schema
from castwarden_local.standin.errors import BadRequest, Conflict, Invalid, Subject
from castwarden_local.standin.interface import GVR, PODS, SERVICE_ACCOUNTS, Api, Object
from castwarden_local.standin.json_values import dig, parse_time, timestamp
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.validation.schema import compile_schema
from castwarden_local.standin.validation.schema_checks import check, invalid
from castwarden_local.standin.writing.admission import adopt

_SHORTEST_SECONDS, _LONGEST_SECONDS = 600, 1 << 32


def _question(group: str, plural: str, kind: str, model: str, *, namespaced: bool = False) -> Resource:
    raw = model_schema(model)
    return Resource(
        gvr=GVR(group, "v1", plural),
        kind=kind,
        singular=kind.lower(),
        namespaced=namespaced,
        schema=compile_schema(raw),
        raw_schema=raw,
        verbs=("create",),
    )


TOKEN_REVIEWS = _question("authentication.k8s.io", "tokenreviews", "TokenReview", "V1TokenReview")
ACCESS_REVIEWS = _question(
    "authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "V1SelfSubjectAccessReview"
)
TOKEN_REQUESTS = _question("authentication.k8s.io", "token", "TokenRequest", "AuthenticationV1TokenRequest")
QUESTIONS = (TOKEN_REVIEWS, ACCESS_REVIEWS)
SUBRESOURCES = {(SERVICE_ACCOUNTS, "token"): TOKEN_REQUESTS}


class Reviews:
    """Answers questions."""

    def __init__(self, api: Api, tokens: Tokens) -> None:
        self._api = api
        self._tokens = tokens

    async def review_token(self, obj: Object) -> Object:
        """Raises BadRequest without a token."""
        _read(TOKEN_REVIEWS, obj)
        token = dig(obj, "spec", "token")
        if not token:
            raise BadRequest("token is required for TokenReview in authentication")
        try:
            user, audiences = self._tokens.review(token, dig(obj, "spec", "audiences") or ())
        except BadToken as error:
            return obj | {"status": {"user": {}, "error": str(error)}}
        return obj | {"status": {"authenticated": True, "user": user.as_dict(), "audiences": audiences}}

    async def review_access(self, obj: Object) -> Object:
        """There is no access control here: whoever is let in may do everything."""
        _read(ACCESS_REVIEWS, obj)
        return obj | {"status": {"allowed": True, "reason": "the stand-in has no access control"}}

    async def request_token(self, obj: Object, namespace: str, name: str) -> Object:
        """Raises NotFound without such a ServiceAccount or Pod, Invalid, Conflict."""
        _read(TOKEN_REQUESTS, obj)
        account = await self._api.get(SERVICE_ACCOUNTS, name, namespace)
        spec: Object = obj.setdefault("spec", {})
        seconds = spec.setdefault("expirationSeconds", 3600)
        if not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
            bound = "less than 10 minutes" if seconds < _SHORTEST_SECONDS else "longer than 2^32 seconds"
            cause = invalid("spec.expirationSeconds", seconds, f"may not specify a duration {bound}")
            text = f'TokenRequest.authentication.k8s.io "" is invalid: {cause.field}: {cause.message}'
            raise Invalid(text, TOKEN_REQUESTS.kind_subject(), [cause])
        pod = await self._bound_pod(spec.get("boundObjectRef"), namespace, name)
        token = self._tokens.mint(account, spec.get("audiences") or (), seconds, pod=pod)
        now = parse_time(timestamp())
        meta = {"name": name, "namespace": namespace, "creationTimestamp": timestamp(now)}
        status = {"token": token, "expirationTimestamp": timestamp(now + timedelta(seconds=seconds))}
        return obj | {"metadata": meta, "status": status}

    async def _bound_pod(self, reference: Any, namespace: str, account: str) -> Object | None:
        if not reference:
            return None
        if (reference.get("kind"), reference.get("apiVersion", "v1")) != ("Pod", "v1"):
            raise BadRequest(f"cannot bind token to object of kind {reference.get('kind')}")
        pod = await self._api.get(PODS, reference.get("name", ""), namespace)
        if reference.get("uid") and reference["uid"] != pod["metadata"]["uid"]:
            detail = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record"
            name = pod["metadata"]["name"]
            text = f'Operation cannot be fulfilled on pods "{name}": {detail}'
            raise Conflict(text, Subject(name=name, kind="pods"))
        if pod["spec"].get("serviceAccountName") != account:
            other = "to pod running as different serviceaccount"
            raise BadRequest(f'cannot bind token for serviceaccount "{account}" {other}')
        return pod


def _read(resource: Resource, obj: Object) -> None:
    """Raises BadRequest when the question is not one."""
    obj.setdefault("apiVersion", resource.api_version)
    adopt(resource, obj, "")
    wrong = [cause for cause in check(resource.schema, obj) if cause.reason == "FieldValueTypeInvalid"]
    if wrong:
        kind = resource.kind
        raise BadRequest(f'{kind} in version "v1" cannot be handled as a {kind}: {wrong[0].message}')
