"""Serving a portal: HTTPS with a certificate that it makes itself, or with one that it is given.

tls/   ca.crt (for browsers to trust), ca.key, server.crt, server.key      made once; the server's anew before it ends
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from lepton_fed.deploy.certificates import SOON, Authority, general_name, read_certificate, require_pair
from lepton_fed.deploy.folder import read_public, read_secret, whole_folder, write_public, write_secret
from lepton_fed.deploy.keys import read_ec_key
from lepton_fed.errors import ConfigError
from lepton_fed.portal.attachments import attached
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.half_requests import impatient
from lepton_fed.portal.identity.connection import ProviderConnection
from lepton_fed.portal.portal import Portal
from lepton_fed.storage.atomic import sync_folder

if TYPE_CHECKING:
    from lepton_fed.portal.knowledge.shown import ShownKnowledge

TLS = "tls"
DAYS = 397
"""Longer than that browsers do not take a server's certificate for."""

HEAD_WITHIN = 20.0
"""Seconds for a request to say what it is for."""

LEAVING = 5
"""Seconds for requests under way when the server is ended."""


@dataclass(frozen=True)
class Certificate:
    """Files in PEM. `authority`: what browsers are told to trust, None where they know it by themselves."""

    certificate: Path
    key: Path
    authority: Path | None = None


def own_certificate(folder: Path, host: str, now: datetime) -> Certificate:
    """That of the portal's folder, made where there is none, or none for this host, or one that ends soon."""
    tls = folder / TLS
    if not tls.exists():
        with whole_folder(tls) as made:
            _write(made, Authority.new("portal", now), host, now)
    if _is_due(tls, host, now):
        authority = Authority.read(read_public(tls / "ca.crt"), read_secret(tls / "ca.key"), tls / "ca.key")
        _write_server(tls, authority, host, now)
    return Certificate(tls / "server.crt", tls / "server.key", tls / "ca.crt")


def given_certificate(certificate: Path, key: Path) -> Certificate:
    """One that an authority made which browsers know; ConfigError where the two files do not go together."""
    for path in (certificate, key):
        if not path.exists():
            raise ConfigError(f"cannot read {path}: it does not exist; check the path")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{certificate} and {key} cannot be used as a certificate and its key: {error}") from None
    return Certificate(certificate, key)


def serve(
    portal: Portal,
    host: str,
    port: int,
    certificate: Certificate,
    ready: Callable[[int], None],
    watched: Watched | None = None,
    identity: ProviderConnection | None = None,
    knowledge: ShownKnowledge | None = None,
    proxy: str | None = None,
) -> None:
    """Answer until the process is told to end; `ready` is called with the port, which may have been given as 0.

    `watched`: the federation that it shows beside what people share; `identity`: where they may sign in as well;
    `knowledge`: the graph that departments ask; `proxy`: the address that is believed about whom it forwards for.
    """
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    from lepton_fed.portal.web.app import application
    from lepton_fed.portal.web.preparing import prepare

    attached.swept(portal)
    app = application(
        portal, strict_transport=certificate.authority is None, watched=watched, identity=identity, knowledge=knowledge
    )
    prepare(app)
    with closing(listening(host, port)) as listener:
        config = uvicorn.Config(
            app,
            http=impatient(AutoHTTPProtocol, HEAD_WITHIN),
            ssl_certfile=certificate.certificate,
            ssl_keyfile=certificate.key,
            log_level="warning",
            server_header=False,
            # What a request says of where it was forwarded from anybody could write, but for the proxy.
            proxy_headers=proxy is not None,
            forwarded_allow_ips=proxy or "",
            lifespan="off",
            timeout_graceful_shutdown=LEAVING,
        )
        ready(listener.getsockname()[1])
        uvicorn.Server(config).run(sockets=[listener])


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes what comes; ConfigError where there is none to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(f"{host}:{port} cannot be listened on ({error.strerror}); choose another --port") from None


def _write(tls: Path, authority: Authority, host: str, now: datetime) -> None:
    write_public(tls / "ca.crt", authority.pem)
    write_secret(tls / "ca.key", authority.key_pem)
    _write_server(tls, authority, host, now)


def _write_server(tls: Path, authority: Authority, host: str, now: datetime) -> None:
    """Both are made before either is put in the other's place; a pair that was left half changed is due."""
    certificate, key = authority.server(host, now.astimezone(UTC), DAYS)
    for name, content, write in (("server.key", key, write_secret), ("server.crt", certificate, write_public)):
        part = tls / f".{name}.new"
        part.unlink(missing_ok=True)
        write(part, content)
        part.replace(tls / name)
    sync_folder(tls)


def _is_due(tls: Path, host: str, now: datetime) -> bool:
    """Whether there is no certificate with its key, none for this host, or one that ends soon."""
    name, places = general_name(host), (tls / "server.crt", tls / "server.key")
    if not all(place.exists() for place in places):
        return True
    written, key = read_public(places[0]), read_secret(places[1])
    try:
        certificate = read_certificate(written, places[0])
        require_pair(certificate, read_ec_key(key, places[1]), places[1])
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ConfigError, x509.ExtensionNotFound):
        return True
    return certificate.not_valid_after_utc - now < SOON or name not in list(names)
