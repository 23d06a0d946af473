# SPDX-License-Identifier: Apache-2.0
"""A worker's identity: a token bound to its Pod and to one audience, and what TokenReview says of it."""

import base64
import json

import pytest
from castwarden_base.waiting import wait_until

from tests.plugins.controlplane import ControlPlane
from tests.plugins.kube import Access, Kube, connect
from tests.plugins.objects import PODS, SERVICE_ACCOUNTS, TOKEN_REVIEWS, Object, make, pod
from tests.plugins.refusals import about, failure, refusal

AUDIENCE = "castwarden-gateway"


async def token_for(kube: Kube, bound_to: Object | None, *audiences: str) -> str:
    spec: Object = {"audiences": list(audiences), "expirationSeconds": 3600}
    if bound_to is not None:
        metadata = bound_to["metadata"]
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = await kube.create_at(SERVICE_ACCOUNTS, "default", "token", body)
    return str(answer["status"]["token"])


async def review(kube: Kube, token: str, *audiences: str) -> Object:
    spec = {"token": token, "audiences": list(audiences)} if audiences else {"token": token}
    status: Object = (await kube.create(make(TOKEN_REVIEWS, "", spec=spec)))["status"]
    return status


async def test_a_pods_token_tells_who_and_which_pod_it_is(kube: Kube) -> None:
    made = await kube.create(pod("worker"))
    status = await review(kube, await token_for(kube, made, AUDIENCE), AUDIENCE)
    assert status["authenticated"] is True
    assert status["audiences"] == [AUDIENCE]
    user, namespace = status["user"], kube.namespace
    assert user["username"] == f"system:serviceaccount:{namespace}:default"
    assert set(user["groups"]) == {
        *("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"),
    }
    assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["worker"]
    assert user["extra"]["authentication.kubernetes.io/pod-uid"] == [made["metadata"]["uid"]]
    assert user["uid"] == (await kube.get(SERVICE_ACCOUNTS, "default"))["metadata"]["uid"]


async def test_a_token_names_its_audience_binding_and_expiry(kube: Kube) -> None:
    made = await kube.create(pod("worker"))
    payload = (await token_for(kube, made, AUDIENCE)).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == [AUDIENCE]
    assert claims["sub"] == f"system:serviceaccount:{kube.namespace}:default"
    assert claims["exp"] - claims["iat"] == 3600
    bound = claims["kubernetes.io"]
    assert bound["namespace"] == kube.namespace
    assert bound["pod"] == {"name": "worker", "uid": made["metadata"]["uid"]}
    assert bound["serviceaccount"]["name"] == "default"


async def test_a_token_for_one_audience_is_worth_nothing_to_another(kube: Kube) -> None:
    made = await kube.create(pod("worker"))
    token = await token_for(kube, made, AUDIENCE)
    for status in (await review(kube, token, "somebody-else"), await review(kube, token)):
        assert status.get("authenticated", False) is False
        assert status.get("user", {}) == {}
        assert status["error"]


async def test_a_token_dies_with_its_pod(kube: Kube) -> None:
    made = await kube.create(pod("worker"))
    token = await token_for(kube, made, AUDIENCE)
    await kube.delete(PODS, "worker")

    async def refused() -> bool:
        return not (await review(kube, token, AUDIENCE)).get("authenticated", False)

    await wait_until(refused, timeout=30)  # the server may remember a good answer for ten seconds


async def test_a_token_does_not_pass_to_a_new_pod_of_the_same_name(kube: Kube) -> None:
    old = await kube.create(pod("worker"))
    token = await token_for(kube, old, AUDIENCE)
    await kube.delete(PODS, "worker")
    await kube.create(pod("worker"))
    assert (await review(kube, token, AUDIENCE)).get("authenticated", False) is False


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_token_is_not_authenticated(kube: Kube, token: str) -> None:
    assert (await review(kube, token, AUDIENCE)).get("authenticated", False) is False


async def test_a_token_needs_the_pod_that_it_is_bound_to(kube: Kube) -> None:
    made = await kube.create(pod("worker"))
    other = {"metadata": made["metadata"] | {"uid": "11111111-2222-3333-4444-555555555555"}}
    status = await refusal(token_for(kube, other, AUDIENCE))
    assert (status["code"], status["reason"]) == (409, "Conflict")
    missing = await refusal(token_for(kube, pod("nobody") | {"metadata": {"name": "nobody", "uid": "1"}}, AUDIENCE))
    assert (missing["code"], missing["reason"]) == (404, "NotFound")


async def test_a_token_needs_its_service_account(kube: Kube) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [AUDIENCE]}}
    status = await refusal(kube.create_at(SERVICE_ACCOUNTS, "nobody", "token", body))
    assert (status["code"], status["reason"]) == (404, "NotFound")


async def test_an_unknown_caller_is_turned_away(control_plane: ControlPlane) -> None:
    stranger = Access.read(control_plane.kubeconfig, token="nonsense")
    async with connect(stranger, "default") as kube:
        status = await refusal(kube.list(PODS))
    assert about(status) == failure(401, "Unauthorized")
