"""The command `join`: which entities of two departments are one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lepton_fed.errors import ConfigError
from lepton_fed.knowledge.commands.given import opened, person
from lepton_fed.knowledge.commands.options import ARGUMENTS, DATABASE, By, Cedar, Database, FederationFile, Reason
from lepton_fed.knowledge.commands.permission import dockets_beside, policies_here

if TYPE_CHECKING:
    from lepton_fed.knowledge import KnowledgeGraph, Match
    from lepton_fed.policies import Decision


def join(
    departments: Annotated[list[str] | None, typer.Argument(help=ARGUMENTS["departments"])] = None,
    database: Database = DATABASE,
    accept: Annotated[int | None, typer.Option(help="Number of a match: both entities are one.")] = None,
    refuse: Annotated[int | None, typer.Option(help="Number of a match: they are two.")] = None,
    undo: Annotated[int | None, typer.Option(help="Number of a match: as if nobody had decided.")] = None,
    name: Annotated[str | None, typer.Option(help="With --accept: what both are called from now on.")] = None,
    same_name: Annotated[
        str | None, typer.Option(help="An entity of both departments, to be taken apart with --refuse.")
    ] = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private", help="The first asks the second privately, in one process: only common entities are shown."
        ),
    ] = False,
    other_database: Annotated[
        str | None, typer.Option(help="With --private: where the second's facts are; default: in the same database.")
    ] = None,
    file: FederationFile = Path("federation.toml"),
    cedar: Cedar = None,
    by: By = None,
    reason: Reason = "",
) -> None:
    """Propose which entities of two departments are one, list what was proposed, and decide."""
    if private:
        for line in _introduced(departments or [], database, other_database or database, file, cedar):
            typer.echo(line)
        return
    with opened(database) as graph:
        moves = {"accept": accept, "refuse": refuse, "undo": undo}
        for move, number in moves.items():
            if number is not None:
                decided = graph.decide(number, move, by=person(by), reason=reason, canonical=name)  # type: ignore[arg-type]
                typer.echo(_match(decided))
                return
        if departments:
            typer.echo(f"{_proposed(graph, departments, same_name)} proposed")
        for match in graph.matches():
            typer.echo(_match(match))


def _introduced(
    departments: list[str], database: str, other_database: str, file: Path, cedar: list[str] | None
) -> Iterator[str]:
    """What the second department says after the first one has asked it privately, and what is to be decided there."""
    from lepton_fed.config import Federation
    from lepton_fed.knowledge.introducing import introduced

    if len(departments) != 2:
        raise ConfigError("name two departments: the one that asks, and the one that it asks")
    federation = Federation.load(file)
    for name in departments:
        federation.department_file(name)
    policies = policies_here(federation, cedar)
    asker, owner = departments
    with opened(database) as ours, opened(other_database) as theirs:
        dockets = {asker: dockets_beside(database, policies), owner: dockets_beside(other_database, policies)}

        def heard(decision: Decision) -> None:
            dockets[decision.request.owner].heard(decision)

        done = introduced((asker, ours), (owner, theirs), federation, policies, heard)
        yield f"{done.common} in common, {done.proposed} proposed to {owner}"
        for match in theirs.matches("proposed"):
            if {match.pair.department, match.pair.other_department} == {asker, owner}:
                yield _match(match)


def _proposed(graph: KnowledgeGraph, departments: list[str], same_name: str | None) -> int:
    from lepton_fed.knowledge import Pair

    known = graph.departments
    unknown = [name for name in departments if name not in known]
    if len(departments) != 2 or unknown:
        raise ConfigError(f"name two departments whose facts are here: {', '.join(known)}")
    one, other = departments
    if same_name is not None:
        return graph.propose_pair(Pair.of(one, same_name, other, same_name), "exact")
    return graph.propose(one, other)


def _match(match: Match) -> str:
    pair = match.pair
    both = f"{pair.entity} ({pair.department}) = {pair.other_entity} ({pair.other_department})"
    name = f"  as {match.canonical}" if match.state == "accepted" else ""
    return f"{match.number:>5}  {match.state:<8}  {match.method:<7}  {both}{name}"
