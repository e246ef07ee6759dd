"""Commands about what departments permit: `explain`, `preflight`, and `graph report | draw`.

Each is a plain function that typer reads; `COMMANDS` and `GRAPH` name them with their examples, for whoever builds the
command line. What they print is decided by the same policies that departments enforce, with the files that are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lepton_fed.errors import ConfigError

if TYPE_CHECKING:
    from lepton_fed.config import Federation
    from lepton_fed.enforcement import Guard
    from lepton_fed.policies import Request

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
    from lepton_fed.policies import ITSELF
    from lepton_fed.policies import explain as lines_of

    federation = Federation.load(file)
    guards = _guards(federation, hour)
    blocks = []
    for guard in (guards[name] for name in _owners(federation, who, of or what, owner or ())):
        request = _request(guard, who, verb, what, crowd, round)
        said = {"epsilon_spent": epsilon, "plan": plan, "part": part}
        said |= {} if purpose is None else {"purpose": purpose}
        said |= {} if code is None else {"code": code}
        context = replace(request.context, **said)  # type: ignore[arg-type]
        request = replace(request, role=role or ITSELF, kind=kind.value, of=of, context=context)
        blocks.append("\n".join(lines_of(guard.policies, guard.expected(request))))
    typer.echo("\n\n".join(blocks))


def _owners(federation: Federation, who: str, what: str, chosen: Iterable[str]) -> tuple[str, ...]:
    """The departments named, else all that give this data set or that rules name as its owner."""
    settings = federation.settings
    for name in (who, *chosen):
        federation.department_file(name)  # Says so where the file has no such department.
    if chosen:
        return tuple(chosen)
    from lepton_fed.config.spelling import did_you_mean
    from lepton_fed.policy import names
    from lepton_fed.settings import EVERYONE

    given = [flow.from_ for flow in settings.sharing if flow.what == what]
    listed = [tuple(n for n in g.owner if n != EVERYONE) for g in settings.access if g.what == what]
    found = tuple(name for name in settings.names if any(names(some, name) for some in (*given, *listed)))
    if not found:
        known = dict.fromkeys([flow.what for flow in settings.sharing] + [grant.what for grant in settings.access])
        hint = did_you_mean(what, known) or "; name the owner with --owner"
        raise ConfigError(f"{federation.path}: nobody gives anything called {what!r}{hint}")
    return found


def _request(guard: Guard, who: str, verb: str, what: str, crowd: int | None, round: int | None) -> Request:
    from lepton_fed.policies.request import WORDS
    from lepton_fed.preflight import usual_crowd

    english = WORDS.get(verb, verb)
    training = english in ("train", "receive")
    return replace(
        guard.request(
            who,
            verb,
            what,
            crowd=usual_crowd(guard.settings, english, what) if crowd is None else crowd,
            round=int(training) if round is None else round,
        ),
        verb=verb,
    )


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
    from lepton_fed.pipeline.foreseen import measurements
    from lepton_fed.preflight import account, foreseen

    federation = Federation.load(file)
    guards = _guards(federation, hour)
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


def _guards(federation: Federation, hour: int | None) -> Mapping[str, Guard]:
    """Every department's policies, as far as their files are here; as if it were `hour`, if that is said."""
    from lepton_fed.assembly import guards_from

    guards = guards_from(federation)
    if hour is not None:
        for guard in guards.values():
            guard.hour = lambda: hour
    return guards


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
