"""Text that looks sensitive, found by rules with checksums, and masked: `13812345678` becomes `138****5678`.

Rules hold beside Chinese letters, which are letters of a word (`\\w`, `\\b`) as well: `(?<!\\d)` instead of `\\b`. A
number counts only where its check digits do: identity cards (GB 11643), credit codes of enterprises (GB 32100), bank
cards (Luhn).
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = tuple(3**k % 31 for k in range(17))
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"


@dataclass(frozen=True)
class Finding:
    """A place in a text, `text[start:end]`, what it looks like, and what would stand there instead."""

    kind: str
    start: int
    end: int
    mask: str


@dataclass(frozen=True)
class Rule:
    """`pattern`'s group 1, or all of it, where `holds`; `head`, `tail`: characters that are left to know it by."""

    kind: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool]
    head: int
    tail: int


def found(text: str) -> tuple[Finding, ...]:
    """What looks sensitive, in the order of the text; where two overlap, the one that begins first, then the longer."""
    places = sorted(_places(text), key=lambda one: (one.start, -one.end))
    kept: list[Finding] = []
    for one in places:
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return tuple(kept)


def masked(text: str, findings: tuple[Finding, ...]) -> str:
    """The text with each finding's mask in its place."""
    parts, last = [], 0
    for one in findings:
        parts += [text[last : one.start], one.mask]
        last = one.end
    return "".join([*parts, text[last:]])


def without(text: str) -> str:
    """The text with whatever looks sensitive masked: for what is written without being asked."""
    return masked(text, found(text))


def texts(text: str, findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    """The kind of each finding, and what stands there."""
    return [(one.kind, text[one.start : one.end]) for one in findings]


def digest(shown: Iterable[tuple[str, str]]) -> str:
    """Says which kinds and texts somebody was shown, each as often as it was found; where they stand is all one."""
    return hashlib.sha256(json.dumps(sorted(shown)).encode()).hexdigest()


def is_identity_card(number: str) -> bool:
    """Eighteen characters whose last is the check digit of GB 11643."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _ID_WEIGHTS, strict=True))
    return _ID_CHECKS[total % 11] == number[17].upper()


def is_credit_code(code: str) -> bool:
    """Eighteen characters whose last is the check character of GB 32100."""
    values = [_CREDIT.find(letter) for letter in code]
    total = sum(value * weight for value, weight in zip(values[:17], _CREDIT_WEIGHTS, strict=True))
    return min(values) >= 0 and values[17] == (31 - total % 31) % 31


def is_card_number(number: str) -> bool:
    """Digits, perhaps in groups, that satisfy Luhn's formula."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [2 * d - 9 * (d > 4) for d in digits[-2::-2]]
    return 15 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def is_address(text: str) -> bool:
    """An IP address of a machine: neither of this one nor of none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not address.is_loopback and not address.is_unspecified


def _always(text: str) -> bool:
    return True


RULES = (
    Rule(
        "key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)", re.DOTALL),
        _always,
        0,
        0,
    ),
    Rule(
        "secret",
        # An end of a clause ends the secret, or it would swallow the next one. Blanks are few: of two unbounded runs
        # of them side by side every division is tried.
        re.compile(
            r"(?i)(?:password|passwd|pwd|secret|token|api[_-]?key|密码|口令|密钥)"
            r"\s{0,8}(?:(?:is|是|为)\s{0,8})?[=:：]\s{0,8}"
            r"[\"']?([^\s\"'。；，！,;、<>]{4,})"
        ),
        _always,
        0,
        0,
    ),
    Rule("identity_card", re.compile(r"(?<![0-9A-Za-z])\d{17}[\dXx](?![0-9A-Za-z])"), is_identity_card, 4, 2),
    Rule("credit_code", re.compile(r"(?<![0-9A-Za-z])[0-9A-HJ-NPQRTUWXY]{18}(?![0-9A-Za-z])"), is_credit_code, 2, 2),
    Rule("card", re.compile(r"(?<![\d-])\d(?:[ -]?\d){14,18}(?![\d-])"), is_card_number, 4, 4),
    Rule("phone", re.compile(r"(?<!\d)(?:\+?86[ -]?)?(1[3-9]\d[ -]?\d{4}[ -]?\d{4})(?!\d)"), _always, 3, 4),
    Rule("landline", re.compile(r"(?<!\d)(?:\(0\d{2,3}\)|0\d{2,3}-)[2-8]\d{6,7}(?!\d)"), _always, 3, 2),
    Rule(
        "email",
        re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"),
        _always,
        1,
        0,
    ),
    Rule("plate", re.compile(rf"[{_PROVINCES}][A-HJ-NP-Z][·• ]?[A-HJ-NP-Z0-9]{{5,6}}(?![A-Za-z0-9])"), _always, 2, 1),
    Rule("address", re.compile(r"(?<![0-9A-Za-z.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?[0-9A-Za-z])"), is_address, 0, 0),
    Rule(
        "person",
        re.compile(r"(?:姓名|联系人|患者|身份证姓名)\s*[:：]\s*([\u4e00-\u9fff]{2,4}(?:·[\u4e00-\u9fff]{1,10})?)"),
        _always,
        1,
        0,
    ),
)


def _places(text: str) -> Iterator[Finding]:
    for rule in RULES:
        for match in rule.pattern.finditer(text):
            group = 1 if rule.pattern.groups else 0
            part = match.group(group)
            if set(part) != {"*"} and rule.holds(part):
                yield Finding(rule.kind, *match.span(group), _mask(part, rule))


def _mask(part: str, rule: Rule) -> str:
    """Stars, as many as say nothing about a secret's length, between what is left to know it by."""
    if rule.kind == "email":
        return f"{part[0]}***@{part.partition('@')[2]}"
    tail = part[-rule.tail :] if rule.tail else ""
    return f"{part[: rule.head]}****{tail}"
