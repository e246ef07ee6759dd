"""A department's own .cedar files as rules about what is its own, and about nothing else.

A file is used whole or not at all: one policy that does not parse, does not fit the schema or names somebody who
is not there, and everything that the department owns is denied until the file is mended. A forbid with a slip of
the pen in it forbids nothing, and nobody would notice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lepton_fed.policies.engine import Unusable, translated
from lepton_fed.policies.request import KINDS, said
from lepton_fed.policies.rules import Line, Rule, literals
from lepton_fed.translation import sentence


@dataclass(frozen=True)
class CedarFile:
    """A file of policies: what it is called (`night.cedar`) and its text, or why that cannot be read."""

    name: str
    text: str
    unreadable: str = ""


@dataclass(frozen=True)
class Own:
    """What a department's files came to: its rules, which count only where there are no problems."""

    files: tuple[CedarFile, ...] = ()
    rules: tuple[Rule, ...] = ()
    problems: tuple[str, ...] = ()


def read(owner: str, files: Sequence[CedarFile], departments: Collection[str]) -> Own:
    """The rules of the department `owner`, and what is wrong with files that cannot be used."""
    rules: list[Rule] = []
    problems = list(_names(files))
    for file in files:
        try:
            rules += _rules(owner, file, departments)
        except Unusable as error:
            problems.append(_problem(file.name, _on_one_line(error.sentence)))
    return Own(tuple(files), tuple(rules), tuple(problems))


def _names(files: Sequence[CedarFile]) -> Iterator[str]:
    seen = [file.name for file in files]
    for name in dict.fromkeys(seen):
        if not name.endswith(".cedar"):
            yield _problem(name, sentence("a file of policies is called something.cedar"))
        if seen.count(name) > 1:
            yield _problem(name, sentence("two files are called so; give each its own name"))


def _problem(name: str, why: str) -> str:
    return sentence("{file}: {problem}", file=said(name), problem=why)


def _on_one_line(why: str) -> str:
    """The sentence itself where it is on one line already, as all of ours are."""
    flat = said(" ".join(why.split()))
    return why if flat == why else flat


def _rules(owner: str, file: CedarFile, departments: Collection[str]) -> Iterator[Rule]:
    if file.unreadable:
        raise Unusable(file.unreadable)
    policies = translated(file.text)
    if not policies:
        raise Unusable(sentence("it holds no policy; write one, or take the file away"))
    seen: set[str] = set()
    for number, policy in enumerate(policies, 1):
        annotations = policy.get("annotations", {})
        called = said(annotations.get("id") or f"policy {number}")
        if called in seen:
            raise Unusable(sentence("two policies are called {called}; give each its own @id", called=called))
        seen.add(called)
        _require_known(policy, owner, departments)
        line = Line(f"{called} of {said(file.name)}", "")
        yield Rule(policy, (owner,), (line,), reason=annotations.get("reason") or "")


def _require_known(policy: object, owner: str, departments: Collection[str]) -> None:
    """Unusable if the policy names what cannot be asked about, so that it would never apply."""
    for kind, name in literals(policy):
        if kind == "Department" and name not in departments:
            raise Unusable(
                sentence("it names Department::{name!r}, which is no department of this federation", name=name)
            )
        if kind in KINDS and not name.startswith(f"{owner}/"):
            raise Unusable(
                sentence(
                    "it names {kind}::{name!r}; what is yours is called {kind}::'{owner}/...'",
                    kind=kind,
                    name=name,
                    owner=owner,
                )
            )
        if kind == "Rule":
            raise Unusable(sentence("it names a Rule; those are the federation file's own"))
