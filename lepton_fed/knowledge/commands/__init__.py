"""Commands for the knowledge graph: `knowledge import | revisions | retract | restore | check | join | ask | export`.

Each is a plain function that typer reads; `COMMANDS` names them with their examples. What is asked and exported goes
by the policies of the federation file, of departments' own files and of the .cedar files that are named, and each
decision goes into its owner's docket beside the database; the rest is for whoever has the database.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from lepton_fed.knowledge.commands.asking import ask, export
from lepton_fed.knowledge.commands.joining import join
from lepton_fed.knowledge.commands.keeping import check, import_, restore, retract, revisions
from lepton_fed.knowledge.embedding import commands as embedding

COMMANDS: dict[Callable[..., None], str] = {
    import_: "lepton-fed knowledge import 供应商.csv --department 供应链部门 --subject 名称 --type 供应商",
    revisions: "lepton-fed knowledge revisions --verify",
    retract: "lepton-fed knowledge retract --department 供应链部门 --head 华东钢铁 --reason 合并",
    restore: "lepton-fed knowledge restore 1 --department 供应链部门",
    check: "lepton-fed knowledge check --rules rules.toml",
    join: "lepton-fed knowledge join 供应链部门 研发部门",
    ask: "lepton-fed knowledge ask 'SELECT ?x { ?x r:供应 e:齿轮箱 }' --as 研发部门",
    export: "lepton-fed knowledge export facts.ttl --as 研发部门",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line as `knowledge …`; `cls`: the class that writes their help."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, suggest_commands=False)
    for command, example in COMMANDS.items():
        name = command.__name__.strip("_")
        group.command(name, cls=cls, epilog=f"Example: {example}")(command)
    embedding.register(group, cls)
    app.add_typer(
        group,
        name="knowledge",
        help="Departments' facts: imported, checked, joined, asked under policy.",
        epilog="Example: lepton-fed knowledge import 供应商.csv --department 供应链部门",
    )
