"""Both languages say everything, with the same values; no page asks for a sentence that is not there."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import lepton_fed.portal
from lepton_fed.audit.entries import KINDS as ENTRIES
from lepton_fed.pipeline import State
from lepton_fed.portal.entries.quality import KINDS as CHECKS
from lepton_fed.portal.entries.sensitive import RULES
from lepton_fed.portal.federation.audit_log import word_of
from lepton_fed.portal.federation.policies import VERBS
from lepton_fed.portal.federation.runs import PARTS
from lepton_fed.portal.finding.suggestions import REASONS
from lepton_fed.portal.wording import LANGUAGES, preferred, wording
from lepton_fed.settings import METRICS
from lepton_fed.storage.portal_account_tables import EVENTS
from lepton_fed.storage.portal_entry_tables import AUDIENCES, KINDS, MOVES, NOTED, STATES
from lepton_fed.storage.portal_people_tables import REACHES, ROLES
from lepton_fed.storage.portal_trust_tables import REPORT_STATES
from lepton_fed.storage.run_record import STATUSES

HOME = Path(lepton_fed.portal.__file__).parent
TEMPLATES = sorted((HOME / "web" / "templates").glob("*.j2"))


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_every_language_has_the_same_sentences_with_the_same_values() -> None:
    english = wording("en").sentences
    for language in LANGUAGES:
        other = wording(language).sentences
        assert other.keys() == english.keys()
        for key, sentence in other.items():
            assert sentence.strip(), key
            assert fields(sentence) == fields(english[key]), (language, key)
    assert {path.stem for path in (HOME / "messages").iterdir()} == set(LANGUAGES)


@pytest.mark.parametrize(("count", "said"), [(0, "0 entries"), (1, "1 entry"), (1234, "1,234 entries")])
def test_a_count_has_its_word(count: int, said: str) -> None:
    assert wording("en")("search.count", count=count) == said
    assert wording("zh")("search.count", count=count) == f"{count} 个条目"


def test_no_count_is_before_a_word_for_several_alone() -> None:
    counts = r"\{(?:count|size|points|own|capacity|entries|sessions|seconds)\} [a-z]+"
    assert [key for key, sentence in wording("en").sentences.items() if re.search(counts, sentence)] == []


def test_the_chinese_is_chinese() -> None:
    english, chinese = wording("en").sentences, wording("zh").sentences
    assert {key for key in english if english[key] == chinese[key]} == {"edit.markdown"}


def asked() -> set[str]:
    """Every key that pages and refusals ask for, as far as it is written out."""
    found = set()
    for template in TEMPLATES:
        found |= set(re.findall(r'\bt\("([\w.]+)"[,)]', template.read_text("utf-8")))
    for source in HOME.rglob("*.py"):
        text = source.read_text("utf-8")
        found |= set(re.findall(r'\b(?:said\(request\)|t)\(\s*"([\w.]+)"', text))
        errors = r'(?:Unacceptable|Forbidden|Conflict|super\(\)\.__init__)\(\s*"([\w.]+)"'
        found |= {f"error.{key}" for key in re.findall(errors, text)}
    return found


def made() -> set[str]:
    """Keys that are put together from a word of the tables."""
    words = {"state": STATES, "kind": KINDS, "audience": AUDIENCES, "role": ROLES, "move": MOVES, "moved": NOTED}
    words |= {"sensitive": tuple(rule.kind for rule in RULES), "differences": ("same", "gone", "new")}
    words |= {"yearly": ("quarter", "entry", "kind", "department", "published", "opened", "thanks", "points")}
    words |= {"fed": ("some_run", "some_model"), "card": ("metric", "part", "value", "set", "spent", "total", "delta")}
    words["card"] += ("version", "column", "type", "missing", "table", "columns", "what", "taker", "permitted")
    words |= {"check": CHECKS, "report_state": REPORT_STATES}
    words |= {
        "step_state": tuple(State),
        "fed_state": (*STATUSES, "cancelled"),
        "part": PARTS,
        "verb": VERBS,
        "metric": METRICS,
    }
    words |= {"part_in": ("source", "target", "none"), "ledger": ("none", "department", "not_yours")}
    words |= {"account_event": EVENTS, "reach": REACHES}
    words |= {"audit_kind": (*(word_of(one.KIND) for one in ENTRIES), "unreadable")}
    words |= {"plan_kind": ("training", "evaluation", "statistics", "reading", "publishing", "pipeline")}
    words |= {"reason": REASONS}
    return {f"{group}.{word}" for group, of in words.items() for word in of}


def test_every_sentence_is_there_and_none_is_idle() -> None:
    assert asked() | made() == set(wording("en").sentences)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("fr,en;q=0.5", "en"), ("", "en"), ("de", "en"), ("EN-us", "en")],
)
def test_the_language_is_the_first_that_a_browser_asks_for(accepted: str, language: str) -> None:
    assert preferred(accepted) == language
