"""Commands about what departments permit: `explain`, `preflight`, and `graph report | draw`.

Each is a plain function that typer reads; `COMMANDS` and `GRAPH` name them with their examples, for whoever builds the
command line. What they print is decided by the same policies that departments enforce, with the files that are here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lepton_fed.errors import ConfigError

ARGUMENTS = {
    "who": "The department that asks.",
    "verb": "What it would do: 读取 read, 训练 train, 评估 evaluate, 聚合 aggregate, 发布 publish, 接收 receive.",
    "what": "With which data set.",
}
"""What the commands' arguments mean, for their help."""

FILE = "The federation file."
File = Annotated[Path, typer.Argument(help=FILE, show_default=True)]
Hour = Annotated[int | None, typer.Option(min=0, max=23, help="As if it were this hour; default: the hour here.")]


class KindName(StrEnum):
    """What a request can be about."""

    dataset = "DataSet"
    part = "Part"
    statistic = "Statistic"


def explain(
    who: Annotated[str, typer.Argument(help=ARGUMENTS["who"])],
    verb: Annotated[str, typer.Argument(help=ARGUMENTS["verb"])],
    what: Annotated[str, typer.Argument(help=ARGUMENTS["what"])],
    file: Annotated[Path, typer.Option(help=FILE)] = Path("federation.toml"),
    owner: Annotated[
        list[str] | None, typer.Option(help="Whose; may be repeated; default: everybody's who gives it.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="What for; default: the federation's purpose.")] = None,
    crowd: Annotated[int | None, typer.Option(min=0, help="How many stand behind what leaves.")] = None,
    epsilon: Annotated[float, typer.Option(min=0.0, help="ε spent so far on the data set.")] = 0.0,
    hour: Hour = None,
    round: Annotated[int | None, typer.Option(min=0, help="Which round; default: 1 for training, else 0.")] = None,
    role: Annotated[str | None, typer.Option(help="The role of the person who asks; default: nobody's.")] = None,
    kind: Annotated[KindName, typer.Option(help="What WHAT is.")] = KindName.dataset,
    of: Annotated[str | None, typer.Option(help="The data set that a part or a statistic was made from.")] = None,
    code: Annotated[str | None, typer.Option(help="Digest of the code that would run; default: of this one.")] = None,
    plan: Annotated[str, typer.Option(help="Digest of a secure sum's plan.")] = "",
    part: Annotated[str, typer.Option(help="The part of the model that is concerned.")] = "",
) -> None:
    """May a department do this with that? The decision of each owner, the rules behind it, and what would make it pass.

    Decided as a department decides, with the federation file and the departments' own files that are here.
    """
    from lepton_fed.config import Federation
    from lepton_fed.explaining import Question, explained

    question = Question(
        who=who, verb=verb, what=what, owners=tuple(owner or ()), purpose=purpose, crowd=crowd, epsilon=epsilon,
        hour=hour, round=round, role=role, kind=kind.value, of=of, code=code, plan=plan, part=part,
    )  # fmt: skip
    typer.echo("\n\n".join("\n".join(one.lines) for one in explained(Federation.load(file), question)))


def preflight(
    file: File = Path("federation.toml"),
    hour: Hour = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask every department's policies about the whole plan before anything runs.

    Which department would refuse which step, by which rule, and what would make it pass. Ends with code 2 if anything
    would be refused.
    """
    from lepton_fed.config import Federation
    from lepton_fed.explaining import guards_at
    from lepton_fed.pipeline.foreseen import measurements
    from lepton_fed.preflight import account, foreseen

    federation = Federation.load(file)
    guards = guards_at(federation, hour)
    steps = foreseen(federation, guards, measurements(federation))
    refused = [step for step in steps if not step.decision.permitted]
    if json:
        from json import dumps

        said = {
            "federation": federation.settings.federation.name,
            "fingerprint": federation.fingerprint,
            "code": next(iter(guards.values())).code,
            "refused": len(refused),
            "steps": [step.written() for step in steps],
        }
        typer.echo(dumps(said, ensure_ascii=False, indent=2))
    else:
        typer.echo(account(federation, guards, steps), nl=False)
    if refused:
        raise typer.Exit(2)


def report(file: File = Path("federation.toml")) -> None:
    """Set what flows against what is permitted, needed and risked: who depends on whom, and what does not agree."""
    from lepton_fed.collaboration import Graph
    from lepton_fed.config import Federation

    typer.echo(Graph.of(Federation.load(file)).report(), nl=False)


def draw(
    file: File = Path("federation.toml"),
    svg: Annotated[Path | None, typer.Option(help="Write an SVG drawing to this new file.")] = None,
    mermaid: Annotated[Path | None, typer.Option(help="Write Mermaid text to this new file.")] = None,
) -> None:
    """Draw the collaboration graph: dependencies and flows. Without a file to write, Mermaid text is printed."""
    from lepton_fed.collaboration import Graph
    from lepton_fed.config import Federation
    from lepton_fed.errors import StorageError
    from lepton_fed.storage import write_atomically

    graph = Graph.of(Federation.load(file))
    wanted: dict[Path, Callable[[], str]] = {}
    if svg is not None:
        wanted[svg] = graph.svg
    if mermaid is not None:
        wanted[mermaid] = graph.mermaid
    if not wanted:
        typer.echo(graph.mermaid(), nl=False)
    if len(wanted) < (svg is not None) + (mermaid is not None):
        raise ConfigError(f"--svg and --mermaid both name {svg}; give each drawing a file of its own")
    for place in wanted:
        if place.exists():
            raise StorageError(f"{place} exists and is left as it is; choose a file that does not exist yet")
    for place, drawn in {place: drawn() for place, drawn in wanted.items()}.items():
        write_atomically(place, [drawn.encode()])
        typer.echo(str(place))


COMMANDS: dict[Callable[..., None], str] = {
    explain: "lepton-fed explain 研发部门 读取 生产线数据 --file configs/manufacturing.toml",
    preflight: "lepton-fed preflight configs/manufacturing.toml",
}
GRAPH: dict[Callable[..., None], str] = {
    report: "lepton-fed graph report configs/manufacturing.toml",
    draw: "lepton-fed graph draw configs/manufacturing.toml --svg graph.svg",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line; `cls`: the class that writes their help."""
    for command, example in COMMANDS.items():
        app.command(command.__name__, cls=cls, epilog=f"Example: {example}")(command)
    first = next(iter(GRAPH.values()))
    group = typer.Typer(
        help="The collaboration graph: who depends on whom, what flows, what is permitted.",
        epilog=f"Example: {first}",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for command, example in GRAPH.items():
        group.command(command.__name__, cls=cls, epilog=f"Example: {example}")(command)
    app.add_typer(group, name="graph")
