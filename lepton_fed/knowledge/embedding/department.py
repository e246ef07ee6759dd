"""A department's side of a federated embedding: one method that answers messages, and nothing that tells its facts.

    Shown      takes what the last sum came to, makes keys for the next
    Call       examines the plan: is it the one that its own copy of the file makes?
    Delivery   trains one epoch, and hides its rows under masks
    Survivors, Quorum                                            (lepton_fed.secagg.client)

Relations, their embeddings, the rows of entities with too few owners, and the number of facts of each entity stay here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lepton_fed.errors import LeptonError
from lepton_fed.knowledge.embedding.home import Home
from lepton_fed.knowledge.embedding.messages import OWNERS, Finished, Kept, Shown
from lepton_fed.knowledge.embedding.scheme import Anchor, Scheme, leaving
from lepton_fed.secagg import Advertised, Contribution, Hidden, Party, Refusal, Refused, Shared, Signed, advertise
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.messages import Call, Delivery, Quorum, Survivors

NOTHING = np.zeros(0, np.float64)


@dataclass(eq=False)
class EmbeddingDepartment:
    """The department between messages: its home, which holds all that is its own, and where the sum stands."""

    party: Party
    scheme: Scheme
    home: Home
    shown: Shown | None = None
    shared: Tensor | None = None
    """Entities whose rows leave, ascending, in numbers of the common dictionary."""
    state: Advertised | Shared | Hidden | Signed | None = None

    @property
    def name(self) -> str:
        return self.party.name

    def handle(self, message: Wire) -> Wire:
        """The answer to a message; a refusal says why, and leaves everything as it was."""
        try:
            return self._answer(message)
        except Refused as error:
            return Refusal(self.name, error.reason)
        except LeptonError as error:
            return Refusal(self.name, str(error))

    def _answer(self, message: Wire) -> Wire:
        match message, self.state:
            case Shown(), None:
                return self._begin(message)
            case Call(), Advertised() as state:
                self._check_plan(message)
                assert self.shown is not None
                self.state, reply = state.share(self.party, message, self.shown.digest)
                return reply
            case Delivery(), Shared() as state:
                self.state, hidden = state.mask(self.party, message, {self._kind: self._numbers()})
                return hidden
            case Survivors(), Hidden() as state:
                self.state, signature = state.sign(self.party, message)
                return signature
            case Quorum(), Signed() as state:
                _, reveal = state.reveal(self.party, message)
                self.state = None
                return reveal
            case Finished(), None:
                self.home.couple(Anchor.of(message.values, self.scheme.width))
                self.home.look()
                return Kept(self.name)
            case _:
                raise Refused(self.name, f"{type(message).__name__} does not fit where this department stands")

    def _begin(self, shown: Shown) -> Wire:
        """Takes the last sum; every round is shown once, in order."""
        before = self.shown
        expected = (0, "") if before is None else (before.round + 1, self.scheme.kind(before))
        if (shown.round, shown.kind) != expected:
            raise Refused(self.name, f"round {shown.round} after {shown.kind!r} is not what comes next here")
        if shown.kind == OWNERS:
            self._take_owners(shown)
        elif shown.kind:
            self._take_rows(shown)
        self.shown = shown
        self.state = advertise(self.party)
        return self.state.keys

    def _take_owners(self, shown: Shown) -> None:
        if len(shown.values) != self.scheme.entities:
            raise Refused(self.name, "owners were not counted for every entity of the dictionary")
        self.shared = leaving(shown.values, self.scheme.settings)
        self.home.open(self.shared)

    def _take_rows(self, shown: Shown) -> None:
        assert self.shared is not None
        if len(shown.values) != len(self.shared) * (self.scheme.width + 1) or not np.isfinite(shown.values).all():
            raise Refused(self.name, "the sum of rows has not the right length, or is not finite")
        self.home.couple(Anchor.of(shown.values, self.scheme.width))
        if (shown.round - 1) % self.scheme.settings.rounds.evaluate_every == 0:
            self.home.look()

    @property
    def _kind(self) -> str:
        assert self.shown is not None
        return self.scheme.kind(self.shown)

    def _check_plan(self, call: Call) -> None:
        """A plan is a function of the file, of who owns what, and of what was shown; any other is refused."""
        assert self.shown is not None
        own = self.scheme.plan(self.shown, 0 if self.shared is None else len(self.shared))
        if call.plan != own:
            raise Refused(self.name, "the plan is not the one that this department's own copy of the file makes")

    def _numbers(self) -> Contribution:
        """What is hidden under the masks: which entities it knows, or this round's rows and weights."""
        assert self.shown is not None
        if self._kind == OWNERS:
            return Contribution(self.home.owned(), NOTHING)
        self.home.train(self.shown.round)
        return Contribution(self.home.weighted_rows(), NOTHING)
