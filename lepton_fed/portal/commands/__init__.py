"""Commands for a portal: `portal serve | user | backup | restore | export | import | import-reviews | draft ...`.

Each is a plain function that typer reads; `COMMANDS` names them with their examples. They are for whoever has the
portal's folder or its database. A password is asked for, or is the first line of the input; never an argument, which
others can see.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from lepton_fed.portal.commands.carrying import draft, export, import_, import_reviews
from lepton_fed.portal.commands.contributing import contributions
from lepton_fed.portal.commands.copying import backup, restore
from lepton_fed.portal.commands.people import user
from lepton_fed.portal.commands.serving import serve

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
