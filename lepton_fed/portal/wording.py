"""What the portal says, in each of its languages: one file of sentences per language, by key.

wording("zh")("entry.by", name="王芳")

A count with its word is written `{count:entry|entries}`: of one, of all others.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from lepton_fed.translation import formatted

LANGUAGES = {"zh": "中文", "en": "English"}
DEFAULT = "en"
HOMES = (
    "lepton_fed.portal",
    "lepton_fed.portal.federation",
    "lepton_fed.portal.knowledge",
    "lepton_fed.portal.people",
)
"""Where there are folders of sentences; no two have one key."""


@dataclass(frozen=True)
class Wording:
    """The sentences of one language. A key that is not there is a defect: KeyError."""

    language: str
    sentences: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        sentence = self.sentences[key]
        return formatted(sentence, values) if values else sentence


@lru_cache(maxsize=len(LANGUAGES))
def wording(language: str) -> Wording:
    """The sentences of a language; of the default where the portal does not have it."""
    known = language if language in LANGUAGES else DEFAULT
    texts = [files(home).joinpath("messages", f"{known}.toml").read_text(encoding="utf-8") for home in HOMES]
    return Wording(known, dict(pair for text in texts for pair in _flat(tomllib.loads(text))))


def preferred(accepted: str) -> str:
    """The language for an `Accept-Language`: the first of ours that it names, by its order."""
    for part in accepted.split(","):
        language = part.partition(";")[0].strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return DEFAULT


def _flat(table: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)
