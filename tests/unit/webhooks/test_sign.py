# SPDX-License-Identifier: Apache-2.0
"""Signatures against the official Standard Webhooks library, and against both seeds' documented recipes."""

import base64
import hashlib
import hmac
import time
from uuid import UUID

import pytest
from castwarden_gateway.webhooks.sign import Message, Profile, headers, new_secret, standard_key
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
