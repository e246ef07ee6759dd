"""The command `serve`: the portal over HTTPS until it is ended."""

from __future__ import annotations

import shlex
import sys
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lepton_fed.errors import ConfigError
from lepton_fed.portal.commands.opening import opened
from lepton_fed.portal.commands.options import Database, Folder, Runs, RunsDatabase

if TYPE_CHECKING:
    from lepton_fed.portal.portal import Portal


def serve(
    portal_folder: Folder,
    database: Database = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")] = 8443,
    name: Annotated[str, typer.Option(help="What browsers dial, for the certificate: a host's name.")] = "localhost",
    certificate: Annotated[
        Path | None, typer.Option(help="A certificate with its chain (PEM), instead of one of the portal's own.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The key of that certificate (PEM).")] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            help="Address of the one proxy that is believed when it says whom it forwards a request for, "
            "such as 192.0.2.1."
        ),
    ] = None,
    watch: Annotated[
        Path | None, typer.Option(help="A federation to show: its federation file, or the coordinator's kit.")
    ] = None,
    runs: Runs = Path("runs"),
    runs_database: RunsDatabase = None,
    knowledge: Annotated[
        str | None,
        typer.Option(
            envvar="LEPTON_FED_KNOWLEDGE",
            help="A knowledge graph to ask, under the policies of the federation that --watch names: "
            "a file of SQLite, or the URL of a database.",
        ),
    ] = None,
) -> None:
    """Serve the portal over HTTPS until it is ended.

    Its own certificate comes from an authority in the folder: browsers that are to know it import tls/ca.crt.
    """
    if (certificate is None) != (key is None):
        raise ConfigError("--certificate and --key go together; give both or neither")
    if proxy is not None:
        _require_address(proxy)
    if knowledge is not None:
        _require_knowledge(knowledge, watch)
    with closing(opened(portal_folder, database)) as portal:
        from lepton_fed.portal.federation.watched import Watched
        from lepton_fed.portal.identity.connection import ProviderConnection
        from lepton_fed.portal.identity.provider import provider_of
        from lepton_fed.portal.knowledge.shown import ShownKnowledge
        from lepton_fed.portal.serving import given_certificate, own_certificate
        from lepton_fed.portal.serving import serve as answer

        if certificate is not None and key is not None:
            used = given_certificate(certificate, key)
        else:
            used = own_certificate(portal_folder, name, portal.clock())
        provider = provider_of(portal_folder)
        identity = None if provider is None else ProviderConnection(provider)
        watched = None if watch is None else Watched(watch, runs=runs, database=runs_database)
        graph = None if knowledge is None or watched is None else ShownKnowledge(knowledge, watched)
        trust = "" if used.authority is None else f"; browsers know it by {used.authority}"

        def ready(bound: int) -> None:
            _tell(f"the portal is at https://{name}:{bound}{trust}")
            _tell_if_empty(portal, portal_folder, database)

        answer(portal, host, port, used, ready, watched, identity, graph, proxy)


def _require_address(proxy: str) -> None:
    try:
        ip_address(proxy)
    except ValueError:
        raise ConfigError(f"--proxy {proxy} is not the address of a machine; write it as 127.0.0.1 or ::1") from None


def _require_knowledge(database: str, watch: Path | None) -> None:
    from importlib.util import find_spec

    if watch is None:
        raise ConfigError("a graph is asked under a federation's policies; name the federation with --watch")
    if find_spec("pyoxigraph") is None:
        raise ConfigError("asking a graph needs pyoxigraph; install the extra: pip install 'lepton-fed[knowledge]'")
    if "://" not in database and not Path(database).is_file():
        raise ConfigError(f"{database} does not exist; name a database with --knowledge, or import facts first")


def _tell_if_empty(portal: Portal, folder: Path, database: str | None) -> None:
    """A folder that was mistyped is a new portal, which looks like the real one until somebody wants to sign in."""
    from lepton_fed.portal.people import accounts

    with portal.database.reading() as connection:
        if accounts.anybody(connection):
            return
    # The URL of a database may hold a password.
    same = "" if database is None else ", with the same database"
    command = f"lepton-fed portal user {shlex.quote(str(folder))} NAME --department DEPARTMENT"
    _tell(
        f"nobody has an account in the portal in {folder} yet; check the path, or make the first account{same}: "
        f"{command} --role administrator --operator"
    )


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
