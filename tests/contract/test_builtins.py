# SPDX-License-Identifier: Apache-2.0
"""The kinds of Kubernetes itself that Castwarden leans on: Leases, Events, Secrets, ServiceAccounts."""

import asyncio
from base64 import b64encode

import pytest

from tests.plugins.kube import Kube, Refused
from tests.plugins.objects import (
    EVENTS,
    LEASES,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    lease,
    make,
    monitor,
)
from tests.plugins.refusals import about, failure, refusal

LEASE = {"group": "coordination.k8s.io", "kind": "leases"}


async def test_a_lease_changes_hands_only_at_the_version_that_was_read(kube: Kube) -> None:
    made = await kube.create(lease("operator", "first"))
    taken = await kube.update(made | {"spec": made["spec"] | {"holderIdentity": "second", "leaseTransitions": 1}})
    assert taken["spec"]["holderIdentity"] == "second"
    status = await refusal(kube.update(made | {"spec": made["spec"] | {"holderIdentity": "third"}}))
    assert about(status) == failure(409, "Conflict", name="operator", **LEASE)
    assert (await kube.get(LEASES, "operator"))["spec"]["holderIdentity"] == "second"


async def test_of_many_candidates_one_takes_the_lease(kube: Kube) -> None:
    made = await kube.create(lease("operator", ""))
    takes = [kube.update(made | {"spec": made["spec"] | {"holderIdentity": f"c{each}"}}) for each in range(5)]
    answers = await asyncio.gather(*takes, return_exceptions=True)
    assert [answer.code for answer in answers if isinstance(answer, Refused)] == [409] * 4


async def test_a_leases_times_keep_their_microseconds(kube: Kube) -> None:
    body = lease("operator", "first")
    body["spec"] |= {"acquireTime": "2030-01-01T00:00:00.123456Z", "renewTime": "2030-01-01T00:00:01.000000Z"}
    made = await kube.create(body)
    assert (made["spec"]["acquireTime"], made["spec"]["renewTime"]) == (
        *("2030-01-01T00:00:00.123456Z", "2030-01-01T00:00:01.000000Z"),
    )


async def test_an_event_tells_about_an_object(kube: Kube) -> None:
    about_it = await kube.create(monitor("a"))
    metadata = about_it["metadata"]
    involved = {"apiVersion": about_it["apiVersion"], "kind": "Monitor", "namespace": kube.namespace, "name": "a"}
    body = make(EVENTS, "", involvedObject=involved | {"uid": metadata["uid"]}, type="Warning", reason="PodFailed")
    body |= {"metadata": {"generateName": "a."}, "message": "it fell over", "count": 1}
    made = await kube.create(body)
    assert made["metadata"]["name"].startswith("a.")
    await kube.patch(EVENTS, made["metadata"]["name"], {"count": 2})
    await kube.create(body | {"involvedObject": involved | {"name": "b"}})
    (found,) = (await kube.list(EVENTS, fieldSelector="involvedObject.name=a,type=Warning"))["items"]
    assert (found["count"], found["message"]) == (2, "it fell over")


async def test_a_namespace_has_a_default_service_account_and_is_active(kube: Kube) -> None:
    assert (await kube.get(SERVICE_ACCOUNTS, "default"))["metadata"]["uid"]
    namespace = await kube.get(NAMESPACES, kube.namespace)
    assert namespace["status"] == {"phase": "Active"}
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": kube.namespace}
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}


async def test_a_secret_takes_plain_text_and_gives_it_back_encoded(kube: Kube) -> None:
    made = await kube.create(make(SECRETS, "a", stringData={"key": "value"}))
    assert (made["type"], made["data"]) == ("Opaque", {"key": b64encode(b"value").decode()})
    assert "stringData" not in made


@pytest.mark.parametrize("path", ["/api/v1/gizmos", "/apis/nowhere.dev/v1/gizmos"])
async def test_a_resource_that_is_not_served_is_not_found(kube: Kube, path: str) -> None:
    with pytest.raises(Refused) as refused:
        await kube.request("GET", path)
    assert refused.value.code == 404
