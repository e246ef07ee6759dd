"""Who would learn from a department through a hub, as questions to its policies, and the answers that are kept.

standing = Readers(owner, settings, policies).standing(hub)
standing.questions      for each kind of reader and each data set that it learns from: may it?
standing.asked          the circumstances that any rule with a say asks for
standing.verdicts       by the values of just those: what was decided
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lepton_fed.cohorts import HubPlan
from lepton_fed.policies import ITSELF, Context, Decision, Policies, Request
from lepton_fed.policies.request import said
from lepton_fed.policies.rules import CHINESE_OF, Rule
from lepton_fed.policy import CHINESE, names
from lepton_fed.policy import decide as by_the_file
from lepton_fed.settings import Flow, Settings
from lepton_fed.translation import sentence

FEW = 12
"""Up to so many readers of a hub each get a decision of their own, which can be put on record; of more, those alike
share one."""

ANY = Context.outside_training(purpose="", hour=0)
"""For questions to the federation file alone, whose rules ask for no circumstances."""


@dataclass(frozen=True)
class Question:
    """May `who` learn from this data set? `alike`: how many others the answer is for."""

    who: str
    what: str
    alike: int = 0


Circumstances = tuple[object, ...]
"""Values of the fields of a context that matter to a verdict, in the order of their names."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was decided about a hub's readers, and in sum: why they may not learn, or None."""

    decisions: tuple[Decision, ...]
    refusal: str | None


@dataclass(eq=False)
class Standing:
    """A hub's questions, what their answers depend on, and the answers so far."""

    questions: tuple[Question, ...]
    asked: tuple[str, ...]
    """Fields of the context that rules with a say ask for, sorted."""
    unfounded: tuple[Decision, ...] = ()
    """Denials of the federation file itself, of readers that it should not have."""
    verdicts: OrderedDict[Circumstances, Verdict] = field(default_factory=OrderedDict, repr=False)
    last: Circumstances | None = None
    """The circumstances of the decisions that were told last."""

    @property
    def whats(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(question.what for question in self.questions))


@dataclass(frozen=True)
class Readers:
    """The readers of one department's updates, by the federation file, as its policies can tell them apart."""

    owner: str
    settings: Settings
    policies: Policies

    def standing(self, hub: HubPlan) -> Standing:
        """The questions of a hub: for each reader, the data sets by which the federation file lets it learn."""
        given = [flow for flow in self.settings.sharing if names(flow.from_, self.owner)]
        rules = {what: self._rules(what) for what in dict.fromkeys(flow.what for flow in given)}
        questions: list[Question] = []
        unfounded: list[Decision] = []
        for who, others in self._groups(hub, tuple(rule for some in rules.values() for rule in some)):
            founded = self._founded(who, given)
            questions += [Question(who, what, others) for what in founded]
            unfounded += [] if founded else [self._nothing_flows(who, given)]
        if self.owner in hub.may_read and self.owner in self.policies.own:
            questions += [Question(self.owner, what) for what in self._own_data(questions, rules)]
        about = [rule for one in questions for rule in rules.get(one.what) or self._rules(one.what)]
        asked = frozenset[str]().union(*(rule.circumstances for rule in about))
        return Standing(tuple(questions), tuple(sorted(asked)), tuple(unfounded))

    def _groups(self, hub: HubPlan, rules: Sequence[Rule]) -> Iterator[tuple[str, int]]:
        """Those who learn from a hub, one of each kind and how many others are like it; the owner, of whom rules can
        know more, left out.
        """
        readers = hub.readers
        if self.settings.coupling.kind == "clusters":
            # Sources read every hub there, to train from it; who learns is who is a target.
            readers = tuple(name for name in readers if self.settings.department(name).is_target)
        groups = self.policies.alike(rules, readers) if len(readers) > FEW else tuple((name,) for name in readers)
        for group in groups:
            here = self.owner in group
            who = next((name for name in group if name != self.owner), None)
            if who is not None:
                yield who, len(group) - here - 1

    def _rules(self, what: str) -> tuple[Rule, ...]:
        return self.policies.concerning(self.owner, what, ("receive", "train"))

    def _founded(self, who: str, given: Iterable[Flow]) -> tuple[str, ...]:
        """The data sets by which the federation file lets `who` learn from this department, as E has it."""
        flowing = dict.fromkeys(flow.what for flow in given if names(flow.to, who))
        access = self.settings.access
        return tuple(
            w for w in flowing if by_the_file(access, owner=self.owner, who=who, verb="train", what=w).permitted
        )

    def _nothing_flows(self, who: str, given: Iterable[Flow]) -> Decision:
        """The denial of a reader whom the federation file does not let learn: the hub is not one that it makes."""
        for flow in given:
            asked = (self.request(who, verb, flow.what, ANY) for verb in ("receive", "train"))
            decision = strictest([self.policies.of_the_file.decide(one) for one in asked])
            if not decision.permitted:
                return decision
        why = sentence(
            "{who} may not learn from {owner}: no [[sharing]] lets anything flow there",
            who=said(who),
            owner=said(self.owner),
        )
        return Decision(False, (why,), (), self.request(who, "train", "*", ANY))

    def _own_data(self, questions: Sequence[Question], given: Iterable[str]) -> tuple[str, ...]:
        """What its own rows are called: what others learn from, else what it gives, else what it is given."""
        taught = dict.fromkeys(question.what for question in questions)
        taken = dict.fromkeys(flow.what for flow in self.settings.sharing if names(flow.to, self.owner))
        return tuple(taught or dict.fromkeys(given) or taken)

    def request(self, who: str, verb: str, what: str, context: Context) -> Request:
        """A question about what this department owns, in the language of the federation file."""
        chinese = any(grant.action in CHINESE for grant in self.settings.access)
        word = CHINESE_OF.get(verb, verb) if chinese else verb
        return Request(who=who, role=ITSELF, verb=word, what=what, owner=self.owner, context=context)


def strictest(found: Sequence[Decision]) -> Decision:
    """The first denial among them, else the last permit."""
    return next((one for one in found if not one.permitted), found[-1])
