"""What whoever may watch a federation sees of it on pages, and what everybody else does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markupsafe import escape

from lepton_fed import AutoPipeline, Federation
from lepton_fed.pipeline import State
from lepton_fed.portal.federation import runs
from lepton_fed.portal.federation.graph import graph
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.wording import wording
from lepton_fed.secrecy import audit
from lepton_fed.translation import translated
from tests.federations import LINES, SECURE, TARGET, Tree, quick, write
from tests.pipeline.test_built_in import PERMITTED, THREE
from tests.portal.browser import Browser
from tests.portal.federation.conftest import GATE, ROLE
from tests.portal.world import World

EXAMPLE = Path(__file__).parents[3] / "configs" / "manufacturing.toml"

SUMS = {
    "plain": {},
    "secure": SECURE,
    "sealed": {**SECURE, "aggregation": {"coordinator_sees": "nothing"}},
    "refused": {"weights": {"counts": [8, 24]}, "aggregation": {}},
    "exposed": {**SECURE, "weights": {"counts": [1, 1000]}},
}
"""What a file says of sums."""

PAGES = ("", "/graph", "/runs", "/pipeline", "/plan", "/policies", "/explain", "/ledgers", "/audit")


def before(world: World, name: str, language: str = "en") -> Browser:
    return Browser.before(world.portal, language).sign_in(name)


def revealed(text: str, language: str) -> str:
    """What a page says of what sums reveal."""
    found = re.search(
        re.escape(wording(language)("fed.reveals")) + r"</h[23]>(.*?)(?:<form|</section>)", text, re.DOTALL
    )
    assert found is not None
    return found[1]


def answered(browser: Browser, decision: str, why: str = "", run: int = 1) -> tuple[int, str]:
    answer = browser.fill("/federation/pipeline", step=GATE, run=run, decision=decision, why=why)
    return answer.status_code, answer.text


def test_every_subject_has_a_page_in_both_languages(watching: World, watched: Watched) -> None:
    (run,) = runs.runs(watched)
    for language in ("zh", "en"):
        browser = before(watching, "approver", language)
        for path in (*PAGES, f"/runs/{run.id}"):
            answer = browser.get(f"/federation{path}")
            assert answer.status_code == 200, (path, answer.text)
            assert " style=" not in answer.text, "the portal's policy for content forbids it"
    assert all(name in browser.get("/federation").text for name in (*LINES, TARGET))


@pytest.mark.parametrize("changes", SUMS.values(), ids=SUMS)
def test_what_sums_reveal_is_said_in_the_language_of_the_plan_page(
    watching: World, tmp_path: Path, changes: Tree
) -> None:
    file = write(tmp_path / "大", quick(changes, 2))
    Browser.before(watching.portal).app.state.watched = Watched(file, runs=tmp_path / "none")  # type: ignore[attr-defined]
    found = audit(Federation.load(file).settings)
    said = [*found.sentences, *([] if found.refused is None else [found.refused])]
    for language in ("zh", "en"):
        shown = revealed(before(watching, "approver", language).get("/federation/plan").text, language)
        assert '<span lang="en">' not in shown
        assert all(str(escape(translated(one, language))) in shown for one in said)


def test_the_plan_page_of_the_example_says_in_chinese_what_its_sums_reveal(watching: World) -> None:
    Browser.before(watching.portal).app.state.watched = Watched(EXAMPLE)  # type: ignore[attr-defined]
    shown = revealed(before(watching, "admin", "zh").get("/federation/plan").text, "zh")
    assert "个部门参与" in shown
    assert "<span" not in shown


def test_a_gate_says_in_chinese_what_the_sums_of_its_step_would_reveal(watching: World, tmp_path: Path) -> None:
    steps = [{**THREE[0], "approve": ROLE}]
    file = write(tmp_path / "大", quick({**SECURE, "pipeline": steps, "access": PERMITTED}, 2))
    AutoPipeline.of(Federation.load(file), folder=tmp_path / "runs", say=lambda _: None).run(by="somebody")
    Browser.before(watching.portal).app.state.watched = Watched(file, runs=tmp_path / "runs")  # type: ignore[attr-defined]
    shown = revealed(before(watching, "approver", "zh").get("/federation/pipeline").text, "zh")
    assert "4 个部门参与" in shown
    assert "<span" not in shown


def test_a_script_is_given_what_the_drawings_show(watching: World, watched: Watched) -> None:
    drawn = graph(watched).network
    assert {one["name"] for one in drawn["nodes"]} == {*LINES, TARGET}
    assert {one["kind"] for one in drawn["edges"]} == {"need", "flow"}
    (run,) = runs.runs(watched)
    curves = runs.run(watched, run.id).curves[0]
    plotted = curves.plotted
    assert {one["name"]: one["values"][-1] for one in plotted["lines"]} == {  # type: ignore[index]
        name: value for name, _, value in curves.last
    }
    assert plotted["rounds"] == sorted(plotted["rounds"])  # type: ignore[type-var]


def test_where_no_federation_is_watched_there_is_no_page(there: World) -> None:
    admin = before(there, "admin")
    assert [admin.get(f"/federation{path}").status_code for path in PAGES] == [404] * len(PAGES)


def test_a_gate_is_approved_on_the_page_and_the_pipeline_goes_on(
    watching: World, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = before(watching, "approver").get("/federation/pipeline").text
    assert f"waits for {ROLE}" in page
    assert "<svg" in page
    code, text = answered(before(watching, "approver"), "approve", "checked")
    assert code == 200, text
    pipeline = AutoPipeline.of(Federation.load(watched.place), folder=watched.runs, say=lambda _: None)
    approved = next(event for event in pipeline.events() if event.move == "approved")
    assert (approved.step, approved.worker, approved.reason) == (GATE, "approver", f"{ROLE} approved: checked")
    status = pipeline.run(by="ZhangSan")
    assert (status.state, status.step(GATE).state) == ("finished", State.MANUAL)
    assert "finished" in before(watching, "approver").get("/federation/pipeline").text


def test_a_gate_is_declined_with_a_reason_only(watching: World, watched: Watched) -> None:
    browser = before(watching, "approver")
    assert answered(browser, "decline")[0] == 422
    assert answered(browser, "decline", "x" * 501)[0] == 422
    assert answered(browser, "perhaps", "x")[0] == 422
    assert answered(browser, "decline", "too\nearly")[0] == 200
    status = AutoPipeline.of(Federation.load(watched.place), folder=watched.runs).status()
    assert status is not None
    assert status.step(GATE).state is State.REFUSED
    assert status.step(GATE).reason == f"{ROLE} declined: too early"


JOINED = "不同意👨\u200d👩\u200d👧，❤\ufe0f می\u200cخواهم"


def test_a_reason_may_hold_joined_pictures_and_is_read_in_each_language(watching: World, watched: Watched) -> None:
    assert answered(before(watching, "approver"), "decline", JOINED)[0] == 200
    status = AutoPipeline.of(Federation.load(watched.place), folder=watched.runs).status()
    assert status is not None
    assert status.step(GATE).reason == f"{ROLE} declined: {JOINED}"
    for language in ("en", "zh"):
        assert JOINED in before(watching, "approver", language).get("/federation/pipeline").text


@pytest.mark.parametrize(
    ("why", "said", "in_chinese"),
    [
        ("yes\u202eon", "leave out the character U+202E", "请去掉字符 U+202E"),
        ("\x1b[2Jyes", "leave out the character U+001B", "请去掉字符 U+001B"),
        ("x" * 501, "a reason has 500 characters at most", "理由最多 500 个字符"),
        ("\u200d\ufe0f", "give a reason", "请填写理由"),
    ],
)
def test_a_refused_reason_is_in_its_form_again_with_what_is_wrong_with_it(
    watching: World, why: str, said: str, in_chinese: str
) -> None:
    for language, sentence in (("en", said), ("zh", in_chinese)):
        code, text = answered(before(watching, "approver", language), "decline", why)
        assert (code, sentence in text, why in text) == (422, True, True)
    assert why not in before(watching, "approver").get("/federation/pipeline").text


def test_whoever_began_the_run_or_is_of_another_department_answers_nothing(watching: World, watched: Watched) -> None:
    for name in ("zhangsan", "line"):
        browser = before(watching, name)
        assert 'name="decision"' not in browser.get("/federation/pipeline").text
        code, text = answered(browser, "approve")
        assert code == 403, text
    status = AutoPipeline.of(Federation.load(watched.place), folder=watched.runs).status()
    assert status is not None
    assert status.step(GATE).state is State.ASKING


def test_an_answer_is_about_the_run_that_was_seen_and_counts_once(watching: World) -> None:
    browser = before(watching, "approver")
    assert answered(browser, "approve", run=2)[0] == 409
    assert answered(browser, "approve")[0] == 200
    code, text = answered(browser, "decline", "no")
    assert (code, "does not wait any more" in text) == (409, True)
    assert browser.fill("/federation/pipeline", step="谁/无", run=1, decision="approve").status_code == 404


def test_a_script_asks_again_only_as_long_as_there_is_more_to_come(watching: World, watched: Watched) -> None:
    browser = before(watching, "approver")
    (run,) = runs.runs(watched)
    again = {"HX-Request": "true"}
    seen = browser.get(f"/federation/runs/{run.id}", headers=again).text
    assert "<html" not in seen
    assert "hx-trigger" not in seen, "it is over"
    with runs.opened(watched) as store:
        assert store is not None
        store.start_run(id=run.id, name=run.name, purpose="", fingerprint=run.fingerprint, seed=1, folder=run.folder,
                        federation_toml=run.federation_toml)  # fmt: skip
    seen = browser.get(f"/federation/runs/{run.id}", headers=again).text
    assert 'hx-trigger="every 3s"' in seen
    assert "hx-trigger" in browser.get("/federation/pipeline", headers=again).text
    assert 'name="decision"' not in browser.get("/federation/pipeline", headers=again).text, "nobody's reason is lost"


@pytest.mark.parametrize("what", ["file", "database", "gone"])
def test_what_is_broken_is_told_in_a_sentence(watching: World, watched: Watched, place: Path, what: str) -> None:
    database = place / "runs" / "lepton-fed.sqlite"
    if what == "file":
        watched.place.write_text("[federation\n", encoding="utf-8")
    elif what == "database":
        database.write_bytes(b"this is no database" * 100)
    else:
        watched.place.unlink()
    browser = before(watching, "approver")
    for path in PAGES:
        answer = browser.get(f"/federation{path}")
        if what == "database" and path in ("/graph", "/plan", "/policies", "/explain", "/ledgers"):
            assert answer.status_code == 200
            continue
        assert answer.status_code == 503, (path, answer.text)
        said = re.search(r'role="alert">(.*?)</p>', answer.text)
        assert said is not None
        assert said[1].startswith("the federation cannot be shown as it is: ")
        assert "Traceback" not in answer.text


def test_a_federation_that_has_not_run_yet_is_shown_without_making_a_database(watching: World, place: Path) -> None:
    fresh = Watched(place / "小" / "federation.toml", runs=place / "none")
    Browser.before(watching.portal).app.state.watched = fresh  # type: ignore[attr-defined]
    browser = before(watching, "approver")
    for path in PAGES:
        assert browser.get(f"/federation{path}").status_code == 200, path
    assert "There is no run yet" in browser.get("/federation/runs").text
    assert not (place / "none").exists()
