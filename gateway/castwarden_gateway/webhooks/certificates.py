# SPDX-License-Identifier: Apache-2.0
"""Client certificates: PEM with the key in it, checked when set, sealed at rest, a TLS context while in use."""

import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from castwarden_gateway.outbound.dial import tls_context
from castwarden_gateway.webhooks.secrets import Keyring

_KEPT = 256


class UnusableCertificate(ValueError):
    """The text is no certificate with its private key, unencrypted and in PEM."""


def joined(given: Mapping[str, str]) -> str:
    """`certificate` and `key` as the one text that is sealed."""
    return f"{given['certificate'].strip()}\n{given['key'].strip()}\n"


def check(pem: str) -> None:
    """Raises UnusableCertificate."""
    _context(pem)
    info(pem)


def info(pem: str) -> dict[str, Any]:
    """What may be shown of a certificate that `check` let through: subject, SHA-256, end."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        return {
            "subject": found.subject.rfc4514_string(),
            "sha256": found.fingerprint(SHA256()).hex(),
            "not_after": found.not_valid_after_utc.isoformat(),
        }
    except ValueError as error:
        raise UnusableCertificate("no certificate in PEM") from error


class Certificates:
    """Contexts by sealed certificate. The same one for the same certificate, so that connections are kept."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._contexts: OrderedDict[bytes, ssl.SSLContext] = OrderedDict()

    def context(self, sealed: bytes, owner: bytes) -> ssl.SSLContext:
        """Raises UnreadableSecret."""
        found = self._contexts.get(sealed)
        if found is None:
            found = self._contexts[sealed] = _context(self._keyring.open(sealed, owner))
            if len(self._contexts) > _KEPT:
                self._contexts.popitem(last=False)
        return found


def _context(pem: str) -> ssl.SSLContext:
    with _file_of(pem) as path:
        try:
            return tls_context(lambda context: context.load_cert_chain(path, password=_no_password))
        except (ssl.SSLError, OSError, ValueError) as error:
            raise UnusableCertificate("no certificate with its private key in PEM, without a password") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted")


@contextmanager
def _file_of(pem: str) -> Iterator[str]:
    """OpenSSL takes them from files only: in memory where there is such a thing, else one that is ours alone."""
    data = pem.encode("ascii", "replace")
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("castwarden", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile(prefix="castwarden-") as file:
        file.write(data)
        file.flush()
        yield file.name
