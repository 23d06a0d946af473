# SPDX-License-Identifier: Apache-2.0
"""Secrets at rest."""

import os

import pytest
from castwarden_gateway.webhooks.secrets import Keyring, UnreadableSecret

OLD, NEW = os.urandom(32), os.urandom(32)


def test_what_was_sealed_opens_again_and_shows_nothing_of_the_secret() -> None:
    ring = Keyring([OLD])
    sealed = ring.seal("whsec_abc", b"tenant")
    assert b"whsec" not in sealed
    assert ring.open(sealed, b"tenant") == "whsec_abc"
    assert ring.seal("whsec_abc", b"tenant") != sealed


def test_a_sealed_secret_does_not_open_for_another_tenant() -> None:
    ring = Keyring([OLD])
    with pytest.raises(UnreadableSecret):
        ring.open(ring.seal("whsec_abc", b"tenant"), b"other")


def test_after_a_rotation_old_secrets_open_and_new_ones_use_the_new_key() -> None:
    old = Keyring([OLD]).seal("whsec_abc", b"t")
    ring = Keyring([NEW, OLD])
    assert ring.open(old, b"t") == "whsec_abc"
    assert not ring.is_current(old)
    assert ring.is_current(ring.seal("whsec_abc", b"t"))
    assert Keyring([NEW]).open(ring.seal("whsec_abc", b"t"), b"t") == "whsec_abc"


def test_a_key_that_is_gone_is_named_as_the_cause() -> None:
    with pytest.raises(UnreadableSecret, match="not in the keyring"):
        Keyring([NEW]).open(Keyring([OLD]).seal("whsec_abc", b"t"), b"t")


@pytest.mark.parametrize("position", [0, 1, 9, 20, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    ring = Keyring([OLD])
    sealed = bytearray(ring.seal("whsec_abc", b"t"))
    sealed[position] ^= 1
    with pytest.raises(UnreadableSecret):
        ring.open(bytes(sealed), b"t")


@pytest.mark.parametrize("length", [0, 1, 8, 9, 15, 21, 30])
def test_a_truncated_secret_is_noticed(length: int) -> None:
    ring = Keyring([OLD])
    with pytest.raises(UnreadableSecret):
        ring.open(ring.seal("whsec_abc", b"t")[:length], b"t")


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, b""]])
def test_a_keyring_takes_whole_keys_only(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(keys)
