"""The sentences of other languages, by their English templates."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from lepton_fed.translation.sentence import Row, Sentence, Spelt, Term, Verbatim, formatted

TERMS = "terms"
"""The table of single words."""

_BETWEEN = {"zh": {"; ": "；", "; or ": "；或者", ", ": "、", ". ": "。", " and ": "和", " or ": "或", " ": ""}}
"""What stands between sentences or names in a row."""


def translated(text: str, language: str) -> str:
    """`text` in `language`, as far as there are words for it; what has none, whole or in part, stays in English."""
    if not isinstance(text, Sentence) or isinstance(text, Verbatim) or language not in _BETWEEN:
        return str(text)
    if isinstance(text, Row):
        return _BETWEEN[language].get(text.template, text.template).join(translated(p, language) for p in text.parts)
    if isinstance(text, Spelt):
        return text.spell(translated(text.said, language))
    if isinstance(text, Term):
        return tables(language)[TERMS].get(text.template, text.template)
    template = _sentences(language).get(text.template)
    if template is None:
        return str(text)
    inner = {
        key: translated(value, language) if isinstance(value, str) else value for key, value in text.values.items()
    }
    return formatted(template, inner)


def speaks(text: str, language: str) -> bool:
    """Whether there are words in `language` for the whole of it: for each sentence of a row, and for those in it."""
    if isinstance(text, Row):
        return all(speaks(part, language) for part in text.parts)
    if isinstance(text, Spelt):
        return speaks(text.said, language)
    if not isinstance(text, Sentence) or isinstance(text, Term | Verbatim):
        return isinstance(text, Term | Verbatim)
    return text.template in _sentences(language) and all(_filled(value, language) for value in text.values.values())


def _filled(value: object, language: str) -> bool:
    """Whether a value can stand in a sentence of `language`: a number or a name, alone or in a row, stays as it is."""
    if isinstance(value, Row):
        return all(_filled(part, language) for part in value.parts)
    return not isinstance(value, Sentence) or speaks(value, language)


@lru_cache(maxsize=4)
def tables(language: str) -> Mapping[str, Mapping[str, str]]:
    """The file of a language: for each module that says something, its English templates and what they are there."""
    return tomllib.loads(files("lepton_fed.translation").joinpath("messages", f"{language}.toml").read_text("utf-8"))


@lru_cache(maxsize=1)
def templates() -> frozenset[str]:
    """The English templates that some language has words for."""
    return frozenset().union(*map(_sentences, _BETWEEN))


def translations(template: str) -> tuple[str, ...]:
    """What it is in other languages."""
    return tuple(known[template] for known in map(_sentences, _BETWEEN) if template in known)


@lru_cache(maxsize=1)
def terms() -> frozenset[str]:
    """The English words that some language has one for."""
    return frozenset().union(*(tables(language)[TERMS] for language in _BETWEEN))


@lru_cache(maxsize=4)
def _sentences(language: str) -> Mapping[str, str]:
    by_module = tables(language)
    return {key: said for module, table in by_module.items() if module != TERMS for key, said in table.items()}
