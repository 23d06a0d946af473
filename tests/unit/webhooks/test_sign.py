# SPDX-License-Identifier: Apache-2.0
"""Signatures against the official Standard Webhooks library, and against both seeds' documented recipes."""

import base64
import hashlib
import hmac
import time
from uuid import UUID

import pytest
from castwarden_gateway.webhooks.sign import Message, Profile, headers, new_private_key, new_secret, standard_key
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

MESSAGE = Message(
    event_id=UUID("0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f"),
    delivery_id=UUID("0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e60"),
    event_type="alert.blackout",
    body='{"title":"Füße 🎥"}'.encode(),
)
PROFILES = ("standard", "body-sha256", "timestamped")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_verifies_with_the_standard_webhooks_library(profile: Profile) -> None:
    secret = new_secret()
    signed = headers(profile, secret, MESSAGE, int(time.time()))
    assert Webhook(secret).verify(MESSAGE.body, signed) == {"title": "Füße 🎥"}
    assert signed["webhook-id"] == "0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f"


@pytest.mark.parametrize("part", ["webhook-id", "webhook-timestamp", "body"])
def test_a_change_of_any_signed_part_is_noticed(part: str) -> None:
    secret = new_secret()
    signed = headers("standard", secret, MESSAGE, int(time.time()))
    body = MESSAGE.body
    if part == "body":
        body += b" "
    else:
        signed[part] = signed[part][:-1] + ("0" if signed[part][-1] != "0" else "1")
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, signed)


def test_the_standard_signature_is_the_one_of_the_specifications_recipe() -> None:
    signed = headers("standard", "whsec_" + "AAEC" * 8, MESSAGE, 1732104000)
    text = b"0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f.1732104000." + MESSAGE.body
    digest = hmac.new(b"\x00\x01\x02" * 8, text, hashlib.sha256).hexdigest()
    version, encoded = signed["webhook-signature"].split(",")
    assert version == "v1"
    assert base64.b64decode(encoded).hex() == digest


def test_yt_trackers_receiver_verifies_the_body_with_the_secret_as_it_was_shown() -> None:
    secret = new_secret()
    signed = headers("body-sha256", secret, MESSAGE, int(time.time()))
    expected = hmac.new(secret.encode("utf-8"), MESSAGE.body, hashlib.sha256).hexdigest()
    assert signed["X-Webhook-Signature"].replace("sha256=", "") == expected
    assert signed["X-Webhook-Event"] == "alert.blackout"
    assert signed["X-Webhook-Id"] == "0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e60"


def test_the_stream_trackers_receiver_verifies_timestamp_dot_body() -> None:
    signed = headers("timestamped", "an old shared key", MESSAGE, 1732104000)
    expected = hmac.new(b"an old shared key", b"1732104000." + MESSAGE.body, hashlib.sha256).hexdigest()
    assert signed["X-Signature-256"] == f"sha256={expected}"
    assert signed["X-Timestamp"] == signed["webhook-timestamp"] == "1732104000"


def test_a_key_that_is_not_ours_signs_with_its_own_bytes() -> None:
    secret = "an old shared key"
    signed = headers("standard", secret, MESSAGE, int(time.time()))
    Webhook(secret.encode()).verify(MESSAGE.body, signed)
    assert standard_key("whsec_not base64!") == b"whsec_not base64!"


@pytest.mark.parametrize("size", [30, 31, 32])
def test_a_secret_from_elsewhere_may_leave_out_the_padding(size: int) -> None:
    key = bytes(range(size))
    assert standard_key("whsec_" + base64.b64encode(key).decode().rstrip("=")) == key


def test_secrets_are_fresh_and_hold_32_bytes() -> None:
    assert new_secret() != new_secret()
    assert len(standard_key(new_secret())) == 32


def test_every_active_secret_signs_so_that_each_of_them_verifies() -> None:
    secrets = [new_secret() for _ in range(3)]
    signed = headers("standard", secrets[0], MESSAGE, int(time.time()), secrets[1:])
    assert len(set(signed["webhook-signature"].split(" "))) == 3
    for secret in secrets:
        assert Webhook(secret).verify(MESSAGE.body, signed) == {"title": "Füße 🎥"}
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(MESSAGE.body, signed)


@pytest.mark.parametrize("profile", ["body-sha256", "timestamped"])
def test_the_seeds_headers_carry_the_newest_secret_alone(profile: Profile) -> None:
    new, old = new_secret(), new_secret()
    both, alone = headers(profile, new, MESSAGE, 1, [old]), headers(profile, new, MESSAGE, 1)
    for name in set(alone) - {"webhook-signature"}:
        assert both[name] == alone[name]


def test_v1a_is_verified_with_the_public_key_that_was_shown() -> None:
    private, public = new_private_key()
    version, encoded = headers("standard", private, MESSAGE, 1732104000)["webhook-signature"].split(",")
    assert (version, private[:5], public[:5]) == ("v1a", "whsk_", "whpk_")
    verifies_with = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    text = b"0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f.1732104000." + MESSAGE.body
    verifies_with.verify(base64.b64decode(encoded), text)
    with pytest.raises(InvalidSignature):
        verifies_with.verify(base64.b64decode(encoded), text + b" ")


def test_v1a_gives_the_signature_of_rfc_8032s_key_for_the_specifications_text() -> None:
    """RFC 8032 §7.1, test 1: its private key; ed25519 is deterministic, so the signature is known."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = Ed25519PublicKey.from_public_bytes(
        bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    )
    signed = headers("standard", "whsk_" + base64.b64encode(seed).decode(), MESSAGE, 1732104000)
    _, encoded = signed["webhook-signature"].split(",")
    public.verify(base64.b64decode(encoded), b"0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f.1732104000." + MESSAGE.body)


def test_while_the_scheme_changes_both_kinds_of_signature_are_sent() -> None:
    old, (private, _) = new_secret(), new_private_key()
    signed = headers("standard", private, MESSAGE, int(time.time()), [old])
    assert [part.split(",")[0] for part in signed["webhook-signature"].split(" ")] == ["v1a", "v1"]
    Webhook(old).verify(MESSAGE.body, signed)
