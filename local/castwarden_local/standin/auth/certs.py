# SPDX-License-Identifier: Apache-2.0
"""The stand-in's own certificate authority and the certificate it signs. Made once, kept in the data directory."""

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from castwarden_local.private_files import write_private

_LIFETIME = timedelta(days=3650)
_RENEW_BEFORE = timedelta(days=30)
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "::1")


def private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in a file, made when there is none."""
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        write_private(path, pem)
    loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)  # noqa: S101 - we wrote it
    return loaded


def server_context(folder: Path, host: str) -> ssl.SSLContext:
    """TLS for `host`; the authority's certificate is `ca.crt` in `folder`."""
    authority = _authority(folder)
    _server_certificate(folder, authority, [*_NAMES, host])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


def _authority(folder: Path) -> x509.Certificate:
    path = folder / "ca.crt"
    if not path.exists():
        key = private_key(folder / "ca.key")
        name = _name("castwarden stand-in authority")
        builder = _builder(name, name, key.public_key(), datetime.now(UTC))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        _write(path, builder.sign(key, hashes.SHA256()))
    return x509.load_pem_x509_certificate(path.read_bytes())


def _server_certificate(folder: Path, authority: x509.Certificate, names: Sequence[str]) -> None:
    path = folder / "server.crt"
    now = datetime.now(UTC)
    if path.exists():
        present = x509.load_pem_x509_certificate(path.read_bytes())
        if present.not_valid_after_utc - _RENEW_BEFORE > now and _covers(present, names):
            return
    key = private_key(folder / "server.key")
    signer = private_key(folder / "ca.key")
    builder = _builder(_name("castwarden stand-in"), authority.subject, key.public_key(), now)
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)])
    builder = builder.add_extension(alternatives, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(issuer, critical=False)
    _write(path, builder.sign(signer, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + _LIFETIME)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _covers(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return all(_general_name(name) in alternatives for name in names)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(path: Path, certificate: x509.Certificate) -> None:
    write_private(path, certificate.public_bytes(serialization.Encoding.PEM))
