"""Tests of the resident department: what it answers, what it survives, and what never leaves it."""

from __future__ import annotations

import inspect
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, HEARTBEAT_MIN_INTERVAL
from flwr.supercore.protobuf.client import ProtobufClient
from flwr.supernode.fleet_http_client import FleetHttpClient

from lepton_fed.assembly import build_department, read_own
from lepton_fed.config import Federation
from lepton_fed.coordinator import State
from lepton_fed.department import Department
from lepton_fed.deploy.changes import Changed, renew
from lepton_fed.deploy.kit import COORDINATOR, CoordinatorKit, DepartmentKit
from lepton_fed.deploy.membership import newer
from lepton_fed.deploy.provisioning import Provisioned, provision
from lepton_fed.errors import ConfigError, DataError, PeerError, StorageError
from lepton_fed.flower import resident
from lepton_fed.flower.apps import coordinate
from lepton_fed.flower.department_side import DepartmentSide
from lepton_fed.flower.desk import Desk
from lepton_fed.flower.fleet import INTERVAL, DeniedError, FleetLink, UnreachableError
from lepton_fed.flower.greetings import Here, Update, Updated, Who
from lepton_fed.flower.grid import JOIN, UPDATE, WHO
from lepton_fed.flower.own_department import department_of, party_of
from lepton_fed.flower.records import record_of, said_in
from lepton_fed.flower.resident import Resident
from lepton_fed.flower.signed import REQUEST, Members, Stamp, place_of, stamped, unstamped
from lepton_fed.messages import Join, Joined, Message, Refused, Reply
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.review import Terms
from lepton_fed.signals import stopped_by_signals
from lepton_fed.storage import RunFolder
from lepton_fed.transport import InProcess
from tests.deployed import COORDINATOR as PROCESS
from tests.deployed import Deployed, deployed
from tests.federations import FOUR, SECURE, quick, write
from tests.flower.grid_double import RUN
from tests.flower.link_double import NODE, LinkDouble
from tests.flower.signed_federation import FINGERPRINT, NAMES, Listening, identity

FIRST = NAMES[0]
YES = Joined("layout", 3)


class Site:
    """One department behind a link, and a coordinator who writes to it."""

    def __init__(self) -> None:
        self.coordinator, mine = identity(COORDINATOR), identity(FIRST)
        self.members = Members(FINGERPRINT, self.coordinator.public, {FIRST: mine.public})
        self.department = Listening(FIRST)
        self.side = DepartmentSide(mine, self.members)
        self.stop = threading.Event()
        self.link = LinkDouble(self.stop)
        self.waited: list[float] = []
        self.number = 0

    def ask(self, content: RecordDict, type_: str = JOIN, **stamp: Any) -> FlowerMessage:
        """A request as the coordinator signs it, except for `stamp`; not yet sent."""
        self.number += 1
        given = {
            "sender": COORDINATOR,
            "to": "" if type_ == WHO else FIRST,
            "session": b"" if type_ == WHO else self.side.session,
            "process": b"p" * 16,
            "number": self.number,
        }
        place = place_of(self.members, RUN, NODE, type_)
        signed = stamped(content, Stamp(**(given | stamp)), place, REQUEST, self.coordinator)
        return FlowerMessage(signed, NODE, type_, ttl=60.0)

    def put(self, content: RecordDict | None = None, type_: str = JOIN) -> None:
        self.link.put(self.ask(content if content is not None else record_of(Join(FINGERPRINT)), type_))

    def reside(self) -> list[object]:
        """The department works until the inbox is empty; what it said."""
        desk = Desk(self.department, self.side)  # type: ignore[arg-type]
        Resident(desk, self.link.connect, self.stop, self.waited.append).reside()
        return [said_in(unstamped(m.content, FIRST)[0], FIRST, (Joined, Here, Refused)) for m in self.link.replies()]


@pytest.fixture
def there() -> Site:
    return Site()


# ---------------------------------------------------------------- what is answered


def test_a_good_message_is_answered_by_the_department(there: Site) -> None:
    there.put(record_of(Who()), WHO)
    there.put()
    assert there.reside() == [Here(FIRST), YES]
    assert there.department.heard == [Join(FINGERPRINT)]
    (_, reply) = there.link.replies()
    assert reply.metadata.src_node_id == NODE
    assert reply.metadata.run_id == RUN


def test_it_asks_for_nothing_but_the_message_and_never_for_code() -> None:
    assert not [name for name in vars(FleetLink) if "fab" in name.lower() or "run" in name.lower()]


@pytest.mark.parametrize("signer", ["a stranger", FIRST])
def test_a_wrong_signature_reaches_nobody(there: Site, signer: str) -> None:
    there.coordinator = there.side.identity if signer == FIRST else identity(COORDINATOR)
    there.put()
    (said,) = there.reside()
    assert isinstance(said, Refused)
    assert "does not fit" in said.reason
    assert there.department.heard == []


def test_a_message_that_could_not_be_read_is_refused_and_the_next_one_answered(there: Site) -> None:
    tree = there.link.put(there.ask(record_of(Join("spoilt"))))
    there.link.objects[tree.children[0].object_id] = b"rubbish"
    there.put()
    assert there.reside() == [Refused(f"{COORDINATOR}: its message could not be read"), YES]


def test_a_message_that_is_not_whole_on_the_superlink_is_left_and_the_next_one_answered(there: Site) -> None:
    tree = there.link.put(there.ask(record_of(Join("lost"))))
    del there.link.objects[tree.children[0].object_id]
    there.put()
    assert there.reside() == [YES]


@pytest.mark.parametrize("type_", ["query.who", "train.work", "train", "evaluate", "system", "query.kept"])
def test_a_message_of_a_type_that_does_not_fit_is_refused(there: Site, type_: str) -> None:
    there.put(record_of(Join(FINGERPRINT)), type_)
    there.put()
    refused, said = there.reside()
    assert isinstance(refused, Refused)
    assert said == YES


def test_of_a_failure_a_sentence_leaves_and_the_whole_stays_in_the_log(
    there: Site, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: Message) -> Reply:
        raise ValueError("row 17: 李明, HIV positive")

    there.department.reply = fail
    there.put()
    with caplog.at_level(logging.ERROR, "lepton_fed.flower.desk"):
        assert there.reside() == [Refused("joining failed at this department; its own log says why")]
    assert "row 17: 李明, HIV positive" in caplog.text
    assert all("李明".encode() not in content for content in there.link.uploaded.values())


def test_where_a_department_keeps_its_files_does_not_leave(there: Site, caplog: pytest.LogCaptureFixture) -> None:
    def fail(message: Message) -> Reply:
        raise StorageError("the ledger's file /srv/secret/ledger cannot be used: permission denied")

    there.department.reply = fail
    there.put()
    with caplog.at_level(logging.ERROR, "lepton_fed.flower.desk"):
        assert there.reside() == [Refused("joining failed at this department; its own log says why")]
    assert "/srv/secret/ledger" in caplog.text
    assert all(b"/srv/secret" not in content for content in there.link.uploaded.values())


def test_a_sentence_that_was_written_to_be_read_leaves(there: Site) -> None:
    def fail(message: Message) -> Reply:
        raise DataError("its source cannot be reached")

    there.department.reply = fail
    there.put()
    assert there.reside() == [Refused("its source cannot be reached")]


def test_after_a_failure_the_department_goes_on(there: Site) -> None:
    def fail_once(message: Message) -> Reply:
        there.department.reply = lambda message: YES
        raise MemoryError

    there.department.reply = fail_once
    there.put()
    there.put()
    refused, said = there.reside()
    assert isinstance(refused, Refused)
    assert said == YES


# ---------------------------------------------------------------- what it survives


def failing(times: int, where: str, error: Exception) -> Callable[[str], None]:
    left = [times]

    def before(what: str) -> None:
        if what == where and left[0]:
            left[0] -= 1
            raise error

    return before


@pytest.mark.parametrize("where", ["connect", "receive", "pull_object", "confirm", "send", "push_object"])
def test_a_lost_connection_costs_time_and_nothing_else(there: Site, where: str) -> None:
    there.link.before = failing(4, where, UnreachableError("ConnectError"))
    there.put()
    assert there.reside()[-1:] == [YES]
    assert there.department.heard == [Join(FINGERPRINT)]
    assert there.link.visits == there.link.goodbyes == 1


@pytest.mark.parametrize("error", [DeniedError(403), UnreachableError("ReadError")])
def test_a_message_that_could_not_be_confirmed_is_answered(there: Site, error: Exception) -> None:
    """The answer to the confirmation was lost, and a second one is refused: the message is here, all the same."""
    there.link.before = failing(9, "confirm", error)
    there.put()
    assert there.reside()[-1:] == [YES]


def test_attempts_come_further_and_further_apart(there: Site) -> None:
    there.link.before = failing(12, "receive", UnreachableError("ConnectError"))
    there.reside()
    attempts = there.waited[:12]
    assert attempts[0] < 0.3
    assert all(3 <= pause <= 7 for pause in attempts[-3:])


def test_a_lost_connection_is_told_once(there: Site, caplog: pytest.LogCaptureFixture) -> None:
    there.link.before = failing(9, "receive", UnreachableError("ConnectError"))
    there.reside()
    assert caplog.text.count("cannot be reached") == 1


def test_a_reply_that_is_not_wanted_any_more_is_dropped(there: Site) -> None:
    there.link.before = failing(1, "send", DeniedError(403))
    there.put()
    there.put()
    assert there.reside() == [YES]


def test_a_node_that_still_counts_as_connected_is_waited_for(there: Site) -> None:
    there.link.before = failing(30, "connect", DeniedError(412))
    there.put()
    assert there.reside() == [YES]


@pytest.mark.parametrize(
    ("status", "advice"),
    [(412, "other process"), (401, "its clock"), (403, "not in the roster"), (400, "refuses this node")],
)
def test_who_is_never_let_in_is_told_why(
    there: Site, monkeypatch: pytest.MonkeyPatch, status: int, advice: str
) -> None:
    now = [0.0]
    monkeypatch.setattr(resident.time, "monotonic", lambda: now[0])
    there.link.before = failing(10**9, "connect", DeniedError(status))

    def wait(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(PeerError, match=advice):
        Resident(Desk(there.department, there.side), there.link.connect, there.stop, wait).reside()  # type: ignore[arg-type]
    assert 60 <= now[0] <= 120


def test_a_connection_that_is_taken_away_is_made_anew(there: Site) -> None:
    there.link.before = failing(1, "receive", DeniedError(401))
    there.put()
    assert there.reside() == [YES]
    assert there.link.visits == there.link.goodbyes == 2


def test_refusals_long_apart_do_not_add_up(there: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now, left = [0.0], ["connect", "receive"]
    monkeypatch.setattr(resident.time, "monotonic", lambda: now[0])

    def before(what: str) -> None:
        if what in left and (what == "connect" or not there.link.inbox):
            left.remove(what)
            now[0] += 1000.0
            raise DeniedError(401)

    there.link.before = before
    there.put()
    assert there.reside() == [YES]
    assert not left


def test_a_reply_is_sent_once(there: Site) -> None:
    there.put()
    there.reside()
    assert len(there.link.announced) == 1


def test_a_department_says_goodbye_on_every_way_out(there: Site) -> None:
    def interrupted(message: Message) -> Reply:
        raise KeyboardInterrupt

    there.department.reply = interrupted
    there.put()
    with pytest.raises(KeyboardInterrupt):
        there.reside()
    assert there.link.goodbyes == 1


def test_a_stopped_department_waits_for_nobody(there: Site) -> None:
    there.stop.set()
    assert there.reside() == []
    assert there.link.visits == 0


def test_a_signal_asks_to_stop_and_a_second_one_insists() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopped_by_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


# ---------------------------------------------------------------- Flower's internals that this leans on


def parameters(function: Callable[..., object]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_the_client_of_flowers_supernode_is_as_expected() -> None:
    calls = "ActivateNode DeactivateNode SendNodeHeartbeat PullMessages PushMessages PullObject PushObject"
    for name in (*calls.split(), "ConfirmMessageReceived"):
        assert parameters(getattr(FleetHttpClient, name)) == ["request"], name
    assert HEARTBEAT_MIN_INTERVAL <= INTERVAL < HEARTBEAT_DEFAULT_INTERVAL
    made = parameters(ProtobufClient.from_server_address)
    assert made[:4] == ["server_address", "insecure", "root_certificates", "interceptors"]


def test_a_reply_needs_nothing_that_only_flowers_own_processes_know() -> None:
    from flwr.supercore.task_identity import TaskIdentity

    there = Site()
    message = there.ask(record_of(Join(FINGERPRINT)))
    TaskIdentity._run_id = TaskIdentity._node_id = TaskIdentity._task_id = None
    reply = Desk(there.department, there.side).answer(message, NODE)  # type: ignore[arg-type]
    assert reply.metadata.src_node_id == NODE


# ---------------------------------------------------------------- from a kit


def federation_in(folder: Path) -> Federation:
    """Three lines, securely summed, two rounds."""
    names = FOUR[:3]
    changes = {
        **SECURE,
        "departments": [{"name": name} for name in names],
        "graph": [],
        "sharing": [{"what": "updates", "from": list(names), "to": ["*"]}],
        "weights": {"counts": [12, 24]},
    }
    return Federation.load(write(folder, quick(changes, 2)))


def test_a_department_with_rows_is_told_to_name_its_own_file(tmp_path: Path) -> None:
    made = provision(federation_in(tmp_path / "files"), tmp_path / "kits")
    with pytest.raises(ConfigError, match=f"{FOUR[0]} gives rows, .* with --data"):
        department_of(DepartmentKit.load(made.departments[FOUR[0]]))


def test_a_department_from_its_kit_has_the_kits_keys_and_a_ledger_that_lasts(tmp_path: Path) -> None:
    federation = federation_in(tmp_path / "files")
    made = provision(federation, tmp_path / "kits")
    name = FOUR[0]
    kit = DepartmentKit.load(made.departments[name])
    department = department_of(kit, federation.department_file(name))
    assert department.name == name
    assert department.fingerprint == kit.membership.fingerprint
    assert not department.disclose
    party = department.party
    assert party is not None
    assert party.identity == kit.keys.identity
    assert party.rounding_key == kit.keys.rounding
    assert department.member is not None
    department.member.advertise()
    assert party_of(kit, Terms()).ledger.read().serial == 1


# ---------------------------------------------------------------- the same question again


def answer(there: Site, content: RecordDict, **stamp: Any) -> RecordDict:
    """What the desk says to a question, without its signature."""
    reply = desk_of(there).answer(there.ask(content, **stamp), NODE)
    return unstamped(reply.content, FIRST)[0]


def desk_of(there: Site) -> Desk:
    """One desk for the whole test."""
    found: Desk = there.__dict__.setdefault("desk", Desk(there.department, there.side))  # type: ignore[arg-type]
    return found


def test_the_same_question_gets_the_same_answer_and_the_department_is_not_asked_again(there: Site) -> None:
    layouts = iter(["first", "second"])
    there.department.reply = lambda message: Joined(next(layouts), 3)
    first = answer(there, record_of(Join(FINGERPRINT)))
    # A coordinator that was killed asks again: another process of it, which counts from one.
    again = answer(there, record_of(Join(FINGERPRINT)), process=b"q" * 16, number=1)
    assert again == first == record_of(Joined("first", 3))
    assert there.department.heard == [Join(FINGERPRINT)]
    assert answer(there, record_of(Join("another file"))) == record_of(Joined("second", 3))


def test_a_failure_is_no_answer_that_is_given_again(there: Site) -> None:
    def fail(message: Message) -> Reply:
        raise StorageError("the disk is full")

    there.department.reply = fail
    refused = answer(there, record_of(Join(FINGERPRINT)))
    assert isinstance(said_in(refused, FIRST, (Refused,)), Refused)
    there.department.reply = lambda message: YES
    assert answer(there, record_of(Join(FINGERPRINT))) == record_of(YES)


def test_what_the_coordinator_did_not_sign_is_not_answered_again_either(there: Site) -> None:
    answer(there, record_of(Join(FINGERPRINT)))
    there.coordinator = identity(COORDINATOR)
    said = said_in(answer(there, record_of(Join(FINGERPRINT))), FIRST, (Refused,))
    assert "does not fit" in said.reason


@dataclass
class Keeping:
    """A home that keeps nothing, and notes when it is told; `full`: as on a full disk."""

    worked_on: list[Message] = field(default_factory=list)
    full: bool = False

    def considered(self, update: bytes) -> Members:
        raise NotImplementedError

    def taken(self, update: bytes, department: Department) -> tuple[Department, Members, int]:
        raise NotImplementedError

    def worked(self, department: Department, message: Message) -> None:
        self.worked_on.append(message)
        if self.full:
            raise StorageError("no room in /srv/state")


def test_what_was_learnt_is_kept_before_the_answer_leaves_and_once(there: Site) -> None:
    home = desk_of(there).home = Keeping()
    for _ in range(2):
        answer(there, record_of(Join(FINGERPRINT)))
    assert home.worked_on == [Join(FINGERPRINT)]


def test_an_answer_whose_work_cannot_be_kept_does_not_leave(there: Site) -> None:
    desk_of(there).home = Keeping(full=True)
    said = said_in(answer(there, record_of(Join(FINGERPRINT))), FIRST, (Refused,))
    assert said.reason == "joining failed at this department; its own log says why"
    desk_of(there).home = Keeping()
    assert answer(there, record_of(Join(FINGERPRINT))) == record_of(YES)


# ---------------------------------------------------------------- a newer membership


@dataclass
class KitHome(Keeping):
    """A home that follows its kit, without rows."""

    kit: DepartmentKit = field(kw_only=True)

    def considered(self, update: bytes) -> Members:
        if update == self.kit.update:
            return Members.of(self.kit.membership)
        return Members.of(newer(self.kit.membership, update, self.kit.administrator))

    def taken(self, update: bytes, department: Department) -> tuple[Department, Members, int]:
        self.kit = self.kit.take(update)
        return department, Members.of(self.kit.membership), self.kit.membership.serial


@dataclass
class Following:
    """A department from its kit, the coordinator's kit, and a newer membership with another coordinator's key."""

    made: Provisioned
    changed: Changed
    old: CoordinatorKit
    new: CoordinatorKit
    desk: Desk
    number: int = 0

    @classmethod
    def begun(cls, folder: Path) -> Following:
        made = provision(federation_in(folder / "files"), folder / "kits")
        changed = renew(made.administrator, folder / "new")
        kit = DepartmentKit.load(made.departments[FOUR[0]])
        side = DepartmentSide(kit.keys.identity, Members.of(kit.membership))
        desk = Desk(Listening(FOUR[0]), side, KitHome(kit=kit))  # type: ignore[arg-type]
        return cls(made, changed, CoordinatorKit.load(made.coordinator), CoordinatorKit.load(folder / "new"), desk)

    def told(self, update: bytes, signer: Identity) -> Updated | Refused:
        """What the department says to a membership, handed on by this coordinator."""
        return said_in(self.asked(record_of(Update(update)), signer, UPDATE), FOUR[0], (Updated, Refused))

    def joined(self, signer: Identity, kit: CoordinatorKit) -> Joined | Refused:
        content = record_of(Join(kit.membership.fingerprint))
        return said_in(self.asked(content, signer, JOIN, self.desk.side.session), FOUR[0], (Joined, Refused))

    def asked(self, content: RecordDict, signer: Identity, type_: str, session: bytes = b"") -> RecordDict:
        self.number += 1
        stamp = Stamp(COORDINATOR, FOUR[0], session, b"p" * 16, self.number)
        place = place_of(Members.of(self.old.membership), RUN, NODE, type_)
        message = FlowerMessage(stamped(content, stamp, place, REQUEST, signer), NODE, type_, ttl=60.0)
        return unstamped(self.desk.answer(message, NODE).content, FOUR[0])[0]


@pytest.fixture
def following(tmp_path: Path) -> Following:
    return Following.begun(tmp_path)


def test_the_membership_that_is_in_use_is_taken_again(following: Following) -> None:
    assert following.told(following.old.update, following.old.identity) == Updated(1)
    assert following.joined(following.old.identity, following.old) == YES


def test_a_newer_membership_says_who_the_coordinator_is_from_then_on(following: Following) -> None:
    assert following.told(following.changed.update.read_bytes(), following.new.identity) == Updated(2)
    assert following.joined(following.new.identity, following.new) == YES
    refused = following.joined(following.old.identity, following.new)
    assert isinstance(refused, Refused)
    assert "does not fit" in refused.reason
    # It outlives the process.
    assert DepartmentKit.load(following.made.departments[FOUR[0]]).membership.serial == 2


def test_the_key_that_a_newer_membership_replaces_hands_on_nothing(following: Following) -> None:
    before = following.desk.side.members
    refused = following.told(following.changed.update.read_bytes(), following.old.identity)
    assert isinstance(refused, Refused)
    assert "does not fit" in refused.reason
    assert following.desk.side.members == before
    assert DepartmentKit.load(following.made.departments[FOUR[0]]).membership.serial == 1
    assert following.joined(following.old.identity, following.old) == YES


def test_the_new_coordinator_is_nobody_before_its_membership_is_known(following: Following) -> None:
    assert isinstance(following.told(following.old.update, following.new.identity), Refused)
    assert isinstance(following.joined(following.new.identity, following.new), Refused)


def test_a_membership_of_another_administrator_is_refused_whoever_hands_it_on(
    following: Following, tmp_path: Path
) -> None:
    other = provision(federation_in(tmp_path / "others"), tmp_path / "others" / "kits")
    theirs = CoordinatorKit.load(other.coordinator)
    before = following.desk.side.members
    for signer in (theirs.identity, following.old.identity):
        assert isinstance(following.told(theirs.update, signer), Refused)
    assert following.desk.side.members == before


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-1], lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), lambda raw: b"", lambda raw: b"x"]
)
def test_a_membership_that_was_altered_is_refused(following: Following, spoil: Callable[[bytes], bytes]) -> None:
    update = spoil(following.changed.update.read_bytes())
    for signer in (following.old.identity, following.new.identity):
        assert isinstance(following.told(update, signer), Refused)
    assert following.joined(following.old.identity, following.old) == YES


def test_an_earlier_membership_does_not_come_back(following: Following) -> None:
    following.told(following.changed.update.read_bytes(), following.new.identity)
    for signer in (following.old.identity, following.new.identity):
        assert isinstance(following.told(following.old.update, signer), Refused)
    assert following.joined(following.new.identity, following.new) == YES


def test_a_membership_is_for_the_department_that_it_was_sent_to(following: Following) -> None:
    following.desk.side.identity = replace(following.desk.side.identity, name=FOUR[1])
    refused = following.told(following.old.update, following.old.identity)
    assert isinstance(refused, Refused)
    assert "for somebody else" in refused.reason


def test_without_a_home_the_membership_does_not_change(following: Following) -> None:
    following.desk.home = None
    refused = following.told(following.changed.update.read_bytes(), following.new.identity)
    assert refused == Refused(f"{COORDINATOR}: this department's membership does not change")


# ---------------------------------------------------------------- processes, TLS, the commands of an operator


def in_process(there: Deployed) -> State:
    """The same run in this process: the same rounding keys, other masks."""
    federation, departments = there.federation, {}
    for name, folder in there.made.departments.items():
        # A run needs a ledger of its own.
        (folder / "state" / "ledger").unlink()
        (folder / "state" / "ledger.lock").unlink()
        own, party = read_own(federation, name), party_of(there.department_kit(name), Terms())
        departments[name] = build_department(federation, name, own=own, party=party)
    roster = there.kit.membership.roster
    return coordinate(federation.settings, federation.fingerprint, InProcess(departments), roster=roster)


@pytest.mark.flower
@pytest.mark.long
def test_a_deployed_federation_trains_the_models_of_one_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("部署")
    with deployed(folder, federation_in(folder / "files")) as there:
        there.wait_online()
        there.kill(FOUR[0])
        there.start(FOUR[0])
        there.submit()
        there.wait_until(round=1)
        there.kill(PROCESS)
        there.start(PROCESS)
        assert there.wait_until("finished")["round"] == 2
        logs = {name: there.log(name) for name in there.processes}
        assert {name: there.end(name) for name in there.processes} == dict.fromkeys(there.processes, 0), logs
    assert not [name for name, log in logs.items() if "Traceback" in log]
    saved = RunFolder.open(there.made.coordinator / "state" / "run", writing=False).checkpoint().latest()
    assert saved is not None
    here = in_process(there)
    assert saved.round == here.round == 2
    for name, hub in here.hubs.items():
        assert saved.groups["coordinator"][f"model {name}"].tobytes() == hub.state.model.tobytes()
