"""Commands for a portal: `portal serve | user | backup | restore | export | import | import-reviews | draft ...`.

Each is a plain function that typer reads; `COMMANDS` names them with their examples. They are for whoever has the
portal's folder or its database. A password is asked for, or is the first line of the input; never an argument, which
others can see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lepton_fed.errors import ConfigError

if TYPE_CHECKING:
    from lepton_fed.portal.people.person import Person
    from lepton_fed.portal.portal import Portal

ARGUMENTS = {
    "portal_folder": "The portal's folder; `serve`, `user` and `restore` make it where there is none.",
    "person": "The name to sign in with.",
    "backup_file": "The backup: `backup` writes a new file, `restore` reads one.",
    "markdown": "The folder of Markdown files.",
    "table_file": "The CSV file to write.",
    "reviews_file": "The file of review comments, as JSON.",
}
"""What the commands' arguments mean, for their help."""

NEEDED = ("PIL", "argon2", "authlib", "httpx", "markdown_it", "multipart", "nh3")


class Sensitive(StrEnum):
    """What an import does about places that look sensitive."""

    ask = "ask"
    mask = "mask"
    keep = "keep"


class Language(StrEnum):
    """Of what is written."""

    zh = "zh"
    en = "en"


Folder = Annotated[Path, typer.Argument(help=ARGUMENTS["portal_folder"])]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="LEPTON_FED_PORTAL_DATABASE",
        help="URL of a database, PostgreSQL for example; default: portal.sqlite in the folder.",
    ),
]
As = Annotated[str, typer.Option("--as", help="The name that the person signs in with whose rights count.")]


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
    watch: Annotated[
        Path | None, typer.Option(help="A federation to show: its federation file, or the coordinator's kit.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder in which that federation's runs are kept.")] = Path("runs"),
    runs_database: Annotated[
        str | None,
        typer.Option(
            envvar="LEPTON_FED_DATABASE",
            help="URL of its database of runs and pipelines; default: lepton-fed.sqlite in the folder of runs.",
        ),
    ] = None,
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
    if knowledge is not None:
        _require_knowledge(knowledge, watch)
    with closing(_opened(portal_folder, database)) as portal:
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

        answer(portal, host, port, used, ready, watched, identity, graph)


def user(
    portal_folder: Folder,
    person: Annotated[str, typer.Argument(help=ARGUMENTS["person"])],
    department: Annotated[str, typer.Option(help="The department of the account, or of the role; made if new.")],
    role: Annotated[
        str | None,
        typer.Option(
            help="reader, author, reviewer, approver or administrator, in that department; "
            "default: reader for a new account, else as it is."
        ),
    ] = None,
    shown: Annotated[str, typer.Option(help="The name that others read; default: the one to sign in with.")] = "",
    operator: Annotated[
        bool | None,
        typer.Option(
            "--operator/--no-operator",
            help="May make departments and administer all, and reads nothing by that; or may no longer.",
        ),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="A new password for an account that is there.")] = False,
    database: Database = None,
) -> None:
    """Make an account, or give one that is there a role or, with --reset, a new password."""
    from lepton_fed.portal.people import accounts
    from lepton_fed.portal.people.by_command import Wanted, by_command
    from lepton_fed.portal.people.person import sign_in_name

    key = sign_in_name(person)
    if role is not None:
        accounts.require_role(role)
    with closing(_opened(portal_folder, database)) as portal:
        with portal.database.reading() as connection:
            known = accounts.exists(connection, key)
        if known and role is None and operator is None and not reset:
            raise ConfigError(f"{key} has an account; say what changes: --role, --operator, --no-operator or --reset")
        hashed = portal.passwords.hashed(_password(), key) if reset or not known else ""
        with portal.database.writing() as connection:
            wanted = Wanted(
                name=key, shown=shown or person, department=department, role=role, operator=operator, password=hashed
            )
            held, where = by_command(connection, wanted, portal.clock())
    typer.echo(f"{key}: {held or 'no role'} in {where}")


def backup(
    portal_folder: Folder,
    backup_file: Annotated[Path, typer.Argument(help=ARGUMENTS["backup_file"])],
    database: Database = None,
) -> None:
    """Write everything that the portal holds to one new file, also while it is served."""
    from lepton_fed.portal.backup import backup as write

    with closing(_opened(portal_folder, database, new=False)) as portal:
        typer.echo(f"{write(portal, backup_file):,} rows written to {backup_file}")


def restore(
    portal_folder: Folder,
    backup_file: Annotated[Path, typer.Argument(help=ARGUMENTS["backup_file"])],
    database: Database = None,
) -> None:
    """Fill a new portal from a backup, whichever database that was made of."""
    from lepton_fed.portal.backup import restore as read

    if not backup_file.exists():
        raise ConfigError(f"{backup_file} cannot be read: there is no such file")
    with closing(_opened(portal_folder, database)) as portal:
        typer.echo(f"{read(portal, backup_file):,} rows restored from {backup_file}")


def export(
    portal_folder: Folder,
    markdown: Annotated[Path, typer.Argument(help=ARGUMENTS["markdown"])],
    as_: As,
    database: Database = None,
) -> None:
    """Write the published entries that a person may read as Markdown files, a folder for each department."""
    from lepton_fed.portal.entries.markdown_files import exported

    with closing(_opened(portal_folder, database, new=False)) as portal:
        person = _person(portal, as_)
        with portal.reading(person) as acting:
            typer.echo(f"{exported(acting, markdown):,} entries written to {markdown}")


def import_(
    portal_folder: Folder,
    markdown: Annotated[Path, typer.Argument(help=ARGUMENTS["markdown"])],
    as_: As,
    department: Annotated[str, typer.Option(help="The department whose entries they become.")],
    sensitive: Annotated[
        Sensitive, typer.Option(help="What looks sensitive is masked, kept, or nothing is imported (ask).")
    ] = Sensitive.ask,
    database: Database = None,
) -> None:
    """Make a draft of each Markdown file in a folder: all of them or, if one is wrong, none."""
    from lepton_fed.portal.entries.markdown_files import imported

    with closing(_opened(portal_folder, database, new=False)) as portal:
        person = _person(portal, as_)
        with portal.files.steady(), portal.writing(person) as acting:
            made = imported(acting, markdown, department, sensitive.value)
        typer.echo(f"{len(made):,} drafts made of {markdown}")


def draft(
    portal_folder: Folder,
    watch: Annotated[Path, typer.Option(help="The federation: its federation file, or the coordinator's kit.")],
    as_: As,
    department: Annotated[str, typer.Option(help="The department whose draft it becomes.")],
    run: Annotated[str, typer.Option(help="The run, by its id; default: the newest that has finished.")] = "",
    data_of: Annotated[
        str, typer.Option(help="A department of the federation: a card of its data instead of one of a run.")
    ] = "",
    language: Annotated[Language, typer.Option(help="The language of the card.")] = Language.en,
    runs: Annotated[Path, typer.Option(help="Folder in which that federation's runs are kept.")] = Path("runs"),
    runs_database: Annotated[
        str | None,
        typer.Option(
            envvar="LEPTON_FED_DATABASE",
            help="URL of its database of runs and pipelines; default: lepton-fed.sqlite in the folder of runs.",
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Make a draft of a model card from a finished run, or of a data set card from a department's file."""
    with closing(_opened(portal_folder, database, new=False)) as portal:
        from lepton_fed.portal.errors import NotThere
        from lepton_fed.portal.federation import drafts
        from lepton_fed.portal.federation.rights import Onlooker
        from lepton_fed.portal.federation.watched import Watched

        person, watched = _person(portal, as_), Watched(watch, runs=runs, database=runs_database)
        if not Onlooker(person, portal.rights).may_watch(watched.members):
            raise NotThere
        if data_of:
            number = drafts.draft_of_data(portal, person, watched, data_of, department, language.value)
        else:
            one = run or drafts.newest_finished(watched)
            number = drafts.draft_of_run(portal, person, watched, one, department, language.value)
        typer.echo(f"draft {number} made in {department}")


def import_reviews(
    portal_folder: Folder,
    reviews_file: Annotated[Path, typer.Argument(help=ARGUMENTS["reviews_file"])],
    as_: As,
    department: Annotated[str, typer.Option(help="The department whose drafts they become.")],
    names: Annotated[bool, typer.Option("--names", help="With the names of those who commented.")] = False,
    language: Annotated[Language, typer.Option(help="The language of what is around the comments.")] = Language.en,
    database: Database = None,
) -> None:
    """Make drafts of review comments, one for each topic or file; what looks sensitive is masked."""
    from lepton_fed.portal.entries import code_reviews

    try:
        with reviews_file.open("rb") as file:
            content = file.read(code_reviews.LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{reviews_file} cannot be read: {error.strerror}") from None
    found = code_reviews.read(content)
    with closing(_opened(portal_folder, database, new=False)) as portal:
        person = _person(portal, as_)
        made = code_reviews.imported(portal, person, found, department, names=names, language=language.value)
        typer.echo(f"{len(made):,} drafts made of {len(found):,} comments")


def contributions(
    portal_folder: Folder,
    person: Annotated[str, typer.Argument(help=ARGUMENTS["person"])],
    table_file: Annotated[Path, typer.Argument(help=ARGUMENTS["table_file"])],
    as_: As,
    since: Annotated[str, typer.Option(help="The first quarter, as 2026-1.")],
    until: Annotated[str, typer.Option(help="The last quarter, as 2026-4.")],
    language: Annotated[Language, typer.Option(help="The language of the headings.")] = Language.en,
    database: Database = None,
) -> None:
    """Write what somebody contributed, by quarter and entry, as CSV for a yearly review."""
    from lepton_fed.portal.reward import yearly
    from lepton_fed.portal.reward.period import Quarter
    from lepton_fed.portal.wording import wording
    from lepton_fed.storage.atomic import write_atomically

    quarters = Quarter.parse(since), Quarter.parse(until)
    with closing(_opened(portal_folder, database, new=False)) as portal:
        with portal.reading(_person(portal, as_)) as acting:
            found = yearly.contributions(acting, _person(portal, person).name, *quarters)
        write_atomically(table_file, yearly.as_csv(found, wording(language.value)), private=True)
        typer.echo(f"{len(found.rows):,} rows written to {table_file}")


COMMANDS: dict[Callable[..., None], str] = {
    serve: "lepton-fed portal serve portal --host 0.0.0.0 --name portal.example.com",
    user: "lepton-fed portal user portal wangfang --department 研发部门 --role administrator --operator",
    backup: "lepton-fed portal backup portal portal-backup.zip",
    restore: "lepton-fed portal restore new-portal portal-backup.zip",
    export: "lepton-fed portal export portal markdown --as wangfang",
    import_: "lepton-fed portal import portal markdown --as wangfang --department 研发部门",
    import_reviews: "lepton-fed portal import-reviews portal reviews.json --as wangfang --department 研发部门",
    contributions: (
        "lepton-fed portal contributions portal lilei lilei.csv --as wangfang --since 2026-1 --until 2026-4"
    ),
    draft: "lepton-fed portal draft portal --watch federation.toml --as wangfang --department 研发部门 --language zh",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line as `portal …`; `cls`: the class that writes their help."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, suggest_commands=False)
    for command, example in COMMANDS.items():
        name = command.__name__.strip("_").replace("_", "-")
        group.command(name, cls=cls, epilog=f"Example: {example}")(command)
    app.add_typer(
        group,
        name="portal",
        help="The web application where departments share what they know.",
        epilog="Example: lepton-fed portal serve portal",
    )


def _opened(folder: Path, database: str | None, *, new: bool = True) -> Portal:
    from importlib.util import find_spec

    from lepton_fed.portal.portal import DATABASE, Portal

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"the portal needs {', '.join(missing)}; install the extra: pip install 'lepton-fed[portal]'")
    if not new and database is None and not (folder / DATABASE).is_file():
        raise ConfigError(f"there is no portal in {folder}; name its folder, or its database with --database")
    return Portal.opened(folder, database)


def _require_knowledge(database: str, watch: Path | None) -> None:
    from importlib.util import find_spec

    if watch is None:
        raise ConfigError("a graph is asked under a federation's policies; name the federation with --watch")
    if find_spec("pyoxigraph") is None:
        raise ConfigError("asking a graph needs pyoxigraph; install the extra: pip install 'lepton-fed[knowledge]'")
    if "://" not in database and not Path(database).is_file():
        raise ConfigError(f"{database} does not exist; name a database with --knowledge, or import facts first")


def _person(portal: Portal, name: str) -> Person:
    """Whose rights count; ConfigError for a name that nobody signs in with."""
    from lepton_fed.portal.errors import NotThere
    from lepton_fed.portal.people import accounts

    with portal.database.reading() as connection:
        try:
            return accounts.named(connection, name)
        except NotThere:
            raise ConfigError(f"nobody signs in as {name}; --as takes the name of an account") from None


def _password() -> str:
    """Typed twice where somebody types, else the first line of the input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Once more: "):
        raise ConfigError("the two passwords differ; nothing was changed")
    return first


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
