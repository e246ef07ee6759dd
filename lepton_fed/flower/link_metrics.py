"""What Prometheus is told of a coordinator: calls, rounds, exchanges, who is there, how the run stands.

    LinkMetrics().call_answered("fleet", 200, 0.02) ... .text() -> bytes, content type

Labels come from fixed sets, and from the roster's departments. Nothing that a stranger sends becomes a label: he could
make up one after the other, and each would stay in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from threading import Lock
from typing import TYPE_CHECKING, Literal, get_args

from lepton_fed.storage.run_record import Status

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

RunState = Literal["idle"] | Status
"""`idle`: no run since the coordinator started."""

APIS = ("fleet", "control", "health", "other")
STATUSES = (400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 503)
"""Labels: of calls, and of refusals by their HTTP status. What is none of them counts as `other`."""

CALLS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
ROUNDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
"""Upper ends of the histograms' classes, in seconds: of calls (a department waits in one for work), and of rounds."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class LinkMetrics:
    """The numbers of one coordinator, in a registry of their own. Any number of threads may call every method."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, ProcessCollector

        kept = self._registry = CollectorRegistry()
        # Memory, time and files of the process, read from the kernel when somebody asks.
        ProcessCollector(registry=kept)
        self._calls = Counter("lepton_fed_calls", "Calls of the port", ["api", "outcome"], registry=kept)
        self._refused = Counter(
            "lepton_fed_calls_refused", "Calls refused or failed, by status", ["status"], registry=kept
        )
        self._closed = Counter("lepton_fed_connections_closed", "Connections closed without a call", registry=kept)
        self._call = Histogram("lepton_fed_call_seconds", "A call", ["api"], buckets=CALLS, registry=kept)
        self._exchange = Histogram("lepton_fed_exchange_seconds", "An exchange", buckets=ROUNDS, registry=kept)
        self._round = Histogram("lepton_fed_round_seconds", "A round", buckets=ROUNDS, registry=kept)
        self._current = Gauge("lepton_fed_round", "The round under way, or the last one", registry=kept)
        self._completed = Gauge("lepton_fed_rounds_completed", "Rounds of the run that are done", registry=kept)
        self._online = Gauge("lepton_fed_departments_online", "Departments that were heard from", registry=kept)
        self._department = Gauge(
            "lepton_fed_department_online", "1 if the department was heard from", ["department"], registry=kept
        )
        self._received = Counter("lepton_fed_received_bytes", "Bytes of requests", registry=kept)
        self._sent = Counter("lepton_fed_sent_bytes", "Bytes of answers", registry=kept)
        states = ["idle", *get_args(Status)]
        self._state = Enum("lepton_fed_run_state", "How the newest run stands", states=states, registry=kept)
        self._rostered: frozenset[str] = frozenset()
        self._roster = Lock()
        self._show_zeros()

    def _show_zeros(self) -> None:
        """A rate over a number that appears with its first event would miss that event."""
        for api in APIS:
            self._call.labels(api)
            for outcome in ("done", "refused", "failed"):
                self._calls.labels(api, outcome)
        for status in (*STATUSES, "other"):
            self._refused.labels(status)

    def call_answered(self, api: str, status: int, seconds: float) -> None:
        """A call of `fleet`, `control` or `health` was answered; anything else is `other`. `status`: HTTP's."""
        api = api if api in APIS else "other"
        outcome = "done" if status < 400 else "refused" if status < 500 else "failed"
        self._calls.labels(api, outcome).inc()
        self._call.labels(api).observe(seconds)
        if outcome != "done":
            self._refused.labels(status if status in STATUSES else "other").inc()

    def connection_closed(self) -> None:
        """A connection was closed before anything was asked over it: no TLS, too late, too many."""
        self._closed.inc()

    def bytes_received(self, count: int) -> None:
        """The body of a request."""
        self._received.inc(count)

    def bytes_sent(self, count: int) -> None:
        """A piece of an answer's body."""
        self._sent.inc(count)

    def run_state(self, state: RunState) -> None:
        """How the run stands from now on; ValueError for what is no such state."""
        self._state.state(state)

    def round_began(self, number: int) -> None:
        """The rounds before it are done: a run that goes on after a kill begins with another round than its first."""
        self._current.set(number)
        self._completed.set(max(0, number - 1))

    def round_ended(self, number: int, seconds: float) -> None:
        self._current.set(number)
        self._completed.set(number)
        self._round.observe(seconds)

    def exchange_ended(self, seconds: float) -> None:
        """Messages went out and the replies that were waited for are in."""
        self._exchange.observe(seconds)

    def departments_online(self, online: Collection[str], rostered: Collection[str]) -> None:
        """Who was heard from, of whom; a department that left the roster is shown no more."""
        with self._roster:
            for name in self._rostered.difference(rostered):
                self._department.remove(name)
            self._rostered = frozenset(rostered)
            for name in rostered:
                self._department.labels(name).set(name in online)
            self._online.set(len(self._rostered.intersection(online)))

    def text(self) -> tuple[bytes, str]:
        """All numbers as Prometheus reads them, UTF-8, and their content type."""
        from prometheus_client import generate_latest

        return generate_latest(_Plain(self._registry)), CONTENT_TYPE


class _Plain:
    """The numbers without the time at which each was first there, which would double their lines."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
