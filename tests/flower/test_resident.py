"""Tests of the resident department: what it answers, what it survives, and what never leaves it."""

from __future__ import annotations

import inspect
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, HEARTBEAT_MIN_INTERVAL
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.protobuf.client import ProtobufClient
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.grid import HttpGrid
from flwr.supernode.fleet_http_client import FleetHttpClient

from lepton_fed.assembly import build_department, read_own
from lepton_fed.config import Federation
from lepton_fed.coordinator import State
from lepton_fed.deploy.kit import COORDINATOR, DepartmentKit
from lepton_fed.deploy.provisioning import provision
from lepton_fed.errors import DataError, PeerError, StorageError
from lepton_fed.flower import resident
from lepton_fed.flower.apps import coordinate
from lepton_fed.flower.fleet import INTERVAL, DeniedError, FleetLink, UnreachableError
from lepton_fed.flower.grid import JOIN, WHO, GridTransport, find_departments
from lepton_fed.flower.records import Here, Who, record_of, said_in
from lepton_fed.flower.resident import Desk, Resident, department_of, party_of
from lepton_fed.signals import stopped_by_signals
from lepton_fed.flower.signed import REQUEST, DepartmentSide, Members, Place, SignedGrid, Stamp, stamped, unstamped
from lepton_fed.flower.taken_run import ask_quickly, taken_run
from lepton_fed.messages import Join, Joined, Message, Refused, Reply
from lepton_fed.secagg.review import Terms
from lepton_fed.transport import InProcess
from tests.federations import FOUR, SECURE, quick, write
from tests.flower.deployment import Deployment, deployed, end, until
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
        place = Place(FINGERPRINT, RUN, NODE, type_)
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
    with caplog.at_level(logging.ERROR, "lepton_fed.flower.resident"):
        assert there.reside() == [Refused("joining failed at this department; its own log says why")]
    assert "row 17: 李明, HIV positive" in caplog.text
    assert all("李明".encode() not in content for content in there.link.uploaded.values())


def test_where_a_department_keeps_its_files_does_not_leave(there: Site, caplog: pytest.LogCaptureFixture) -> None:
    def fail(message: Message) -> Reply:
        raise StorageError("the ledger's file /srv/secret/ledger cannot be used: permission denied")

    there.department.reply = fail
    there.put()
    with caplog.at_level(logging.ERROR, "lepton_fed.flower.resident"):
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


def test_attempts_come_further_and_further_apart(there: Site) -> None:
    there.link.before = failing(12, "receive", UnreachableError("ConnectError"))
    there.reside()
    attempts = there.waited[:12]
    assert attempts[0] < 0.3
    assert all(15 <= pause <= 25 for pause in attempts[-3:])


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


@pytest.mark.parametrize(("status", "advice"), [(412, "other process"), (401, "clocks"), (400, "refuses this node")])
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


def test_the_runtime_interface_of_flower_is_as_expected() -> None:
    for name in ("AcquireTask", "PullTaskInput", "PushTaskOutput", "SendTaskHeartbeat"):
        assert parameters(getattr(RuntimeHttpClient, name)) == ["request"], name
    grid = HttpGrid("localhost:1", token="a token")
    assert isinstance(grid._runtime_client, RuntimeHttpClient)
    assert hasattr(grid._retry_invoker, "max_tries")
    grid.close()


def test_flowers_grid_can_be_told_to_ask_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = inflatable_utils.pull_objects.__kwdefaults__
    monkeypatch.setitem(defaults, "initial_backoff", 1)
    ask_quickly()
    assert inspect.signature(inflatable_utils.pull_objects).parameters["initial_backoff"].default == 0.02
    assert "pull_objects" in HttpGrid.pull_messages.__code__.co_names


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


# ---------------------------------------------------------------- processes, TLS, a real SuperLink


def coordinated(there: Deployment, transport: Callable[[GridTransport], Any] = lambda over: over) -> State:
    """A submitted run, played by the resident coordinator."""
    kit, settings = there.kit, there.federation.settings
    there.submit()
    with taken_run(str(kit.address), kit.authority, kit.runtime, 60.0) as grid:
        signed = SignedGrid(grid, kit.identity, Members.of(kit.membership))
        nodes = find_departments(signed, settings.names, 120.0)
        over = transport(GridTransport(signed, nodes, 60.0))
        return coordinate(settings, there.federation.fingerprint, over, roster=kit.membership.roster)


def in_process(there: Deployment) -> State:
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


def models(state: State) -> dict[str, bytes]:
    return {name: hub.state.model.tobytes() for name, hub in state.hubs.items()}


@pytest.fixture
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("部署")
    with deployed(folder, federation_in(folder / "files")) as there:
        yield there


class Killing:
    """A transport that, once, has something killed after the exchange of `kind`, or in the middle of it."""

    def __init__(self, over: GridTransport, kind: str, kill: Callable[[], None], *, during: bool = False) -> None:
        self.over, self.kind, self.kill, self.during = over, kind, kill, during

    def exchange(self, messages: Mapping[str, Message], on_reply: Any = None) -> Iterator[tuple[str, Reply]]:
        message = next(iter(messages.values()))
        due = type(getattr(message, "request", message)).__name__ == self.kind
        if due:
            self.kind = ""
        thread = threading.Thread(target=self.kill)
        if due and self.during:
            thread.start()
        yield from self.over.exchange(messages, on_reply)
        if due and not self.during:
            thread.start()
        if due:
            thread.join()


@pytest.mark.flower
@pytest.mark.long
def test_a_deployed_federation_trains_the_models_of_one_process(deployment: Deployment) -> None:
    name = FOUR[0]

    def kill() -> None:
        deployment.kill(name)
        deployment.start_department(name)
        until(lambda: deployment.log(name).count("connected as node") == 2)

    # A department that is killed between joining and the first round comes back under its node and is asked again.
    over = coordinated(deployment, lambda transport: Killing(transport, "Join", kill))
    assert over.round == 2
    for department in FOUR[:3]:
        assert end(deployment.processes[department]) == 0, deployment.log(department)
    assert models(over) == models(in_process(deployment))
    assert np.isfinite(np.concatenate([hub.state.model for hub in over.hubs.values()])).all()
    assert not list(deployment.folder.rglob("the bundle was run"))
    assert "Traceback" not in "".join(deployment.log(department) for department in FOUR[:3])


@pytest.mark.flower
@pytest.mark.long
def test_a_superlink_that_is_killed_in_a_round_costs_time_and_nothing_else(deployment: Deployment) -> None:
    def kill() -> None:
        deployment.kill("link")
        deployment.start_link()

    over = coordinated(deployment, lambda transport: Killing(transport, "Survivors", kill, during=True))
    assert over.round == 2
    for department in FOUR[:3]:
        assert end(deployment.processes[department]) == 0, deployment.log(department)
    assert models(over) == models(in_process(deployment))
