"""Departments speak TLS 1.3 with the coordinator of their own federation, and with nobody else."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.config import Federation
from lepton_fed.deploy import Address, client_context, provision, server_context
from lepton_fed.deploy.certificates import Authority, clock_in
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import ConfigError
from tests.federations import FOUR


@pytest.fixture(scope="module")
def today(federation: Federation, tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    """Kits that are valid now, as OpenSSL reads the machine's clock."""
    return provision(federation, tmp_path_factory.mktemp("今") / "kits", address="lepton.example.com:8000")


def shaken(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> str | None:
    """The version that both ends agree on over a socket of 127.0.0.1; raises what the client meets."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            raw, _ = listening.accept()
            with raw:
                try:
                    with server.wrap_socket(raw, server_side=True) as end:
                        end.sendall(end.recv(5))
                except OSError:
                    pass  # The client refused; it tells why.

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            raw = socket.create_connection(listening.getsockname(), timeout=60)
            with raw, client.wrap_socket(raw, server_hostname=host) as end:
                end.sendall(b"hello")
                assert end.recv(5) == b"hello"
                return end.version()
        finally:
            thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "lepton.example.com"])
def test_a_department_shakes_hands_with_the_coordinator(today: Provisioned, host: str) -> None:
    client = client_context(today.departments[FOUR[0]])
    assert shaken(server_context(today.coordinator), client, host) == "TLSv1.3"


@pytest.mark.parametrize("year", [2020, 2090])
def test_a_certificate_that_is_not_valid_now_is_told_from_one_of_somebody_else(
    today: Provisioned, federation: Federation, tmp_path: Path, year: int
) -> None:
    then = provision(federation, tmp_path / "kits", now=datetime(year, 1, 1, tzinfo=UTC))
    with pytest.raises(ssl.SSLCertVerificationError) as timely:
        shaken(server_context(then.coordinator), client_context(then.departments[FOUR[0]]), "localhost")
    assert "set it, or have" in str(clock_in(str(timely.value)))
    with pytest.raises(ssl.SSLCertVerificationError) as other:
        shaken(server_context(today.coordinator), client_context(today.departments[FOUR[0]]), "example.com")
    assert clock_in(str(other.value)) is None


def test_another_host_name_is_refused(today: Provisioned) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname mismatch"):
        shaken(server_context(today.coordinator), client_context(today.departments[FOUR[0]]), "example.com")


def test_the_coordinator_of_another_federation_is_refused(
    today: Provisioned, federation: Federation, tmp_path: Path
) -> None:
    other = provision(federation, tmp_path / "kits")
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(server_context(other.coordinator), client_context(today.departments[FOUR[0]]), "localhost")


def test_an_older_tls_is_refused(today: Provisioned) -> None:
    client = client_context(today.departments[FOUR[0]])
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shaken(server_context(today.coordinator), client, "localhost")
    server = server_context(today.coordinator)
    server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shaken(server, client_context(today.departments[FOUR[0]]), "localhost")


def test_certificates_pass_the_strictest_reading_of_openssl(today: Provisioned) -> None:
    folder = today.coordinator
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile"]
    subprocess.run([*command, folder / "ca.crt", folder / "server.crt"], check=True, capture_output=True)


def test_an_authority_that_has_ended_issues_nothing() -> None:
    authority = Authority.new("小", datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(ConfigError, match="the certificate authority ended on 2039-12-30"):
        authority.server("localhost", datetime(2040, 1, 1, tzinfo=UTC), 365)


@pytest.mark.parametrize("text", ["localhost:8000", "10.0.0.1:1", "[::1]:8000", "联邦.例子:443", "a-b.c:65535"])
def test_addresses_are_read_and_written_alike(text: str) -> None:
    assert str(Address.parse(text)) == text
    assert Authority.new("小", datetime.now(UTC)).server(Address.parse(text).host, datetime.now(UTC), 1)


@given(text=st.text(max_size=40))
def test_any_text_is_an_address_or_one_sentence(text: str) -> None:
    try:
        address = Address.parse(text)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert Address.parse(str(address)) == address
