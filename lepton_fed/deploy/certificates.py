"""TLS of a federation: one certificate authority, one server certificate; departments need the former only.

    authority (P-384, ten years, stays with the administrator) --signs--> server certificate (P-384)

A server certificate is for the coordinator's host, for `localhost` and for 127.0.0.1, which a process on the
coordinator's own machine dials.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lepton_fed.deploy.keys import read_ec_key, written_ec_key
from lepton_fed.errors import ConfigError
from lepton_fed.translation import Sentence, sentence

AUTHORITY_DAYS = 3650
SOON = timedelta(days=30)
"""How long before an end it is told."""
SLACK = timedelta(days=1)
"""Clocks of two machines differ; a certificate begins so long before it was made."""


@dataclass(frozen=True)
class Address:
    """Where departments find the coordinator: a host's name or IP address, and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """`host:port`, `[::1]:8000`; ConfigError for anything else."""
        host, colon, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
        if not colon or not 0 < number < 65536 or (":" in host and host != f"[{bare}]"):
            raise ConfigError(f"an address is written host:port, as in lepton.example.com:8000, not {text!r}")
        general_name(bare)
        return cls(bare, number)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Authority:
    """The certificate authority of one federation."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def new(cls, federation: str, now: datetime) -> Authority:
        """A fresh one, which signs itself."""
        key = ec.generate_private_key(ec.SECP384R1())
        name = _name("lepton-fed authority", federation)
        builder = (
            _builder(name, name, key.public_key(), now, now + timedelta(days=AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        return cls(builder.sign(key, hashes.SHA384()), key)

    @classmethod
    def read(cls, certificate: bytes, key: bytes, path: Path) -> Authority:
        """From PEM; `path` is the key's, for the sentence."""
        found = cls(read_certificate(certificate, path), read_ec_key(key, path))
        require_issued(found.certificate, found.certificate, path.with_name("ca.crt"))
        require_pair(found.certificate, found.key, path)
        return found

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return written_ec_key(self.key)

    def server(self, host: str, now: datetime, days: int) -> tuple[bytes, bytes]:
        """(certificate, key) in PEM for the coordinator at `host`; ends with the authority at the latest."""
        if now >= self.certificate.not_valid_after_utc:
            raise ConfigError(f"the certificate authority ended on {_day(self.certificate)}; provision anew")
        key = ec.generate_private_key(ec.SECP384R1())
        end = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        names = [general_name("localhost"), general_name("127.0.0.1")]
        hosts = [n for n in (general_name(host),) if n not in names] + names
        builder = (
            _builder(_name("lepton-fed coordinator"), self.certificate.subject, key.public_key(), now, end)
            .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        return builder.sign(self.key, hashes.SHA384()).public_bytes(Encoding.PEM), written_ec_key(key)


def read_certificate(pem: bytes, path: Path) -> x509.Certificate:
    """The certificate in `pem`; ConfigError naming `path`."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise ConfigError(
            sentence("{path} is no certificate in PEM form; take the file again from whoever made it", path=path)
        ) from None


def require_pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, path: Path) -> None:
    """ConfigError unless the key at `path` is the one that the certificate is about."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise ConfigError(
            sentence("{path} is not the key of the certificate beside it; take both files again", path=path)
        )


def require_issued(certificate: x509.Certificate, authority: x509.Certificate, path: Path) -> None:
    """ConfigError unless the certificate at `path` is signed by this authority."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        raise ConfigError(
            sentence("{path} was not issued by the federation's certificate authority (ca.crt)", path=path)
        ) from None


def endings(certificate: x509.Certificate, now: datetime, path: Path, remedy: str) -> tuple[str, ...]:
    """A sentence if the certificate ends soon, none otherwise; ConfigError if it has ended or not begun."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        raise ConfigError(
            sentence(
                "{path} is valid from {begin:%Y-%m-%d} on and it is {now:%Y-%m-%d}; set the machine's clock",
                path=path,
                begin=begin,
                now=now,
            )
        )
    if now >= end:
        raise ConfigError(
            sentence(
                "{path} expired on {end:%Y-%m-%d} and it is {now:%Y-%m-%d} here; {remedy}",
                path=path,
                end=end,
                now=now,
                remedy=remedy,
            )
        )
    return () if end - now > SOON else (f"{path} expires on {end:%Y-%m-%d}; {remedy}",)


def server_context(kit: Path) -> ssl.SSLContext:
    """What the coordinator listens with: TLS 1.3 and nothing older."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(kit / "server.crt", kit / "server.key")
    return context


def client_context(kit: Path) -> ssl.SSLContext:
    """What a department dials with: TLS 1.3, this federation's authority and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(kit / "ca.crt")
    return context


def clock_in(failure: str) -> Sentence | None:
    """What to say where TLS failed (in OpenSSL's words) for the time; None where it failed for something else."""
    if "expired" not in failure and "not yet valid" not in failure:
        return None
    return sentence(
        "by the clock of this machine its certificate is not valid now; set it, or have the administrator renew"
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before((now - SLACK).astimezone(UTC))
        .not_valid_after(end.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str, organisation: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organisation:
        # X.509 has room for 64 characters; the name is for people who look at the certificate, nothing compares it.
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64].strip()))
    return x509.Name(attributes)


def general_name(host: str) -> x509.GeneralName:
    """A host as certificates say it; ConfigError for what is neither a name nor an IP address."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        # A name in Chinese is looked up, and certified, in its ASCII form.
        ascii_form = host.encode("idna").decode() if host else ""
    except UnicodeError:
        ascii_form = ""
    labels = ascii_form.split(".")
    if not all(label and label.replace("-", "").isalnum() for label in labels) or labels[-1].isdigit():
        raise ConfigError(f"{host!r} is neither a host's name nor an IP address; give what departments will dial")
    return x509.DNSName(ascii_form)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _day(certificate: x509.Certificate) -> str:
    return f"{certificate.not_valid_after_utc:%Y-%m-%d}"
