"""One department's guard: whatever its messages let leave goes past it, and whatever goes wrong is a no.

Nothing is decided twice: what the rules ask for (`Rule.circumstances`) is what a verdict depends on, so it is kept by
the values of just that. A rule about the hour decides once an hour, a rule about the crowd once for each size, and
without own files a round costs a look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from lepton_fed.cohorts import HubPlan
from lepton_fed.enforcement.moment import Moment
from lepton_fed.enforcement.standing import ANY, FEW, Circumstances, Question, Readers, Standing, Verdict, strictest
from lepton_fed.policies import ITSELF, Context, Decision, Policies, Request
from lepton_fed.policies.book import unusable
from lepton_fed.policies.request import Kind, said
from lepton_fed.policy import action, names
from lepton_fed.settings import Settings
from lepton_fed.translation import sentence

KEPT = 64
"""Verdicts of one hub that are kept, by circumstances: more than hours of a day and sizes of a crowd."""

PASSING = frozenset({"hour", "crowd", "epsilon_spent", "round", "plan"})
"""Circumstances that may be otherwise in another round."""

SHOWN = 3
"""Reasons in one refusal; somebody will have to read it."""


Hour = Callable[[], int | None]
"""The hour on a department's clock, 0 to 23; None where there is no clock and a rule asks."""


@dataclass(eq=False)
class Guard:
    """What one department permits with what it owns.

    `renewed`: gives the policies in force, asked before each decision (a file may have changed). `fingerprint`, `code`:
    of its federation file and of the code that would run, "sha256:...". `hour`: the hour on its clock; without one,
    rules that ask for the hour deny. `spent`: ε spent so far on a data set. `heard`: told of each decision that is new.
    """

    owner: str
    settings: Settings
    policies: Policies
    fingerprint: str = ""
    code: str = ""
    hour: Callable[[], int] | None = None
    spent: Callable[[str], float] = lambda what: 0.0
    heard: Callable[[Decision], None] = lambda decision: None
    renewed: Callable[[], Policies] | None = None
    _standings: dict[str, Standing] = field(default_factory=dict, init=False, repr=False)
    _told: dict[tuple[str, ...], tuple[object, ...]] = field(default_factory=dict, init=False, repr=False)

    # ------------------------------------------------------------ training

    def training(self, hubs: Iterable[tuple[HubPlan, Moment]]) -> str | None:
        """Why its update may not reach whoever learns from these hubs, each with its moment; None if it may."""
        try:
            self._renew()
            hour = _once(self._hour)
            last = self.settings.rounds.count
            for hub, moment in hubs:
                if moment.round > last:
                    return f"the federation file has {last} rounds to train in, not {moment.round}"
                reason = self._verdict(hub, moment, hour)
                if reason is not None:
                    return reason
        except Exception as error:  # no decision is a no
            return _failed(error)
        return None

    def ever(self, hubs: Iterable[tuple[HubPlan, Moment]]) -> str | None:
        """Why its update may reach them in no round at all; None where the hour, say, only has to be another."""
        try:
            self._renew()
            hour = _once(self._hour)
            for hub, moment in hubs:
                found = self._found(hub, moment, hour)[2].decisions
                denials = [one for one in found if not one.permitted]
                lasting = [one for one in denials if not self._passing(one)]
                if lasting:
                    self._tell(hub.name, lasting)
                    return _refusal(lasting)
                if not denials:
                    self._verdict(hub, moment, hour)
        except Exception as error:
            return _failed(error)
        return None

    def foreseen(self, hub: HubPlan, moment: Moment) -> tuple[Decision, ...]:
        """What would be decided about training for this hub's readers, without telling anybody."""
        self._renew()
        return self._found(hub, moment, self._hour)[2].decisions

    def _verdict(self, hub: HubPlan, moment: Moment, hour: Hour) -> str | None:
        standing, now, verdict = self._found(hub, moment, hour)
        if now != standing.last:
            self._tell(hub.name, verdict.decisions)
            standing.last = now
        return verdict.refusal

    def _found(self, hub: HubPlan, moment: Moment, hour: Hour) -> tuple[Standing, Circumstances, Verdict]:
        """What is decided, from what is kept where the circumstances that matter have been met before."""
        standing = self._standings.get(hub.name)
        if standing is None:
            standing = self._standings[hub.name] = self._readers.standing(hub)
        now = tuple([self._value(name, moment, standing, hour) for name in standing.asked])
        verdict = standing.verdicts.get(now)
        if verdict is None:
            decisions = self._decided(standing, moment, hour, dict(zip(standing.asked, now, strict=True)))
            standing.verdicts[now] = verdict = Verdict(decisions, _refusal(decisions))
            while len(standing.verdicts) > KEPT:
                standing.verdicts.popitem(last=False)
        return standing, now, verdict

    def _value(self, name: str, moment: Moment, standing: Standing, hour: Hour) -> object:
        """Of one field of the context, in this moment; what does not change while a guard lives need not be told."""
        match name:
            case "hour":
                return hour()
            case "epsilon_spent":
                return tuple(self.spent(what) for what in standing.whats)
            case "crowd" | "round" | "plan":
                return getattr(moment, name)
        return None

    def _decided(
        self, standing: Standing, moment: Moment, hour: Hour, now: Mapping[str, object]
    ) -> tuple[Decision, ...]:
        own = self.policies.own.get(self.owner)
        if own is not None and own.problems:
            # Whatever it owns, whoever asks; there may be nothing that a question could be asked about.
            reasons = tuple(unusable(self.owner, problem) for problem in own.problems)
            return (Decision(False, reasons, (), self._request(self.owner, "train", "*", ANY), broken=True),)
        found = list(standing.unfounded)
        for question in standing.questions:
            context = self._context_of(question, standing, moment, hour, now)
            found.append(self._answer(question, context))
        return tuple(found)

    def _context_of(
        self, question: Question, standing: Standing, moment: Moment, hour: Hour, now: Mapping[str, object]
    ) -> Context:
        """What a verdict is kept by is what it is made from, also where the clock strikes in between."""
        part = ", ".join(self.settings.model.shared)
        context = self.context(question.what, moment.crowd, round=moment.round, plan=moment.plan, part=part, hour=hour)
        if "epsilon_spent" in now:
            spent = now["epsilon_spent"]
            assert isinstance(spent, tuple)
            context = replace(context, epsilon_spent=spent[standing.whats.index(question.what)])
        return context

    def _answer(self, question: Question, context: Context) -> Decision:
        """Both of what it takes: that it may flow there, and that it may be trained on."""
        asked = (self._request(question.who, verb, question.what, context) for verb in ("receive", "train"))
        found = [self.policies.decide(one) for one in asked]
        decision = strictest(found)
        if question.who == self.owner:
            decision = self._of_itself(question, found)
        if not question.alike:
            return decision
        others = sentence("the same holds for {alike} others", alike=question.alike)
        return replace(decision, reasons=(*decision.reasons, others))

    def _of_itself(self, question: Question, found: Sequence[Decision]) -> Decision:
        """A department needs nobody's permit for its own rows, but what its own files forbid, they forbid it, too."""
        for decision in found:
            if decision.broken or (decision.rules and not decision.permitted and self._forbids_itself(decision)):
                return decision
        why = sentence(
            "{owner} may train on its own {what}: none of its own rules forbids it",
            owner=said(self.owner),
            what=said(question.what),
        )
        return Decision(True, (why,), (), found[-1].request)

    def _forbids_itself(self, denial: Decision) -> bool:
        """Whether its own files have part in a denial; what the federation file says of it is in E already."""
        return bool(set(denial.rules) - set(self.policies.of_the_file.decide(denial.request).rules))

    def _passing(self, denial: Decision) -> bool:
        """Whether another hour, crowd, round or budget could let it pass."""
        rules = self.policies.own[self.owner].rules if self.owner in self.policies.own else ()
        asking = {line.name for rule in rules if rule.circumstances & PASSING for line in rule.lines}
        return bool(denial.rules) and set(denial.rules) <= asking

    # ------------------------------------------------------------ everything else

    def evaluation(self, asker: str, purpose: str, rows: int, round: int) -> str | None:
        """Why a model may not be measured on so many of its rows for `asker`; None if it may."""
        try:
            self._renew()
            found = self.evaluations(asker, purpose, rows, round)
            self._tell("", found)
            return _refusal(found) if any(not one.permitted for one in found) else None
        except Exception as error:
            return _failed(error)

    def evaluations(self, asker: str, purpose: str | None, rows: int, round: int) -> tuple[Decision, ...]:
        """The decisions that count, without telling anybody: all denials or all permits.

        One of its data sets must be permitted, and none forbidden: they are names of the same rows.
        """
        found = [
            self.expected(self.request(asker, "evaluate", what, crowd=rows, purpose=purpose, round=round))
            for what in self._evaluable()
        ]
        if not found:
            why = sentence(
                "{who} may not evaluate a model at {owner}: none of its rules is about evaluating",
                who=said(asker),
                owner=said(self.owner),
            )
            return (Decision(False, (why,), (), self._request(asker, "evaluate", "*", ANY)),)
        forbidden = tuple(one for one in found if one.broken or (not one.permitted and one.rules))
        return forbidden or tuple(one for one in found if one.permitted) or tuple(found)

    def _evaluable(self) -> tuple[str, ...]:
        """The data sets that its rows are: what it gives to others, and what rules about evaluating name."""
        flows = (flow.what for flow in self.settings.sharing if names(flow.from_, self.owner))
        grants = (
            grant.what
            for grant in self.settings.access
            if action(grant.action) == "evaluate" and names(grant.owner, self.owner)
        )
        return tuple(dict.fromkeys((*flows, *grants)))

    def ask(
        self, *, who: str, verb: str, what: str, crowd: int = 1, purpose: str | None = None, kind: Kind = "DataSet"
    ) -> Decision:
        """May this be done, outside of training, with something that it owns? `purpose`: default the federation's."""
        context = self.context(what, crowd, purpose=purpose, rounds=0)
        return self.decide(replace(self._request(who, verb, what, context), kind=kind))

    def decide(self, request: Request) -> Decision:
        """The decision about one request for what this department owns; what is another's is denied."""
        self._renew()
        decision = self.expected(request)
        self._tell("", (decision,))
        return decision

    def expected(self, request: Request) -> Decision:
        """The same, without telling anybody: for who asks ahead."""
        if request.owner != self.owner:
            why = sentence(
                "{owner} decides about what is its own, and not about what is {other}'s",
                owner=said(self.owner),
                other=said(request.owner),
            )
            return Decision(False, (why,), (), request, broken=True)
        return self.policies.decide(request)

    def completed(self, request: Request) -> Request:
        """The request with what its context leaves unsaid as it is here now."""
        asked, known = request.context, self.context(request.of or request.what, 1)
        unsaid = {f.name: getattr(known, f.name) for f in fields(Context) if getattr(asked, f.name) is None}
        return replace(request, context=replace(asked, **unsaid))

    def request(
        self,
        who: str,
        verb: str,
        what: str,
        *,
        crowd: int,
        kind: Kind = "DataSet",
        of: str | None = None,
        role: str = ITSELF,
        purpose: str | None = None,
        round: int = 0,
    ) -> Request:
        """A question about what it owns, as it is now at this department."""
        context = self.context(of or what, crowd, purpose=purpose, round=round)
        return replace(self._request(who, verb, what, context), role=role, kind=kind, of=of)

    def _request(self, who: str, verb: str, what: str, context: Context) -> Request:
        return self._readers.request(who, verb, what, context)

    @property
    def _readers(self) -> Readers:
        return Readers(self.owner, self.settings, self.policies)

    def context(
        self,
        what: str,
        crowd: int,
        *,
        purpose: str | None = None,
        round: int = 0,
        rounds: int | None = None,
        plan: str = "",
        part: str = "",
        hour: Hour | None = None,
    ) -> Context:
        """The circumstances of now; `what` is the data set whose budget counts, `hour` another clock than its own."""
        return Context(
            purpose=self.settings.federation.purpose if purpose is None else purpose,
            crowd=crowd,
            epsilon_spent=self.spent(what),
            code=self.code,
            federation=self.fingerprint,
            plan=plan,
            part=part,
            hour=(hour or self._hour)(),
            round=round,
            rounds=self.settings.rounds.count if rounds is None else rounds,
        )

    def _hour(self) -> int | None:
        """On its clock; without one 0, where none of its rules asks."""
        if self.hour is not None:
            return self.hour()
        rules = self.policies.own[self.owner].rules if self.owner in self.policies.own else ()
        return None if any("hour" in rule.circumstances for rule in rules) else 0

    # ------------------------------------------------------------ what is new

    def _renew(self) -> None:
        """Goes by the policies in force now; with others than before, everything is decided anew."""
        policies = self.policies if self.renewed is None else self.renewed()
        if policies is not self.policies:
            self.policies = policies
            self._standings.clear()

    def _tell(self, hub: str, decisions: Sequence[Decision]) -> None:
        """Tells of decisions that were not there before, or were different; of very many, one for all."""
        fresh: list[Decision] = []
        new: dict[tuple[str, ...], tuple[object, ...]] = {}
        for decision in decisions:
            request = decision.request
            key = (hub, request.who, request.action, request.what, request.kind)
            found = (decision.permitted, decision.rules, decision.broken)
            if self._told.get(key) != found:
                new[key] = found
                fresh.append(decision)
        if len(fresh) > FEW:
            first = next((one for one in fresh if not one.permitted), fresh[0])
            more = sentence(
                "{more} more decisions about hub {hub} were made with this one", more=len(fresh) - 1, hub=said(hub)
            )
            fresh = [replace(first, reasons=(*first.reasons, more))]
        for decision in fresh:
            self.heard(decision)
        # Only now: what could not be put on record is told again.
        self._told |= new


def _once(hour: Hour) -> Hour:
    """The clock, looked at when it is asked first: within one message it does not strike."""
    read: list[int | None] = []

    def known() -> int | None:
        if not read:
            read.append(hour())
        return read[0]

    return known


def _failed(error: Exception) -> str:
    """Never its text, which may quote what nobody else should read."""
    return f"denied, since deciding failed: {type(error).__name__}"


def _refusal(decisions: Iterable[Decision]) -> str | None:
    """The reasons of the denials among them, each once; None if there are none."""
    reasons = dict.fromkeys(reason for one in decisions if not one.permitted for reason in one.reasons)
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return "; ".join(list(reasons)[:SHOWN]) + more if reasons else None
