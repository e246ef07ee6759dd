"""What the coordinator and a department say to each other: frozen values, one type per thing said.

    Join    -> Joined  | Refused        once, before the first round
    Declare -> Declared | Refused       `clusters`: which hub will you write to?
    Work    -> Done    | Refused        one round: report on the last one, then train

and where sums are secure (`secagg` has what is in them; Work then comes inside the second of a round's exchanges):

    Advertise -> Advertised | Refused   keys for the next round, where the last one brought none
    Sum       -> Summed  | Refused      one exchange of a secure sum

and at any time:

    Consult  -> Consulted | Refused     what would your policies decide?
    Evaluate -> Evaluated | Refused     measure a model on your rows, for somebody whom you permit that
    Attest   -> Attested | Refused      does this head of the audit log continue the one that you saw last?
and for reads of what departments share (`reads`):

    Wish -> Wished | Refused            which tables do you want to read, and whom would you meet?
    Read -> Sent   | Refused            will you let this be read?
    Take -> Taken  | Refused            here is what you asked for

and for entities that two departments both know (`common_ground`):

    Meet -> Met    | Refused            ask another one, or: this is what the other one said

Arrays are one-dimensional float32 NumPy arrays on the host; whoever receives one treats it as read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lepton_fed.compression import Packed
from lepton_fed.policies import Request
from lepton_fed.reads.parcel import Parcel
from lepton_fed.reads.request import ReadRequest
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.messages import SignedKeys

Vector = NDArray[np.float32]

PHASES = ("evaluating", "training")
"""Of a department's work, by which it says how long that took."""

PARTS = ("test", "validation")
"""Of a department's rows, on which it measures its model."""


@dataclass(frozen=True, eq=False)
class Release:
    """What a hub's last sum came to, over the sources that answered.

    `mean` (d,): Σ w Δ / Σ w, relative to the hub's model before it; `mass`: Σ w; `spread`: Σ w s / Σ w.
    """

    mean: Vector
    mass: float
    spread: float


@dataclass(frozen=True, eq=False)
class HubState:
    """One hub as departments see it: its model (d,), its last release, its control variate (scaffold)."""

    model: Vector
    release: Release | None = None
    control: Vector | None = None


@dataclass(frozen=True)
class Join:
    """Will you take part in the federation with this fingerprint?"""

    fingerprint: str


@dataclass(frozen=True)
class Declare:
    """Which hub will you write to until you are asked again? `fingerprint` as in Join."""

    round: int
    hubs: Mapping[str, HubState]
    fingerprint: str = ""


@dataclass(frozen=True)
class Work:
    """Round `round`: report on the round before it if `report`, then train and write to each hub of `write`.

    `write` is empty for a department that only reads, and for everybody in the closing message. `fingerprint` as
    in Join: a department that did not join does not work either.
    """

    round: int
    hubs: Mapping[str, HubState]
    write: tuple[str, ...]
    report: bool
    fingerprint: str = ""


@dataclass(frozen=True)
class Advertise:
    """Which keys will you use in this attempt at this round? Asked twice in the same words, it is the same question."""

    round: int = 0
    attempt: int = 0


@dataclass(frozen=True, eq=False)
class Sum:
    """One exchange of a secure sum.

    With the exchange that asks for masked numbers comes the `work` that makes them, and of each hub that it does
    not show the digest: together they must be what the plan's model hash stands for.
    """

    request: Wire
    work: Work | None = None
    unseen: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Attest:
    """Countersign this head of the audit log, and say what of yours is not in the log yet.

    `head`: canonical bytes of a signed head. `since`: the size from which `proof` leads to it. `told`: how many entries
    of this department's docket the log has.
    """

    head: bytes
    since: int = 0
    proof: tuple[bytes, ...] = ()
    told: int = 0


@dataclass(frozen=True)
class Consult:
    """What would you decide about these requests, and, if `training`, about your update of round `round`?

    What a request's context leaves unsaid is as it is at the department now. `fingerprint` as in Join.
    """

    requests: tuple[Request, ...] = ()
    training: bool = False
    round: int = 1
    fingerprint: str = ""


@dataclass(frozen=True)
class Evaluate:
    """How good are these hubs' models on your rows of `part`? Asked for the department `asker`, for `purpose`.

    `round`: the last one that the models are of. `fingerprint` as in Join. Where sums are sealed the department holds
    the hubs itself, and `hubs` is empty.
    """

    hubs: Mapping[str, HubState]
    asker: str
    purpose: str
    fingerprint: str = ""
    round: int = 0
    part: str = PARTS[0]


@dataclass(frozen=True)
class Wish:
    """Which tables of others do you want to read, and with whom would you find out what both know?

    `occasion`: asked twice for the same one, a department says the same; empty for that of a run.
    """

    occasion: str = ""


@dataclass(frozen=True)
class Read:
    """Another department asks to read this of yours."""

    request: ReadRequest


@dataclass(frozen=True, eq=False)
class Take:
    """What you asked for, sealed to you."""

    parcel: Parcel


@dataclass(frozen=True)
class Meet:
    """Find out with `other` what both know: begin, or go on with what it said (signed; sealed where it holds names)."""

    other: str
    body: bytes = field(default=b"", repr=False)


Message = Join | Declare | Work | Advertise | Sum | Consult | Evaluate | Attest | Wish | Read | Take | Meet


@dataclass(frozen=True)
class Joined:
    """Yes. `layout`: digest of the shared parameters' names and shapes; `length`: of what it adds to a sum."""

    layout: str
    length: int = 0


@dataclass(frozen=True)
class Declared:
    """This hub."""

    hub: str


@dataclass(frozen=True, eq=False)
class Addend:
    """A department's part in one hub's sum: the hub adds `weight * vector`, `weight`, `weight * spread`.

    `vector` (d,) is the update relative to the hub's model (for `distill`, predictions); `spread` is its
    squared norm (for `distill`, the negative entropy), which the joint loss needs. `packed`: the same vector as it
    travels, where that takes fewer bytes.
    """

    vector: Vector
    weight: float
    spread: float
    packed: Packed | None = None


@dataclass(frozen=True, eq=False)
class Done:
    """What a round came to at a department.

    `scores`: addends of the federation's totals by name; `disclosed`: its own measurements, "part/metric" ->
    value, as far as its own file lets them leave; `seconds`: by phase.
    """

    addends: Mapping[str, Addend] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    disclosed: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Advertised:
    """These."""

    keys: SignedKeys


@dataclass(frozen=True, eq=False)
class Summed:
    """A department's answer in one exchange of a secure sum; `disclosed` and `seconds` as in Done.

    `warning`: what sums of several rounds would tell together, if it looks at that. `models`: digest by hub of the
    models that it holds after opening sealed sums.
    """

    reply: Wire
    disclosed: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warning: str = ""
    models: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Attested:
    """`seen`: entries under the head that this department keeps now. `entries`: of its docket, those after `told`.

    `countersignature`: 64 bytes; none where the proof began elsewhere than at `seen`, from where it is to begin.
    """

    seen: int
    countersignature: bytes = b""
    entries: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What a department would decide about one request: yes or no, the sentences that say why, the rules' names."""

    permitted: bool
    reasons: tuple[str, ...]
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consulted:
    """One for each request, in their order; then those about training, as many as there are."""

    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True)
class Evaluated:
    """What was measured, "hub/metric" -> value, on at least `rows` rows: their number rounded down to 1, 2 or 5 times a
    power of ten.
    """

    metrics: Mapping[str, float]
    rows: int


@dataclass(frozen=True)
class Wished:
    """These, of those; `meetings`: with these, whom it asks."""

    requests: tuple[ReadRequest, ...] = ()
    meetings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sent:
    """Sealed to the reader."""

    parcel: Parcel


@dataclass(frozen=True)
class Taken:
    """It is here, whole: so many bytes."""

    size: int


@dataclass(frozen=True)
class Met:
    """For the other one; empty at the end."""

    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Refused:
    """No, and why."""

    reason: str


Reply = (
    Joined
    | Declared
    | Done
    | Advertised
    | Summed
    | Consulted
    | Evaluated
    | Attested
    | Wished
    | Sent
    | Taken
    | Met
    | Refused
)
