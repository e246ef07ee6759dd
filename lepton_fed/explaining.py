"""What departments would say to one request, and why: the answer of `lepton-fed explain`, owner by owner.

    explained(federation, Question(who="研发部门", verb="读取", what="生产线数据"))  ──►  (Explained, ...)

Decided as a department decides, with the federation file and the departments' own files that are on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lepton_fed.assembly import guards_from
from lepton_fed.config import Federation
from lepton_fed.config.spelling import nearest
from lepton_fed.enforcement import Guard
from lepton_fed.errors import ConfigError
from lepton_fed.policies import ITSELF, Decision, Request, explain
from lepton_fed.policies.request import WORDS, Kind
from lepton_fed.policy import names
from lepton_fed.preflight import usual_crowd
from lepton_fed.settings import EVERYONE
from lepton_fed.translation import Sentence, sentence


@dataclass(frozen=True, kw_only=True)
class Question:
    """May `who` do `verb` with `what`? What is left out is what the federation says, or what it usually is.

    `owners`: whose; empty: everybody's who gives it. `kind`: what `what` is; `of`: the data set that it was made from.
    """

    who: str
    verb: str
    what: str
    owners: tuple[str, ...] = ()
    purpose: str | None = None
    crowd: int | None = None
    epsilon: float = 0.0
    hour: int | None = None
    round: int | None = None
    role: str | None = None
    kind: Kind = "DataSet"
    of: str | None = None
    code: str | None = None
    plan: str = ""
    part: str = ""


@dataclass(frozen=True)
class Explained:
    """An owner's answer. `lines`: the decision, the rules behind it, and what would make it pass."""

    decision: Decision
    lines: tuple[str, ...]

    @property
    def owner(self) -> str:
        return self.decision.request.owner


def explained(federation: Federation, question: Question, called: str | None = None) -> tuple[Explained, ...]:
    """The answer of each owner; ConfigError for a name that nobody has, or where nobody gives such a thing.

    `called`: what the federation file is called there; default: its path.
    """
    guards = guards_at(federation, question.hour)
    owners = _owners(federation, question, str(federation.path) if called is None else called)
    return tuple(_answer(guards[name], question) for name in owners)


def guards_at(federation: Federation, hour: int | None) -> Mapping[str, Guard]:
    """Every department's policies, as far as their files are here; as if it were `hour`, if that is said."""
    guards = guards_from(federation)
    if hour is not None:
        for guard in guards.values():
            guard.hour = lambda: hour
    return guards


def _answer(guard: Guard, question: Question) -> Explained:
    request = _request(guard, question)
    said: dict[str, object] = {"epsilon_spent": question.epsilon, "plan": question.plan, "part": question.part}
    said |= {} if question.purpose is None else {"purpose": question.purpose}
    said |= {} if question.code is None else {"code": question.code}
    context = replace(request.context, **said)  # type: ignore[arg-type]
    request = replace(request, role=question.role or ITSELF, kind=question.kind, of=question.of, context=context)
    decision = guard.expected(request)
    return Explained(decision, tuple(explain(guard.policies, decision)))


def _owners(federation: Federation, question: Question, called: str) -> tuple[str, ...]:
    """The departments named, else all that give this data set or that rules name as its owner."""
    settings, what = federation.settings, question.of or question.what
    for name in (question.who, *question.owners):
        federation.require(name, called)
    if question.owners:
        return question.owners
    given = [flow.from_ for flow in settings.sharing if flow.what == what]
    listed = [tuple(n for n in g.owner if n != EVERYONE) for g in settings.access if g.what == what]
    found = tuple(name for name in settings.names if any(names(some, name) for some in (*given, *listed)))
    if not found:
        known = dict.fromkeys([flow.what for flow in settings.sharing] + [grant.what for grant in settings.access])
        raise ConfigError(_nobody(called, what, nearest(what, known)))
    return found


def _nobody(file: str, what: str, near: str | None) -> Sentence:
    if near is None:
        return sentence(
            "{file}: nobody gives anything called {what!r}; name the owner with --owner", file=file, what=what
        )
    return sentence(
        "{file}: nobody gives anything called {what!r}; did you mean '{near}'?", file=file, what=what, near=near
    )


def _request(guard: Guard, question: Question) -> Request:
    english = WORDS.get(question.verb, question.verb)
    usual = usual_crowd(guard.settings, english, question.what)
    return replace(
        guard.request(
            question.who,
            question.verb,
            question.what,
            crowd=usual if question.crowd is None else question.crowd,
            round=int(english in ("train", "receive")) if question.round is None else question.round,
        ),
        verb=question.verb,
    )
