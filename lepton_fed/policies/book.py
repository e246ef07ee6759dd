"""All rules that a federation's departments go by, and the one question to them: may this be done?

    federation file ─ [[access]], [[sharing]] ──┐
                                                ├──► Policies.decide(request) ──► Decision
    .cedar files of each department, its own ───┘

Default deny; a forbid beats every permit; only the owner's own rules count, and an error denies.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from lepton_fed.errors import ConfigError
from lepton_fed.policies import own_files
from lepton_fed.policies.engine import Entity, Prepared, Verdict, prepared, reference, schema_text, uid, written
from lepton_fed.policies.grants import KNOWLEDGE, flow_rules, grant_rules
from lepton_fed.policies.own_files import CedarFile, Own
from lepton_fed.policies.request import Decision, Request, said
from lepton_fed.policies.rules import CHINESE_OF, Rule, Scope
from lepton_fed.policy import names
from lepton_fed.settings import Grant, Settings
from lepton_fed.translation import Sentence, sentence, term

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_KEPT = 256
"""How many sets of policies stay prepared, and for how many scopes it is known which they are: a run asks the same
few questions round after round."""

_OWNER = "owner"
"""The role of the owner in a request that somebody else makes."""


@dataclass(frozen=True)
class Policies:
    """The rules of a federation. Made by `Policies.of`; a changed copy is another one."""

    departments: frozenset[str]
    shared: tuple[Rule, ...] = field(repr=False)
    """Of the federation file."""
    own: Mapping[str, Own] = field(repr=False)
    """Of departments' .cedar files."""
    purpose: str = ""
    """Of the federation: the first that `explain` tries where a purpose stands in the way."""
    _index: dict[tuple[str, str], list[Rule]] = field(init=False, repr=False, compare=False)
    _chosen: OrderedDict[Scope, dict[str, Rule]] = field(
        init=False, repr=False, compare=False, default_factory=OrderedDict
    )
    _prepared: OrderedDict[tuple[str, ...], Prepared] = field(
        init=False, repr=False, compare=False, default_factory=OrderedDict
    )

    @classmethod
    def of(
        cls,
        settings: Settings,
        own: Mapping[str, Sequence[CedarFile]] | None = None,
        source: str = "the federation file",
    ) -> Policies:
        """The rules of the settings and of departments' own files; `source` is what the federation file is called.

        Give the settings of the whole file, so that a rule about a department that has left is still understood.
        Files that cannot be used are `problems`, and deny what their department owns. ConfigError if files are those
        of nobody.
        """
        departments = frozenset(settings.names)
        for owner in own or {}:
            if owner not in departments:
                raise ConfigError(f"there are files of policies of {owner!r}, which is no department; name one that is")
        shared = (*grant_rules(settings.access, source), *flow_rules(settings.sharing, source))
        files = {owner: own_files.read(owner, some, departments) for owner, some in (own or {}).items()}
        return cls(departments, shared, files, settings.federation.purpose)

    _grouped: OrderedDict[Hashable, tuple[tuple[str, ...], ...]] = field(
        init=False, repr=False, compare=False, default_factory=OrderedDict
    )

    def __post_init__(self) -> None:
        index: dict[tuple[str, str], list[Rule]] = {}
        for rule in self.shared:
            assert rule.entity is not None
            key = (rule.policy["action"]["entity"]["id"], rule.entity["attrs"]["what"])
            index.setdefault(key, []).append(rule)
        object.__setattr__(self, "_index", index)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with departments' own files, each sentence with the department's name."""
        return tuple(f"{owner}: {problem}" for owner, own in self.own.items() for problem in own.problems)

    def decide(self, request: Request) -> Decision:
        """May it be done? Never raises: whatever goes wrong is a denial, and says what it was."""
        try:
            return self._decided(request)
        except Exception as error:  # no input of any kind may end in anything but a decision
            why = sentence("denied, since deciding failed: {error}", error=type(error).__name__)
            return Decision(False, (why,), (), request, broken=True)

    def _decided(self, request: Request) -> Decision:
        mistakes = tuple(request.mistakes(self.departments))
        if mistakes:
            return _broken(request, *mistakes)
        own = self.own.get(request.owner, Own())
        if own.problems:
            return _broken(request, *(unusable(request.owner, problem) for problem in own.problems))
        about = scope(request)
        rules = _kept(self._chosen, about, lambda: _by_name(self._reached(about, own.rules)))
        verdict = _kept(self._prepared, tuple(rules), lambda: _prepared(rules.values())).verdict(
            uid("Department", request.who),
            uid("Action", request.action),
            _what(request),
            list(_entities(request)),
            request.context.attributes(),
        )
        return _worded(request, verdict, rules)

    def _reached(self, scope: Scope, own: Iterable[Rule]) -> Iterator[Rule]:
        """The rules that can have a say: Cedar reads every policy it is given, and a thousand take milliseconds."""
        for rule in self._index.get((scope.action, scope.what), ()):
            if names(rule.owners, scope.owner) and _about(rule, scope.kind):
                yield rule
        for rule in own:
            if scope.reaches(rule.policy):
                yield rule

    # ------------------------------------------------------------ to decide once for many, and no oftener than needed

    def concerning(self, owner: str, what: str, verbs: Iterable[str]) -> tuple[Rule, ...]:
        """The rules that can have a say about doing one of `verbs` (in English) with this data set, whoever asks."""
        about = [Scope(owner, verb, what, "DataSet", _uids(owner, what, verb)) for verb in verbs]
        shared = [
            rule for one in about for rule in self._index.get((one.action, what), ()) if names(rule.owners, owner)
        ]
        own = self.own.get(owner, Own()).rules
        return (*shared, *(rule for rule in own if any(one.concerns(rule.policy) for one in about)))

    def alike(self, rules: Sequence[Rule], askers: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """`askers` in groups that none of these rules can tell apart, unless the owner of what is asked for is there.

        A policy knows of a department whether it is one that it names, whether it is the owner, and its role.
        """
        # The rules live as long as this object, so that a number stands for one rule.
        key = (tuple(id(rule) for rule in rules), askers)
        return _kept(self._grouped, key, lambda: _grouped(rules, askers))

    @cached_property
    def of_the_file(self) -> Policies:
        """The federation file's rules alone."""
        return replace(self, own={}) if self.own else self

    # ------------------------------------------------------------ to try what a change would do

    def with_grant(self, grant: Grant) -> Policies:
        """As if the federation file had one more [[access]]."""
        return replace(self, shared=(*self.shared, *grant_rules([grant], "a rule that is not there yet", 0)))

    def without(self, rules: Iterable[str]) -> Policies:
        """As if those of the rules that bear these names were not there."""
        gone = frozenset(rules)

        def left(some: Iterable[Rule]) -> tuple[Rule, ...]:
            return tuple(rule for rule in some if gone.isdisjoint(line.name for line in rule.lines))

        own = {owner: replace(files, rules=left(files.rules)) for owner, files in self.own.items()}
        return replace(self, shared=left(self.shared), own=own)

    # ------------------------------------------------------------ to read, and to refer to

    def rules(self, owner: str) -> tuple[Rule, ...]:
        """Every rule that has a say about what `owner` owns."""
        shared = (rule for rule in self.shared if names(rule.owners, owner))
        return (*shared, *self.own.get(owner, Own()).rules)

    def text(self, owner: str) -> str:
        """Everything that decides about what `owner` owns, as Cedar text with a sentence above each compiled rule."""
        shared = (rule for rule in self.shared if names(rule.owners, owner))
        compiled = ("".join(f"// {line.says}\n" for line in rule.lines) + written(rule.policy) for rule in shared)
        files = (f"// {said(file.name)}\n{file.text.strip()}" for file in self.own.get(owner, Own()).files)
        return "\n\n".join((*compiled, *files)) + "\n"

    def digest(self, owner: str) -> str:
        """SHA-256 over all that decides about what `owner` owns: schema, policies, the names they hold."""
        rules = [(rule.name, rule.policy, rule.entity) for rule in self.rules(owner)]
        files = [(file.name, file.text) for file in self.own.get(owner, Own()).files]
        whole = [schema_text(), sorted(self.departments), rules, files]
        return "sha256:" + hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _about(rule: Rule, kind: str) -> bool:
    """Whether a rule of the federation file is about things of this kind.

    One about the knowledge graph says so; so a relation is not opened by what is said of data of the same name.
    """
    about = rule.policy["resource"].get("entity_type")
    return bool(about == kind) if kind in KNOWLEDGE.values() else about is None


def _kept(kept: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """What is kept under the key, made where it is not; the one unused for longest gives way."""
    value = kept.pop(key, None)
    kept[key] = value = make() if value is None else value
    while len(kept) > _KEPT:
        kept.popitem(last=False)
    return value


def _prepared(rules: Iterable[Rule]) -> Prepared:
    rules = tuple(rules)
    entities = [rule.entity for rule in rules if rule.entity is not None]
    return prepared({rule.name: rule.policy for rule in rules}, entities)


def _by_name(rules: Iterable[Rule]) -> dict[str, Rule]:
    """The rules by their names; ValueError if two have the same, since one of them would be lost."""
    named: dict[str, Rule] = {}
    for rule in rules:
        if named.setdefault(rule.name, rule) is not rule:
            raise ValueError(f"two rules are called {rule.name!r}")
    return named


def _grouped(rules: Sequence[Rule], askers: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """A list of the federation file tells who is on it from who is not; a text may treat each name otherwise."""
    lists = [rule.named for rule in rules if rule.entity is not None]
    singled = frozenset[str]().union(*(rule.named for rule in rules if rule.entity is None))
    groups: dict[tuple[object, ...], list[str]] = {}
    for asker in askers:
        mark = (asker if asker in singled else "", *(asker in listed for listed in lists))
        groups.setdefault(mark, []).append(asker)
    return tuple(tuple(group) for group in groups.values())


def _uids(owner: str, what: str, english: str) -> frozenset[tuple[str, str]]:
    words = {english, CHINESE_OF.get(english, english)}
    return frozenset({("DataSet", f"{owner}/{what}"), *(("Action", word) for word in words)})


def scope(request: Request) -> Scope:
    """What policies are chosen by."""
    english = request.action
    named = [uid("Department", request.who), _what(request)]
    named += [uid("Action", english), uid("Action", CHINESE_OF.get(english, english))]
    if request.of is not None:
        named.append(_data_set(request))
    uids = frozenset((one["type"], one["id"]) for one in named)
    return Scope(request.owner, request.action, request.what, request.kind, uids)


def _what(request: Request) -> dict[str, str]:
    # A department's name holds no "/", so that two things never share one name.
    return uid(request.kind, f"{request.owner}/{request.what}")


def _data_set(request: Request) -> dict[str, str]:
    return uid("DataSet", f"{request.owner}/{request.of}")


def _entities(request: Request) -> Iterator[Entity]:
    """Who asks, the owner, what is asked for and what that was made from."""
    owner = reference("Department", request.owner)
    yield {"uid": uid("Department", request.who), "attrs": {"role": request.role}, "parents": []}
    if request.owner != request.who:
        yield {"uid": uid("Department", request.owner), "attrs": {"role": _OWNER}, "parents": []}
    made_from = [] if request.of is None else [_data_set(request)]
    yield {"uid": _what(request), "attrs": {"owner": owner, "name": request.what}, "parents": made_from}
    if request.of is not None:
        yield {"uid": _data_set(request), "attrs": {"owner": owner, "name": request.of}, "parents": []}


def _worded_as(request: Request, permitted: bool, why: str) -> Sentence:
    """`研发部门 may 读取 物料管理 of 供应链部门: rule access[2] of federation.toml permits it`."""
    who, what, owner = (said(name) for name in (request.who, request.what, request.owner))
    verb = term(said(request.verb))
    if permitted:
        return sentence(
            "{who} may {verb} {what} of {owner}: {why}", who=who, verb=verb, what=what, owner=owner, why=why
        )
    return sentence(
        "{who} may not {verb} {what} of {owner}: {why}", who=who, verb=verb, what=what, owner=owner, why=why
    )


def _broken(request: Request, *reasons: str) -> Decision:
    return Decision(False, tuple(_worded_as(request, False, why) for why in reasons), (), request, broken=True)


def _worded(request: Request, verdict: Verdict, rules: Mapping[str, Rule]) -> Decision:
    """The verdict, with the lines of the files that it came from."""
    if verdict.error:
        error = said(verdict.error)
        return _broken(
            request, sentence("the policies of {owner} cannot decide: {error}", owner=request.owner, error=error)
        )
    lines, reasons = [], []
    for rule in (rule for name, rule in rules.items() if name in verdict.policies):
        because = sentence(' ("{reason}")', reason=said(rule.reason)) if rule.reason else ""
        for line in rule.about(request.who):
            lines.append(line)
            reasons.append(_worded_as(request, verdict.permitted, _by_rule(line, rule.forbids, because)))
    if not lines:
        none = _worded_as(request, False, sentence("no rule of {owner} permits it", owner=request.owner))
        return Decision(False, (none,), (), request)
    return Decision(verdict.permitted, tuple(reasons), tuple(lines), request)


def unusable(owner: str, problem: str) -> Sentence:
    """Why nothing of what `owner` owns is permitted."""
    return sentence("{owner}'s policies cannot be used: {problem}", owner=owner, problem=problem)


def _by_rule(line: str, forbids: bool, because: str) -> Sentence:
    if forbids:
        return sentence("rule {line} forbids it{because}", line=line, because=because)
    return sentence("rule {line} permits it{because}", line=line, because=because)
