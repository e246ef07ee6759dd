"""What Prometheus reads: each happening counts once, no stranger can make up a label, and nothing is shared."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from lepton_fed.flower.link_metrics import APIS, STATUSES, LinkMetrics

Labels = tuple[tuple[str, str], ...]


def read(metrics: LinkMetrics) -> dict[tuple[str, Labels], float]:
    """Every sample as Prometheus reads it, by name and labels."""
    content, kind = metrics.text()
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def value(metrics: LinkMetrics, name: str, **labels: str) -> float:
    return read(metrics)[f"lepton_fed_{name}", tuple(sorted(labels.items()))]


def test_a_call_counts_by_its_api_and_outcome() -> None:
    metrics = LinkMetrics()
    for status in (200, 204, 401, 401, 500):
        metrics.call_answered("fleet", status, 0.02)
    metrics.call_answered("control", 200, 0.02)
    outcomes = ("done", "refused", "failed")
    assert [value(metrics, "calls_total", api="fleet", outcome=o) for o in outcomes] == [2, 2, 1]
    assert [value(metrics, "calls_total", api="control", outcome=o) for o in outcomes] == [1, 0, 0]
    assert value(metrics, "calls_refused_total", status="401") == 2
    assert value(metrics, "calls_refused_total", status="403") == 0
    assert value(metrics, "calls_refused_total", status="other") == 1


def test_seconds_fall_into_classes() -> None:
    metrics = LinkMetrics()
    metrics.call_answered("fleet", 200, 0.02)
    metrics.call_answered("fleet", 200, 5.0)
    assert value(metrics, "call_seconds_bucket", api="fleet", le="0.01") == 0
    assert value(metrics, "call_seconds_bucket", api="fleet", le="0.03") == 1
    assert value(metrics, "call_seconds_bucket", api="fleet", le="+Inf") == 2
    assert value(metrics, "call_seconds_sum", api="fleet") == pytest.approx(5.02)
    metrics.exchange_ended(0.6)
    assert value(metrics, "exchange_seconds_bucket", le="0.3") == 0
    assert value(metrics, "exchange_seconds_bucket", le="1.0") == 1


def test_rounds_are_counted_from_where_a_run_goes_on() -> None:
    metrics = LinkMetrics()
    metrics.round_began(7)
    assert (value(metrics, "round"), value(metrics, "rounds_completed")) == (7, 6)
    metrics.round_ended(7, 2.0)
    assert (value(metrics, "round"), value(metrics, "rounds_completed")) == (7, 7)
    assert (value(metrics, "round_seconds_count"), value(metrics, "round_seconds_sum")) == (1, 2)
    metrics.round_began(1)  # the next run
    assert (value(metrics, "round"), value(metrics, "rounds_completed")) == (1, 0)


def test_a_run_is_in_one_state() -> None:
    metrics = LinkMetrics()

    def shown() -> list[str]:
        states = ("idle", "running", "finished", "failed", "stopped")
        return [s for s in states if value(metrics, "run_state", lepton_fed_run_state=s)]

    assert shown() == ["idle"]
    metrics.run_state("running")
    assert shown() == ["running"]
    metrics.run_state("failed")
    assert shown() == ["failed"]
    with pytest.raises(ValueError, match="perhaps"):
        metrics.run_state("perhaps")  # type: ignore[arg-type]


def test_departments_are_shown_by_name_as_long_as_they_are_in_the_roster() -> None:
    metrics = LinkMetrics()
    metrics.departments_online(["生产车间"], ["生产车间", 'R&D "2"\n'])
    assert value(metrics, "departments_online") == 1
    assert value(metrics, "department_online", department="生产车间") == 1
    assert value(metrics, "department_online", department='R&D "2"\n') == 0
    metrics.departments_online(['R&D "2"\n', "gone"], ['R&D "2"\n'])
    assert value(metrics, "departments_online") == 1
    assert value(metrics, "department_online", department='R&D "2"\n') == 1
    names = [dict(labels)["department"] for name, labels in read(metrics) if name == "lepton_fed_department_online"]
    assert names == ['R&D "2"\n']


def test_bytes_are_counted_by_direction() -> None:
    metrics = LinkMetrics()
    for count in (3, 4):
        metrics.bytes_received(count)
    metrics.bytes_sent(5)
    assert value(metrics, "received_bytes_total") == 7
    assert value(metrics, "sent_bytes_total") == 5


def test_the_process_tells_its_memory() -> None:
    assert read(LinkMetrics())["process_resident_memory_bytes", ()] > 1e6


@given(apis=st.lists(st.text()), statuses=st.lists(st.integers()))
def test_no_stranger_makes_up_a_label(apis: list[str], statuses: list[int]) -> None:
    metrics = LinkMetrics()
    before = read(metrics).keys()
    for api in apis:
        metrics.call_answered(api, 404, 0.1)
    for status in statuses:
        metrics.call_answered("", status, 0.1)
    assert read(metrics).keys() == before
    total = sum(v for (name, _), v in read(metrics).items() if name == "lepton_fed_calls_total")
    assert total == len(apis) + len(statuses)


def test_every_number_is_there_before_its_first_event() -> None:
    found = read(LinkMetrics())
    for api in APIS:
        assert found["lepton_fed_call_seconds_count", (("api", api),)] == 0
    for status in STATUSES:
        assert found["lepton_fed_calls_refused_total", (("status", str(status)),)] == 0
    assert not [name for name, _ in found if name.endswith("_created")]


def test_two_coordinators_share_nothing_and_the_library_s_own_registry_stays_as_it_was() -> None:
    def names() -> set[str]:
        return {metric.name for metric in REGISTRY.collect()}

    before = names()
    one, other = LinkMetrics(), LinkMetrics()
    one.bytes_sent(1)
    assert value(other, "sent_bytes_total") == 0
    assert names() == before


def test_threads_lose_no_count() -> None:
    metrics = LinkMetrics()
    calls: list[Callable[[], object]] = [
        lambda: metrics.call_answered("fleet", 200, 0.1),
        lambda: metrics.departments_online(["甲"], ["甲", "乙"]),
        lambda: metrics.departments_online([], ["乙"]),
        metrics.text,
    ]
    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(call) for _ in range(50) for call in calls]:
            future.result()
    assert value(metrics, "calls_total", api="fleet", outcome="done") == 50
