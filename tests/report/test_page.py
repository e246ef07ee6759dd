"""The page of a run: nothing from any network, readable by everybody, always the same bytes, no crash."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lepton_fed.history import Measurement
from lepton_fed.report import Comparison, Denied, ModelFile, ReportContent, Sums, render, write_report
from lepton_fed.report.content import PLAIN
from lepton_fed.report.sentences import counts, facts, promises, updates
from lepton_fed.settings import Coupling, Dependency, Identity, Weights
from tests.report.contents import NOISED, SEALED, SECURE, THREE, many, settings, three
from tests.report.parsed import Page
from tests.thoroughness import at_most


@pytest.fixture(scope="module")
def html() -> str:
    return render(three())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


# ---------------------------------------------------------------- nothing from outside


def assert_asks_nothing_of_a_network(page: Page) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset", "data", "poster", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith("#"), (tag, name, value)
    assert not {"script", "link", "iframe", "img", "object", "base"} & {tag for tag, _ in page.tags}
    styles = " ".join(data for tag, data in page.texts if tag == "style")
    inline = " ".join(str(attributes.get("style")) for _, attributes in page.tags)
    for css in (styles, inline):
        assert "@import" not in css
        assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)", css))


def test_the_page_asks_nothing_of_any_network_and_has_no_script(page: Page) -> None:
    assert_asks_nothing_of_a_network(page)
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]


def test_a_reader_of_markup_finds_every_tag_closed_and_every_id_once(page: Page) -> None:
    assert page.unbalanced == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_no_drawing_brings_a_style_sheet_for_the_whole_page(page: Page) -> None:
    assert len(page.all("style")) == 1
    assert page.all("metadata") == []


def test_every_reference_inside_the_page_finds_its_id(html: str, page: Page) -> None:
    used = re.findall(r"url\(#([^)]+)\)", html) + [a["href"][1:] for a in page.all("use") if a.get("href")]  # type: ignore[index]
    used += [str(a["aria-labelledby"]) for _, a in page.tags if "aria-labelledby" in a]
    assert used
    assert set(used) <= set(page.ids)


def test_colours_of_figures_are_the_pages_own(html: str) -> None:
    """A drawing that kept a colour of its own would stay light on a dark page."""
    body = html[html.index("<body>") :]
    assert re.sub(r"var\(--\w+, #[0-9a-f]{6}\)", "", body).count('fill="#') == 0
    assert not re.search(
        r"#[0-9a-f]{6}",
        re.sub(r"var\(--\w+, #[0-9a-f]{6}\)", "", "".join(re.findall(r"<svg.*?</svg>", body, re.S))),
    )
    named = set(re.findall(r"var\(--(\w+)", html))
    assert named <= set(re.findall(r"--(\w+): #", html))


# ---------------------------------------------------------------- readable by everybody


def test_headings_descend_one_step_at_a_time_from_one_title(page: Page) -> None:
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(page.headings))


def test_the_page_and_its_chinese_words_name_their_language(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert [a for a in page.all("span") if a.get("lang") == "zh"]


def test_every_figure_has_a_caption_and_a_description(page: Page) -> None:
    assert len(page.all("figure")) == len(page.all("figcaption")) == len(page.all("svg"))
    for drawing in page.all("svg"):
        assert drawing["role"] == "img"
        assert drawing["aria-labelledby"] in page.ids


def test_every_table_has_a_caption_and_headers_for_both_directions(page: Page) -> None:
    assert len(page.all("caption")) == len(page.all("table"))
    assert {a.get("scope") for a in page.all("th")} == {"col", "row"}


def test_the_page_is_dressed_for_light_dark_phone_and_paper(html: str) -> None:
    assert "prefers-color-scheme: dark" in html
    assert "width=device-width" in html
    assert "@media print" in html
    assert "@media screen and (max-width" in html


@pytest.mark.parametrize("where", ["ul.plain li", "ul.said li", "dl.facts dt", "dl.facts dd", "code, pre"])
def test_a_long_word_of_somebody_wraps_on_a_narrow_page(where: str, html: str) -> None:
    (rule,) = re.findall(rf"^{where} {{(.*)}}", html, re.MULTILINE)
    assert "overflow-wrap: anywhere" in rule


# ---------------------------------------------------------------- what it says


def test_the_answer_comes_before_everything_else(page: Page) -> None:
    text = page.text
    assert text.index("2 of 3 departments do better together than alone; 1 does worse.") < text.index("Over the rounds")
    assert "gains 0.14 AUC" in text
    assert "loses 0.01 AUC" in text
    assert "consider beta or private parts" in text


def test_every_section_of_the_run_is_there(page: Page) -> None:
    text = page.text
    for expected in (
        "市第一医院再入院预测", "What each department gained", "Joint loss", "会诊意见",
        "Plain sums: the coordinator could see single updates",
        "head.*", "61.0 s · 66%", "20260301-093012-7f3a",
        "lepton-fed simulate configs/医院.toml", "torch 2.13.0",
        "急诊科 forbids reading its rows",
        "急诊科 has 21 positive examples",
        "models/内科.safetensors", "α 0.6 β 1",
    ):  # fmt: skip
        assert expected in text, expected


def test_a_department_without_results_is_named_all_the_same(page: Page) -> None:
    assert "receives a model; no result of its own was measured." in page.text


def test_names_stay_text_in_figures(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    for name in THREE:
        assert f">{name}</text>" in drawings[0]


@pytest.mark.parametrize(
    ("sums", "tile"), [(PLAIN, "plain"), (SECURE, "secure"), (SEALED, "sealed"), (NOISED, "secure")]
)
def test_how_numbers_were_summed_is_told_where_it_is_looked_for(sums: Sums, tile: str) -> None:
    content = three(sums=sums)
    page = Page(render(content))
    assert page.unbalanced == []
    told = [*promises(content), *facts(content), ("Updates", updates(sums)), ("Counts", counts(sums))]
    assert [said for _, said in told if said not in page.text] == []
    assert all(sentence in page.text for sentence in sums.said)
    assert ("dd", tile) in page.texts


def test_warnings_stay_where_warnings_are() -> None:
    page = Page(render(three(sums=SECURE, warnings=("entries were cut off (7 in round 3)",))))
    assert (
        page.text.index("What to keep in mind") < page.text.index("entries were cut off") < page.text.index("Over the")
    )


def test_an_infinite_beta_is_written_as_such() -> None:
    content = three(settings=replace(three().settings, coupling=Coupling()), beta=dict.fromkeys(THREE, math.inf))
    assert "α 0.6 β ∞" in Page(render(content)).text


def test_alpha_by_secret_counts_is_no_number() -> None:
    text = Page(render(three(alpha={"": dict.fromkeys(THREE)}))).text
    assert "by its own count" in text
    assert "α by count" in text


def test_hubs_of_a_department_are_listed_by_name() -> None:
    alpha = {"hub 1": {"内科": 0.25, "外科": 0.75}, "hub 2": {"内科": 1.0}}
    assert "hub 1: 0.25; hub 2: 1" in Page(render(three(alpha=alpha))).text


# ---------------------------------------------------------------- missing, broken, hostile


def test_nothing_measured_is_said_and_drawn_as_nothing() -> None:
    content = three(
        history=(), comparison=(), timing={}, models=(), edges=(), alpha={}, beta={}, denied=(), warnings=(),
        seconds=None, finished=None, status="stopped", versions={}, command="",
    )  # fmt: skip
    text = Page(render(content)).text
    assert "was not measured in this run" in text
    assert "not finished" in text
    assert text.count("not measured") >= 4


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.0])
def test_a_number_that_is_none_never_breaks_the_page(value: float) -> None:
    content = three(
        comparison=[
            Comparison("内科", "auc", value, None, value, examples=0),
            *(Comparison(n, "auc", value, value, value, examples=0) for n in THREE[1:]),
        ],
        history=[Measurement(r, n, p, m, value) for r in (1, 2) for n in (*THREE, "")
                 for p in ("test", "federation") for m in ("auc", "joint_loss")],
        timing={"training": value, "report": 1.0},
        beta=dict.fromkeys(THREE, value),
        alpha={"": dict.fromkeys(THREE, value)},
        seconds=value,
        sums=replace(NOISED, epsilon=abs(value)),
    )  # fmt: skip
    page = Page(render(content))
    assert page.unbalanced == []
    assert " nan" not in page.text.lower().replace("not a nan", "")


def test_a_run_of_one_round_and_one_department_is_drawn() -> None:
    content = three(
        settings=settings(("独",)),
        edges=(("独", "独"),),
        comparison=(Comparison("独", "auc", 0.5, 0.5),),
        history=(Measurement(1, "独", "test", "auc", 0.5),),
        alpha={"": {"独": 1.0}},
        beta={"独": 1.0},
    )
    assert "stays as it is alone" in Page(render(content)).text


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]></style><script>",
    "{{ 7*7 }}{% raw %}",
    "$\\frac{1}{0}$ $x^2",
    "&lt;b&gt; & '\"",
    "--><!-- url(#x) #0b63b5",
    "\x00\x01\x1b[31m\ud800\ufffe",
    "a\nb\tc\u202egnp.exe",
    "%(x)s {0} \\N{DIGIT ONE}",
    "🏥 قسم विभाग",
)
_WORDS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20)).map(lambda s: f"x{s}x")


def printable(text: str) -> str:
    """The text as far as a federation file may hold it."""
    return "".join(c if c.isprintable() else "-" for c in text)


def as_department(text: str) -> str:
    """The text as far as a department may be called so: no path in it, and not too long."""
    name = re.sub(r"[/\\:]", "-", printable(text))[:24].strip()
    return name if name not in ("", ".", "..", "*") else "-"


def hostile(names: list[str], word: str) -> ReportContent:
    """A run in which every text is somebody's: the file's as far as it may be so, the others as they are."""
    one, written = names[0], printable(word)
    return three(
        settings=replace(
            settings(names),
            federation=Identity(name=written, purpose=written),
            graph=tuple(Dependency(from_=a, to=b, needs=written) for a, b in pairwise(names)),
        ),
        run=word, status=word, engine=word, command=word, fingerprint=word, versions={word: word},
        edges=[(a, b) for a in names for b in names],
        denied=[Denied(a, one, word, word) for a in names],
        alpha={word: dict.fromkeys(names, 0.5)},
        beta=dict.fromkeys(names, 1.0),
        comparison=[Comparison(n, "auc", 0.7, 0.8, 0.9, 100) for n in names],
        history=[Measurement(r, n, "test", "auc", 0.5 + r / 10) for r in (0, 1) for n in names],
        timing={word: 2.0, "training": 3.0},
        models=[ModelFile(n, word, word, 1, 2) for n in names],
        warnings=[word],
        sums=replace(SEALED, recipients=names, modes={word: word}, said=[word], across_rounds="enforce"),
    )  # fmt: skip


@functools.cache
def harmless(departments: int) -> list[str]:
    return tags(Page(render(hostile([f"n{i}" for i in range(departments)], "word"))))


def assert_is_only_text(names: list[str], word: str) -> None:
    html = render(hostile(names, word))
    html.encode("utf-8")
    page = Page(html)
    assert page.unbalanced == []
    assert_asks_nothing_of_a_network(page)
    # The same tags as with harmless words, whatever the words are.
    assert tags(page) == harmless(len(names))


@pytest.mark.parametrize("word", HOSTILE)
def test_no_hostile_word_becomes_markup(word: str) -> None:
    assert_is_only_text([as_department(f"{i}{word}x") for i in range(2)], word)


# Each example draws a page; shrinking would draw hundreds.
@examples(max_examples=at_most(8), deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(names=st.lists(_WORDS.map(as_department), min_size=1, max_size=4, unique=True), word=_WORDS)
def test_no_name_or_word_of_anybody_becomes_markup(names: list[str], word: str) -> None:
    assert_is_only_text(names, word)


def tags(page: Page) -> list[str]:
    """Tags but for shapes inside drawings, whose number follows how the ticks of an axis fall."""
    return [tag for tag, _ in page.tags if tag not in ("g", "path", "use", "defs", "clippath", "rect", "text")]


def test_a_name_with_a_colour_in_it_keeps_it() -> None:
    names = ("dept #0b63b5", "url(#a)")
    html = render(three(settings=settings(names), comparison=[Comparison(n, "auc", 0.5, 0.6) for n in names]))
    assert ">dept #0b63b5</text>" in html
    assert ">url(#a)</text>" in html


# ---------------------------------------------------------------- thousands


def test_thousands_of_departments_make_a_small_page_with_the_worst_and_the_best() -> None:
    content = many(3000, rounds=10)
    html = render(content)
    page = Page(html)
    assert len(html.encode("utf-8")) < 1_000_000
    assert "Gains of 3,000 departments" in page.text
    gains = sorted((c.federated or 0) - (c.alone or 0) for c in content.comparison)
    shown = re.findall(r"(loses|gains) (0\.\d+) AUC", page.text)
    assert len(shown) == 30
    assert shown[0] == ("loses", f"{-gains[0]:.2f}")
    assert shown[-1] == ("gains", f"{gains[-1]:.2f}")


def test_between_a_few_and_thousands_every_department_is_named() -> None:
    text = Page(render(many(30, rounds=3))).text
    assert all(text.count(f"门店{i:04d}") >= 3 for i in range(30))


# ---------------------------------------------------------------- files and imports


def test_the_same_content_gives_the_same_bytes_in_any_process(html: str) -> None:
    """Another process with another order of sets, in which nothing was drawn before."""
    program = (
        "import hashlib; from lepton_fed.report import render; from tests.report.contents import three;"
        "print(hashlib.sha256(render(three()).encode()).hexdigest())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    told = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert told.stdout.strip() == hashlib.sha256(html.encode()).hexdigest()


def test_importing_the_report_draws_nothing_and_loads_no_plotting() -> None:
    program = (
        "import sys, lepton_fed.report;"
        "print({'matplotlib', 'jinja2', 'networkx', 'numpy', 'pandas'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "set()"


def test_rendering_leaves_the_processes_plotting_as_it_was() -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "path", "font.size": 23.0}):
        before: dict[Any, Any] = dict(matplotlib.rcParams)
        render(three())
        assert dict(matplotlib.rcParams) == before


def test_the_report_is_written_into_the_runs_folder(tmp_path: Path, html: str) -> None:
    path = write_report(tmp_path, three())
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == html
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_weights_by_a_table_say_nothing_of_counts(page: Page) -> None:
    content = three(settings=replace(three().settings, weights=Weights(alpha="uniform")))
    assert "Counts of examples." not in Page(render(content)).text
    assert "Counts of examples." in page.text
