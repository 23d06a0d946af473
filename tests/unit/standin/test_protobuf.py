# SPDX-License-Identifier: Apache-2.0
"""The binary encoding: what kubectl sends, and everything malformed."""

import pytest
from castwarden_local.standin.http.protobuf import decode_binary
from hypothesis import given
from hypothesis import strategies as st

MAGIC = b"k8s\x00"
CREATED_BY_KUBECTL = bytes.fromhex(
    "6b3873000a0f0a0276311209436f6e6669674d6170121b0a110a017112001a0022002a0032003800420012060a01611201621a002200"
)


def number(value: int) -> bytes:
    out = b""
    while True:
        value, rest = value >> 7, value & 0x7F
        out += bytes([rest | (0x80 if value else 0)])
        if not value:
            return out


def text(field: int, value: bytes) -> bytes:
    return number(field << 3 | 2) + number(len(value)) + value


def whole(field: int, value: int) -> bytes:
    return number(field << 3) + number(value % (1 << 64))


def envelope(version: str, kind: str, raw: bytes) -> bytes:
    return MAGIC + text(1, text(1, version.encode()) + text(2, kind.encode())) + text(2, raw)


def test_what_kubectl_create_configmap_sends_is_read() -> None:
    assert decode_binary(CREATED_BY_KUBECTL, "ConfigMap") == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "q"},
        "data": {"a": "b"},
    }


def test_zero_counts_where_absence_is_possible_and_not_elsewhere() -> None:
    container = text(1, b"c") + text(2, b"i") + whole(16, 0)  # stdin: false
    pod = text(2, container) + whole(4, 0) + whole(21, 0)  # terminationGracePeriodSeconds, automountServiceAccountToken
    spec = whole(1, 0) + text(6, text(2, pod)) + whole(7, -1)  # parallelism, template, backoffLimit
    job = decode_binary(envelope("batch/v1", "Job", text(2, spec)), "Job")
    template = job["spec"]["template"]["spec"]
    assert template["containers"] == [{"name": "c", "image": "i"}]
    assert template["terminationGracePeriodSeconds"] == 0
    assert template["automountServiceAccountToken"] is False
    assert (job["spec"]["parallelism"], job["spec"]["backoffLimit"]) == (0, -1)


def test_quantities_times_ports_and_embedded_structs_have_their_json_form() -> None:
    resources = text(1, text(1, b"cpu") + text(2, text(1, b"100m")))
    probe = text(1, text(2, text(1, b"/healthz") + text(2, whole(1, 1) + text(3, b"http"))))
    container = text(1, b"c") + text(8, resources) + text(10, probe)
    volume = text(1, b"v") + text(2, text(2, b""))
    meta = text(1, b"p") + text(8, whole(1, 86400) + whole(2, 0))
    pod = decode_binary(envelope("v1", "Pod", text(1, meta) + text(2, text(1, volume) + text(2, container))), "Pod")
    assert pod["metadata"] == {"name": "p", "creationTimestamp": "1970-01-02T00:00:00Z"}
    (only,) = pod["spec"]["containers"]
    assert only["resources"] == {"limits": {"cpu": "100m"}}
    assert only["livenessProbe"] == {"httpGet": {"path": "/healthz", "port": "http"}}
    assert pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_bytes_are_base64_and_unknown_fields_are_left_out() -> None:
    secret = text(2, text(1, b"k") + text(2, b"\x00\xff")) + text(99, b"?") + whole(98, 5)
    assert decode_binary(envelope("v1", "Secret", secret), "Secret")["data"] == {"k": "AP8="}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        MAGIC + b"\xff",
        MAGIC + b"\xff" * 20,
        MAGIC + b"\x12\x7f",
        MAGIC + b"\x13",
        envelope("v1", "ConfigMap", whole(1, 5)),
        envelope("v1", "ConfigMap", text(1, text(1, b"\xff"))),
        envelope("v1", "ConfigMap", whole(2, 1)),
    ],
)
def test_what_is_malformed_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_binary(body, "ConfigMap")


def test_a_kind_without_a_binary_form_is_refused() -> None:
    with pytest.raises(ValueError, match="Monitor is not taken in the binary encoding"):
        decode_binary(envelope("castwarden.dev/v1alpha1", "Monitor", b""), "Monitor")


@given(st.binary(max_size=200))
def test_noise_never_does_worse_than_be_refused(noise: bytes) -> None:
    for message in ("Pod", "ConfigMap", "DeleteOptions"):
        try:
            decode_binary(envelope("v1", message, noise), message)
        except ValueError:
            continue
