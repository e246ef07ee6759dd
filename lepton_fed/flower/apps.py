"""The department as a Flower ClientApp, the coordinator as a Flower ServerApp.

Both do nothing but translate: what a department answers is `Department.handle`, what the coordinator asks is
`coordinator.join`, `play` and `close`. What leaves a department is a reply of lepton-fed or a refusal; of an
exception only a sentence that was written to be read (LeptonError), never the text of another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flwr.app import Context
from flwr.app import Message as FlowerMessage
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from lepton_fed.coordinator import News, State, begin, close, join, play
from lepton_fed.couplings.participant import Kept
from lepton_fed.department import Department
from lepton_fed.errors import ConfigError, LeptonError, StorageError
from lepton_fed.flower.greetings import Here, Who
from lepton_fed.flower.grid import TYPES, WHO
from lepton_fed.flower.memory import handed_over, recall, recall_secrets, remember, remember_secrets
from lepton_fed.flower.records import Said, record_of, said_in
from lepton_fed.member import Member
from lepton_fed.messages import Message, Refused, Reply
from lepton_fed.secagg.roster import Roster
from lepton_fed.settings import Settings
from lepton_fed.transport import OnReply, Transport, drive

KEPT = "query.kept"
"""Asks, at the end, for all that a department keeps, private parts included and secrets never: in a simulation only."""

COORDINATOR = "the coordinator"
FAILED = "something failed at this department; its own log says what"

_log = logging.getLogger("lepton_fed.flower")


@dataclass(frozen=True)
class Place:
    """Which department of which federation a node is."""

    federation: str
    department: str
    disclose: bool = False
    """Whether its measurements may leave it."""


Find = Callable[[Context], Place]
Build = Callable[[Place], Department]
Handler = Callable[[FlowerMessage, Context], FlowerMessage]
OnRound = Callable[[int, News], None]
"""Told, after each exchange, the number of the round that its measurements are about, and what it brought."""

_built: dict[Place, tuple[Department, Kept]] = {}
"""Departments of this process, and what they kept before any message: data are loaded once, whatever Flower
makes of the app (its simulation engine unpickles it for every message)."""


def require_plain(settings: Settings) -> None:
    """ConfigError where sums are to be secure: for Flower's apps, whose departments have no keys."""
    if settings.aggregation.secure:
        raise ConfigError(
            "the federation file asks for secure sums, and `flwr run` has no keys for them; deploy it with lepton-fed "
            "provision, server and client, or simulate it; aggregation.secure = false runs it plain"
        )


# ---------------------------------------------------------------- the department


def client_app(find: Find, build: Build, *, simulation: bool = False) -> ClientApp:
    """A ClientApp that answers as the department that `find` names and `build` builds.

    `simulation`: also answers the question for all that it keeps.
    """
    app = ClientApp()

    def who(message: FlowerMessage, context: Context) -> FlowerMessage:
        return _answered(message, lambda: _introduced(message, find(context)))

    _register(app, WHO, who)
    for type_, kind in TYPES.items():
        _register(app, kind, _handler(type_, find, build))
    if simulation:
        _register(app, KEPT, _hand_over)
    return app


def _handler(type_: type[Message], find: Find, build: Build) -> Handler:
    def handle(message: FlowerMessage, context: Context) -> FlowerMessage:
        def work() -> Said:
            said = said_in(message.content, COORDINATOR, (type_,))
            return _handled(said, context, find(context), build)

        return _answered(message, work)

    return handle


def _handled(said: Message, context: Context, place: Place, build: Build) -> Reply:
    """The department's reply; what it keeps goes back into Flower's hands, and only after an answer."""
    if place not in _built:
        department = build(place)
        _built[place] = department, department.state()
    department, first = _built[place]
    kept = recall(context.state)
    department.restore(first if kept is None else kept)
    if department.member is None:
        reply = department.handle(said)
    else:
        reply = _handled_as_member(said, context, department, department.member)
    remember(context.state, department.state())
    return reply


def _handled_as_member(said: Message, context: Context, department: Department, member: Member) -> Reply:
    """The same where sums are secure. Secrets lie in one place: in Flower's hands, or here while this works."""
    stored = recall_secrets(context.state)
    if stored is not None:
        member.restore(stored)
    try:
        reply = department.handle(said)
        remember_secrets(context.state, member.stored())
    finally:
        member.state = member.holder = None
    return reply


def _introduced(message: FlowerMessage, place: Place) -> Said:
    said_in(message.content, COORDINATOR, (Who,))
    return Here(place.department)


def _answered(message: FlowerMessage, work: Callable[[], Said]) -> FlowerMessage:
    return FlowerMessage(record_of(_safely(work)), reply_to=message)


def _safely(work: Callable[[], Said]) -> Said:
    try:
        return work()
    except Exception as error:
        if isinstance(error, LeptonError) and not isinstance(error, StorageError):
            return Refused(str(error))
        # Its text may quote a row or name a place on this machine's disk, so it stays here.
        _log.exception("a message could not be answered")
        return Refused(FAILED)


def _hand_over(message: FlowerMessage, context: Context) -> FlowerMessage:
    return FlowerMessage(handed_over(context.state), reply_to=message)


def _register(app: ClientApp, kind: str, function: Handler) -> None:
    category, action = kind.split(".")
    {"query": app.query, "train": app.train}[category](action)(function)


# ---------------------------------------------------------------- the coordinator


def server_app(main: Callable[[Grid, Context], None]) -> ServerApp:
    """A ServerApp whose run is `main`."""
    app = ServerApp()
    app.main()(main)
    return app


def coordinate(
    settings: Settings,
    fingerprint: str,
    transport: Transport,
    *,
    state: State | None = None,
    code: tuple[str, ...] = (),
    roster: Roster | None = None,
    on_round: OnRound | None = None,
    on_reply: OnReply | None = None,
) -> State:
    """Plays all rounds that are left after `state` (default: all of them) and takes the last report.

    Where `state` is not given: `code`, modules whose callables may be run here, and `roster`, which secure sums
    need (ConfigError without).
    """
    state = begin(settings, code, fingerprint, roster) if state is None else state
    tell = on_round if on_round is not None else _tell_nobody
    state = drive(join(settings, state), transport)
    while state.round < settings.rounds.count:
        before = state.round
        state, news = drive(play(settings, state), transport, on_reply)
        tell(before, news)
    tell(state.round, drive(close(settings, state), transport))
    return state


def _tell_nobody(number: int, news: News) -> None:
    """Of a round."""


def kept_in(replies: Mapping[str, FlowerMessage]) -> dict[str, Kept]:
    """What departments handed over, by name; a department that was never asked to work kept nothing."""
    return {name: recall(reply.content) or {} for name, reply in replies.items() if not reply.has_error()}
