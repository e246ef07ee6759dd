"""The command `lepton-fed knowledge train`: departments learn an embedding of their facts together, on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lepton_fed.knowledge.embedding.federated import Learnt

KnowledgeFile = Annotated[Path, typer.Argument(help="The knowledge file.")]


def train(
    knowledge_file: KnowledgeFile = Path("knowledge.toml"),
    rounds: Annotated[int | None, typer.Option(help="Number of rounds; default: what the file says.", min=1)] = None,
    out: Annotated[
        Path | None, typer.Option(help="New or empty folder for the tables and results; default: nothing is written.")
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Sums that hide nothing: faster, for experiments with public facts.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
) -> None:
    """Learn entities as vectors together; facts and relations stay with their departments.

    Prints each department's link prediction on its own test facts, beside training alone.
    """
    from dataclasses import replace

    import torch

    from lepton_fed.knowledge.embedding import federated, record
    from lepton_fed.knowledge.embedding.file import load_settings, read_departments

    torch.set_num_threads(1)  # Tables are small; a second thread costs more than it brings.
    settings = load_settings(knowledge_file)
    if rounds is not None:
        settings = replace(settings, rounds=replace(settings.rounds, count=rounds))
    if out is not None:
        record.require_new(out)
    departments = read_departments(knowledge_file, settings)
    if settings.entities.insecure_reproduction:
        _tell("note: insecure reproduction: a row of two owners shows each the other's")
    progress = None if quiet else _counting(settings.rounds.count)
    if clear:
        learnt = federated.train_in_clear(departments, settings, progress=progress)
    else:
        learnt = federated.train(departments, settings, progress=progress)
    if out is not None:
        record.keep(learnt, out)
    typer.echo(described(learnt))


COMMANDS: dict[Callable[..., None], str] = {
    train: "lepton-fed knowledge train configs/knowledge.toml --rounds 20",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to the group `knowledge`; `cls`: the class that writes their help."""
    for command, example in COMMANDS.items():
        app.command(command.__name__, cls=cls, epilog=f"Example: {example}")(command)


def described(learnt: Sequence[Learnt]) -> str:
    """A table for a person: filtered MRR of each department alone and together, and of all."""
    from rich.cells import cell_len

    from lepton_fed.knowledge.embedding.ranking import weighted

    own = [one.answers.own.ranking(one.department.test) if one.answers.own is not None else None for one in learnt]
    rows = [("department", "facts", "alone", "together", "hits@10")]
    for one, alone in zip(learnt, own, strict=True):
        mrr = "" if alone is None else f"{alone.mrr:.3f}"
        facts = str(len(one.department.facts.train))
        rows.append((one.department.name, facts, mrr, f"{one.test.mrr:.3f}", f"{one.test.hits_10:.3f}"))
    together, alone_all = weighted([one.test for one in learnt]), weighted([a for a in own if a is not None])
    mrr = f"{alone_all.mrr:.3f}" if alone_all.triples else ""
    total = str(sum(len(one.department.facts.train) for one in learnt))
    rows.append(("all", total, mrr, f"{together.mrr:.3f}", f"{together.hits_10:.3f}"))
    width = max(cell_len(name) for name, *_ in rows)
    lines = [name + " " * (width - cell_len(name)) + "".join(f"{c:>10}" for c in cells) for name, *cells in rows]
    return "\n".join(["filtered mean reciprocal rank on each department's test facts", *lines])


def _counting(rounds: int) -> Callable[[int], None]:
    """Says now and then which round is under way."""
    every = max(1, rounds // 12)

    def progress(round: int) -> None:
        if round and round % every == 0:
            _tell(f"round {min(round, rounds)} of {rounds}")

    return progress


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
