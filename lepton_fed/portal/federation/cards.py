"""Drafts of cards: of a finished run's models, and of a department's data set, in the reader's language, in Markdown.

    model_card(watched, run) ──► ModelFacts ──► text(facts, wording)        what whoever may watch sees on the pages
    data_card(watched, department) ──► DataFacts ──► text(facts, wording)   names only: no path, no query, no value

What the federation calls things is text in the card and no sign of Markdown; what looks sensitive in it is masked, and
digests, which are none, stay whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.assembly import read_file
from lepton_fed.audit.provenance import Provenance
from lepton_fed.config import Federation
from lepton_fed.data.department_file import DepartmentFile
from lepton_fed.portal.entries.content import LONGEST_TITLE, Content
from lepton_fed.portal.entries.sensitive import without
from lepton_fed.portal.errors import Conflict, NotThere
from lepton_fed.portal.federation import audit_log, graph, runs
from lepton_fed.portal.federation.graph import Flow
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.runs import RunSeen
from lepton_fed.portal.federation.trouble import Unreadable, told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.wording import Wording
from lepton_fed.report.card import escaped
from lepton_fed.report.words import number
from lepton_fed.settings import Settings

MOST_ROWS = 200
"""Of a table; what there is more of is on the federation's own pages."""

Rows = Iterable[tuple[str, ...]]


@dataclass(frozen=True)
class ModelFacts:
    """A finished run with the file that it followed. `proofs`: how each model came to be, as the log has it."""

    seen: RunSeen
    settings: Settings
    proofs: tuple[Provenance, ...]


@dataclass(frozen=True)
class DataFacts:
    """A department's data as the federation file and its own file describe it."""

    department: str
    settings: Settings
    own: DepartmentFile
    flows: tuple[Flow, ...]


def of_run(watched: Watched, run: str) -> ModelFacts:
    """What is known of a run that has finished; NotThere, Conflict, Unreadable."""
    seen = runs.run(watched, run)
    if seen.run.status != "finished":
        raise Conflict("run_unfinished")
    with told():
        settings = Federation.parse(seen.run.federation_toml, Path("federation.toml")).settings
    return ModelFacts(seen, settings, tuple(_proofs(watched, seen)))


def of_data(watched: Watched, onlooker: Onlooker, department: str) -> DataFacts:
    """What is known of a department's data, for whoever may inspect it, where its file is on this machine; NotThere."""
    federation = watched.federation()
    known = department in federation.settings.names and onlooker.may_inspect(department)
    if not known or not federation.department_file(department).exists():
        raise NotThere
    with told():
        own = read_file(federation, department)
    flows = tuple(flow for flow in graph.graph(watched).flows if flow.giver == department)
    return DataFacts(department, federation.settings, own, flows)


def model_card(facts: ModelFacts, t: Wording) -> Content:
    """The card as a draft's content."""
    run = facts.seen.run
    parts = [
        _lines(_text(run.purpose), f"[[run:{run.id}]]", t("card.file", digest=run.fingerprint)),
        _section(t("card.trained"), _list(_trained(facts, t))),
        _section(t("card.who"), _table((t("entry.department"), t("card.role"), t("card.rounds")), _who(facts, t))),
        _section(t("card.data"), _list(map(_text, dict.fromkeys(flow.what for flow in facts.settings.sharing)))),
        _section(
            t("card.measured"), _table(_headings(t, "metric", "part", "department", "value"), _measured(facts, t))
        ),
        _section(t("card.privacy"), _table(_headings(t, "department", "set", "spent", "total", "delta"), _spent(facts)))
        if _is_any(_spent(facts))
        else _section(t("card.privacy"), t("card.no_privacy")),
        _section(t("card.policies"), _table(_headings(t, "department", "version"), _policies(facts)))
        if facts.proofs
        else _section(t("card.policies"), t("card.no_log")),
        _section(t("card.models"), _list(_models(facts, t))),
        _section(t("card.limits"), t("card.limits_hint")),
    ]
    return _content(t("card.model", name=run.name, time=f"{run.started:%Y-%m-%d}"), parts, ("model card", run.name))


def data_card(facts: DataFacts, t: Wording) -> Content:
    """The card as a draft's content."""
    data, description = facts.settings.data, facts.settings.department(facts.department).description
    columns = ((_text(one.name), one.type, one.missing) for one in data.columns)
    shared = ((_text(name), ", ".join(map(_text, table.columns))) for name, table in facts.own.shared.items())
    flows = ((_text(f.what), _text(f.taker), ", ".join(t(f"verb.{verb}") for verb in f.permitted)) for f in facts.flows)
    parts = [
        _lines(_text(description), t("card.label", column=_text(data.label.column), meaning=_text(data.label.meaning))),
        _section(t("card.columns"), _table(_headings(t, "column", "type", "missing"), columns)),
        _section(t("card.shared"), _table(_headings(t, "table", "columns"), shared)),
        _section(t("card.flows"), _table(_headings(t, "what", "taker", "permitted"), flows)),
        _section(t("card.privacy"), _budget(facts, t)),
        _section(t("card.limits"), t("card.data_hint")),
    ]
    name = facts.settings.federation.name
    return _content(t("card.data_set", department=facts.department, name=name), parts, ("data card", name))


def _proofs(watched: Watched, seen: RunSeen) -> Iterator[Provenance]:
    """Of each model, from a log that was verified; none where there is no such log."""
    try:
        yield from audit_log.provenances(watched, seen.run.id, [one.digest for one in seen.models])
    except (NotThere, Unreadable):
        return


def _trained(facts: ModelFacts, t: Wording) -> Iterator[str]:
    s = facts.settings
    yield t("card.model_is", name=_text(s.model.name), label=_text(s.data.label.meaning))
    yield t("card.coupling", kind=s.coupling.kind, rounds=facts.seen.round)
    yield t("card.secure") if s.aggregation.secure else t("card.plain")
    yield t("card.when", start=_time(facts.seen.run.started), end=_time(facts.seen.run.finished))


def _who(facts: ModelFacts, t: Wording) -> Rows:
    took = {name: count for proof in facts.proofs for name, count in proof.departments}
    for one in facts.settings.departments:
        roles = ", ".join(t(f"part_in.{role}") for role in one.roles) or t("part_in.none")
        yield _text(one.name), roles, str(took.get(one.name, "")) if facts.proofs else ""


def _measured(facts: ModelFacts, t: Wording) -> Rows:
    for curves in facts.seen.curves:
        for name, _, value in curves.last:
            yield t(f"metric.{curves.metric}"), t(f"part.{curves.part}"), _text(name), number(value)


def _spent(facts: ModelFacts) -> Rows:
    booked = {(one.department, one.data_set): one for proof in facts.proofs for one in proof.epsilon}
    for one in booked.values():
        spent, total = (f"{micro / 1e6:.4g}" for micro in (one.micro_epsilon, one.total_micro_epsilon))
        yield _text(one.department), _text(one.data_set), spent, total, f"{one.delta:g}"


def _policies(facts: ModelFacts) -> Rows:
    known = {one for proof in facts.proofs for one in proof.policies}
    return ((_text(name), f"`{digest.hex()}`") for name, digest in sorted(known))


def _models(facts: ModelFacts, t: Wording) -> Iterator[str]:
    said = t("card.proof")
    for one in facts.seen.models:
        proof = f" · [{said}](/federation/models/{one.digest})" if facts.proofs else ""
        yield f"{_text(one.department)}: [[model:{one.digest}]] `{one.digest}`{proof}"


def _budget(facts: DataFacts, t: Wording) -> str:
    own = facts.own.privacy
    if own is None:
        return t("card.no_budget")
    return t(
        "card.budget", set=_text(own.data_set or facts.department), budget=f"{own.budget:g}", delta=f"{own.delta:g}"
    )


def _content(title: str, parts: Iterable[str], tags: Sequence[str]) -> Content:
    body = "\n\n".join(filter(None, parts)) + "\n"
    return Content.given(title=without(title)[:LONGEST_TITLE], body=body, tags=[without(tag)[:40] for tag in tags])


def _text(said: str) -> str:
    return escaped(without(said))


def _headings(t: Wording, *keys: str) -> tuple[str, ...]:
    return tuple(t("entry.department") if key == "department" else t(f"card.{key}") for key in keys)


def _section(heading: str, text: str) -> str:
    return f"# {heading}\n\n{text}" if text else ""


def _lines(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {one}" for one in list(items)[:MOST_ROWS])


def _table(headings: Sequence[str], rows: Rows) -> str:
    """Without rows, nothing."""
    found = list(rows)[:MOST_ROWS]
    lines = [headings, ["---"] * len(headings), *found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if found else ""


def _is_any(rows: Rows) -> bool:
    return any(True for _ in rows)


def _time(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""
