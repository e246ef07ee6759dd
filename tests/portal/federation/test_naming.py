"""Entries that speak of runs and models: named and linked for whoever may watch, and listed on the run's page."""

from __future__ import annotations

from lepton_fed.portal.federation import runs
from lepton_fed.portal.federation.watched import Watched
from tests.portal.browser import Browser
from tests.portal.world import World


def speaking(watching: World, watched: Watched) -> tuple[int, str, str]:
    """An entry for everybody that speaks of a run and its model; both."""
    run = runs.run(watched, runs.runs(watched)[0].id)
    model = run.models[0].digest
    body = f"见 [[run:{run.run.id}]]、[[model:{model}]]、[[run:none]]。"
    return watching.publish("第一次训练", body, audience="everyone"), run.run.id, model


def test_a_run_and_a_model_are_links_for_whoever_may_watch_and_words_for_others(
    watching: World, watched: Watched
) -> None:
    number, run, model = speaking(watching, watched)
    page = Browser.before(watching.portal, "zh").sign_in("approver").get(f"/entries/{number}").text
    assert page.count(f'<a href="/federation/runs/{run}"') == 2
    assert "的运行</a>、" in page
    assert f"{runs.run(watched, run).models[0].department}的模型，" in page
    assert "运行 none。" in page
    page = Browser.before(watching.portal, "zh").sign_in("shop").get(f"/entries/{number}").text
    assert f"<p>见 运行 {run[:12]}、模型 {model[:12]}、运行 none。</p>" in page


def test_the_runs_page_lists_entries_about_it_that_the_person_may_read(watching: World, watched: Watched) -> None:
    number, run, model = speaking(watching, watched)
    watching.publish("车间内部", f"[[model:{model}]]", by="shop-author")
    approver = Browser.before(watching.portal).sign_in("approver")
    page = approver.get(f"/federation/runs/{run}").text
    assert f'<a href="/entries/{number}">第一次训练</a>' in page
    assert "车间内部" not in page
    part = approver.get(f"/federation/runs/{run}", headers={"HX-Request": "true"}).text
    assert "第一次训练" not in part


def test_a_federation_that_cannot_be_read_leaves_names_as_they_are(watching: World, watched: Watched) -> None:
    number, run, _ = speaking(watching, watched)
    watched.place.write_text("[", encoding="utf-8")
    page = Browser.before(watching.portal).sign_in("approver").get(f"/entries/{number}")
    assert page.status_code == 200
    assert f"run {run[:12]}" in page.text
