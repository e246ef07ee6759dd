"""D(S, E, P): which data sets there are and whose, where they flow, and what their owners permit with them.

    S  add_node(owner, what)                     a data set at its owner
    E  add_edge(giver, taker, what)              it flows, as far as its owner permits
    P  add_access_control(what, who, action)     its owners' rule; without one nothing is permitted

Where a list of names is expected, '*' stands for every department. Flows are kept as they were given, so that one
line about a thousand departments stays one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from lepton_fed.collaboration.attributes import Terms, checked
from lepton_fed.config.spelling import did_you_mean
from lepton_fed.errors import ConfigError
from lepton_fed.policy import CHINESE, Decision, action, decide, names
from lepton_fed.settings import EVERYONE, Flow, Grant, Settings
from lepton_fed.translation import Sentence, sentence

if TYPE_CHECKING:
    from lepton_fed.collaboration.graph import Graph

ACTIONS = tuple(CHINESE.values())
Names = str | Iterable[str]
"""One name, several, or '*'."""


@dataclass(frozen=True)
class DataSet:
    """Something that one department has and others may be given."""

    owner: str
    what: str


@dataclass(frozen=True)
class Passage:
    """`what` flows from `giver` to `taker`."""

    giver: str
    taker: str
    what: str
    terms: Terms = field(default_factory=Terms, compare=False)
    named: bool = field(default=True, compare=False)
    """Whether both were named; no: somebody said '*'."""

    def __str__(self) -> str:
        return str(self.sentence)

    @property
    def sentence(self) -> Sentence:
        """What flows where."""
        return sentence("{what} flows from {giver} to {taker}", what=self.what, giver=self.giver, taker=self.taker)


class DataSharing:
    """Data sets, flows and rules of the departments of a graph; it registers itself there as `graph.sharing`."""

    def __init__(self, graph: Graph) -> None:
        if graph.sharing is not None:
            raise ConfigError("this graph already has its data sharing; go on with graph.sharing, or make a new Graph")
        self.graph = graph
        self._sets: dict[DataSet, None] = {}
        self._flows: list[tuple[Flow, Terms]] = []
        self._grants: list[Grant] = []
        graph.sharing = self

    # ------------------------------------------------------------ saying it

    def add_node(self, owner: str, what: str) -> None:
        """`owner` has the data set `what`."""
        self.graph.require(owner)
        one = DataSet(owner, what)
        if one in self._sets:
            raise ConfigError(f"{owner!r} already has a data set {what!r}; say it once")
        _flow(what, owner, owner)
        self._sets[one] = None

    def add_edge(self, giver: Names, taker: Names, what: str, **terms: Any) -> None:
        """`what` flows from `giver`, who has it, to `taker`. Terms: purpose, artefacts, weight_cap, expires."""
        flow = _flow(what, giver, taker)
        self.graph.require(*flow.from_, *flow.to)
        self._require_owned(flow)
        if flow.from_ == flow.to and len(flow.from_) == 1 and EVERYONE not in flow.from_:
            raise ConfigError(f"{what!r} flows from {flow.from_[0]!r} to itself; name another department as taker")
        for i in flow.from_:
            for j in flow.to:
                if any(names(f.from_, i) and names(f.to, j) for f, _ in self._flows if f.what == what):
                    raise ConfigError(f"{what!r} already flows from {i!r} to {j!r}; say it once")
        self._flows.append((flow, checked(Terms, f"{what!r} from {giver!r} to {taker!r}", terms)))

    def add_access_control(
        self,
        what: str,
        who: Names,
        action: str,
        *,
        owner: Names = EVERYONE,
        effect: Literal["permit", "forbid"] = "permit",
    ) -> None:
        """The owners of `what` permit (or forbid) `who` to do `action` with it: 读取 read, 训练 train and so on."""
        listed, owners = _listed(who), _listed(owner)
        self.graph.require(*listed, *owners)
        self._require_what(what, owners)
        _require_word("action", action, get_type_hints(Grant)["action"])
        _require_word("effect", effect, get_type_hints(Grant)["effect"])
        grant = Grant(what=what, who=listed, action=action, owner=owners, effect=effect)  # type: ignore[arg-type]
        if any(_same(grant, other) for other in self._grants):
            raise ConfigError(f"the rule that {', '.join(listed)} may {action} {what!r} is there already; say it once")
        self._grants.append(grant)

    # ------------------------------------------------------------ asking

    @property
    def data_sets(self) -> tuple[DataSet, ...]:
        """S, in the order in which they were added."""
        return tuple(self._sets)

    @property
    def flows(self) -> tuple[tuple[Flow, Terms], ...]:
        """E as it was given, with '*' where somebody said '*'."""
        return tuple(self._flows)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """P, in the order in which the rules were added."""
        return tuple(self._grants)

    def owners(self, what: str) -> tuple[str, ...]:
        """Departments that have `what`, in the graph's order."""
        return tuple(name for name in self.graph.departments if DataSet(name, what) in self._sets)

    def passages(self) -> Iterator[Passage]:
        """E pair by pair, every pair once; '*' covers all departments, as givers those that have it."""
        seen: set[tuple[str, str, str]] = set()
        doubled = len({f.what for f, _ in self._flows}) < len(self._flows)
        for flow, terms in self._flows:
            takers = [name for name in self.graph.departments if names(flow.to, name)]
            for i in (name for name in self.owners(flow.what) if names(flow.from_, name)):
                for j in takers:
                    if i == j or (doubled and (i, j, flow.what) in seen):
                        continue
                    if doubled:
                        seen.add((i, j, flow.what))
                    yield Passage(i, j, flow.what, terms, EVERYONE not in (*flow.from_, *flow.to))

    def decide(self, who: str, action: str, what: str, owner: str) -> Decision:
        """May `who` do `action` (in either language) with `owner`'s `what`, and by which rule?"""
        self.graph.require(who, owner)
        _require_word("action", action, get_type_hints(Grant)["action"])
        return decide(self._grants, owner=owner, who=who, verb=action, what=what)

    def permitted(self, giver: str, taker: str, what: str) -> tuple[str, ...]:
        """The actions, in English, that `giver` permits `taker` with its `what`."""
        return self.permissions()(giver, taker, what)

    def permissions(self) -> Callable[[str, str, str], tuple[str, ...]]:
        """`permitted` for many questions: each pair that the rules cannot tell apart is decided once."""
        rules: dict[str, list[Grant]] = {}
        for grant in self._grants:
            rules.setdefault(grant.what, []).append(grant)
        sides: dict[tuple[str, str, bool], tuple[bool, ...]] = {}
        decided: dict[tuple[str, tuple[bool, ...], tuple[bool, ...]], tuple[str, ...]] = {}

        def side(name: str, what: str, gives: bool) -> tuple[bool, ...]:
            key = (name, what, gives)
            if key not in sides:
                sides[key] = tuple(names(g.owner if gives else g.who, name) for g in rules.get(what, ()))
            return sides[key]

        def permitted(giver: str, taker: str, what: str) -> tuple[str, ...]:
            key = (what, side(giver, what, True), side(taker, what, False))
            if key not in decided:
                asked = ((a, decide(rules.get(what, ()), owner=giver, who=taker, verb=a, what=what)) for a in ACTIONS)
                decided[key] = tuple(a for a, decision in asked if decision.permitted)
            return decided[key]

        return permitted

    # ------------------------------------------------------------ made from something else

    @classmethod
    def of(cls, graph: Graph, settings: Settings) -> DataSharing:
        """What [[sharing]] and [[access]] say, line by line; whoever gives something is taken to have it."""
        made = cls(graph)
        for flow in settings.sharing:
            graph.require(*flow.from_, *flow.to)
            made._flows.append((flow, Terms()))
            made._sets |= {DataSet(n, flow.what): None for n in graph.departments if names(flow.from_, n)}
        for grant in settings.access:
            graph.require(*grant.who, *grant.owner)
            made._grants.append(grant)
        return made

    @classmethod
    def on(cls, graph: Graph, sharing: DataSharing, day: date) -> DataSharing:
        """The same for another graph of the same departments, without the flows that have expired on `day`."""
        made = cls(graph)
        made._sets = dict(sharing._sets)
        made._flows = [(flow, terms) for flow, terms in sharing._flows if not terms.expired(day)]
        made._grants = list(sharing._grants)
        return made

    # ------------------------------------------------------------ checks

    def _require_owned(self, flow: Flow) -> None:
        for giver in flow.from_:
            known = [s.what for s in self._sets if giver in (s.owner, EVERYONE)]
            if flow.what not in known:
                found = "nobody has a" if giver == EVERYONE else f"{giver!r} has no"
                hint = did_you_mean(flow.what, known) or "; add_node says who has it"
                raise ConfigError(f"{found} data set {flow.what!r}{hint}")

    def _require_what(self, what: str, owners: tuple[str, ...]) -> None:
        _require_text(what)
        known = tuple(dict.fromkeys(s.what for s in self._sets if names(owners, s.owner)))
        if what not in known:
            whose = "nobody has" if EVERYONE in owners else f"{' and '.join(owners)} never said to have"
            hint = did_you_mean(what, known) or "; add_node says who has it"
            raise ConfigError(f"a rule is about {what!r}, which {whose}{hint}")


def _listed(names: Names) -> tuple[str, ...]:
    listed = (names,) if isinstance(names, str) else tuple(names)
    if not listed:
        raise ConfigError("a list of departments is empty; name one, or '*' for all")
    twice = next((name for name in listed if listed.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice!r} is listed twice; once is enough")
    if EVERYONE in listed and len(listed) > 1:
        raise ConfigError("'*' is listed beside other names; '*' alone already means every department")
    return listed


def _flow(what: str, giver: Names, taker: Names) -> Flow:
    _require_text(what)
    try:
        return Flow(what=what, from_=_listed(giver), to=_listed(taker))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _require_text(what: object) -> None:
    if not isinstance(what, str):
        raise ConfigError(f"a data set is named by a text, not by {what!r}")


def _require_word(key: str, word: str, kind: Any) -> None:
    known = get_args(kind)
    if word not in known:
        said = ", ".join(f"{k} {action(k)}" for k in CHINESE) if key == "action" else ", ".join(known)
        raise ConfigError(f"{key} is {word!r}, and must be one of {said}{did_you_mean(str(word), known)}")


def _same(one: Grant, other: Grant) -> bool:
    """Whether two rules say the same, in whichever language."""
    plain = [(g.what, set(g.who), action(g.action), set(g.owner), g.effect) for g in (one, other)]
    return plain[0] == plain[1]
