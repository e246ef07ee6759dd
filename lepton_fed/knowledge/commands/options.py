"""Options of the commands for the knowledge graph, each as typer reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ARGUMENTS = {
    "facts": "A file of facts (.csv .tsv .ttl .nt .jsonld .rdf), or with --own the department's own file.",
    "number": "The number of the revision, as `lepton-fed knowledge revisions` lists it; 0 is before the first.",
    "question": "SPARQL; e:, r: and t: stand for entities, relations and types by their names.",
    "export_file": "The new file; its suffix says the format.",
    "departments": "Two departments, to propose matches between them; none, to list what was proposed.",
}
"""What the commands' arguments mean, for their help."""

DATABASE = "knowledge.sqlite"

Database = Annotated[
    str,
    typer.Option(envvar="LEPTON_FED_KNOWLEDGE", help="File of SQLite with the facts, or the URL of a database."),
]
Department = Annotated[str, typer.Option(help="The department whose facts they are.")]
By = Annotated[str | None, typer.Option(help="Who does it; default: the name of the account.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the revision.")]
FederationFile = Annotated[Path, typer.Option(help="The federation file, whose policies decide.")]
AsDepartment = Annotated[str, typer.Option("--as", help="The department that asks.")]
Role = Annotated[str, typer.Option(help="The role of the person who asks; default: the department itself.")]
Purpose = Annotated[str | None, typer.Option(help="What for; default: the purpose of the federation.")]
Cedar = Annotated[
    list[str] | None,
    typer.Option(help="Further policies of an owner, OWNER=FILE.cedar; those that its own file names count anyway."),
]
