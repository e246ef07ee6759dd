"""English sentences that can be said in another language too, by whoever shows them to a person.

    why = sentence("no rule of {owner} permits it", owner="生产车间")
    why                       ──►  "no rule of 生产车间 permits it": an ordinary text, in logs, files and comparisons
    translated(why, "zh")     ──►  "生产车间没有规则允许"

The English template is the key, as gettext's are; messages/zh.toml has the Chinese one under the module that says it.
A text that is no such sentence, or that was changed on its way (cut, sent, stored), stays in English, unless it is put
together again (`again`, `recalled`).
"""

from lepton_fed.translation.again import GAP, Making, again, always
from lepton_fed.translation.catalogue import speaks, translated
from lepton_fed.translation.recalling import recalled
from lepton_fed.translation.rows import some
from lepton_fed.translation.sentence import (
    Sentence,
    counted,
    formatted,
    joined,
    said_by,
    sentence,
    spelt,
    term,
    verbatim,
)

__all__ = [
    "GAP",
    "Making",
    "Sentence",
    "again",
    "always",
    "counted",
    "formatted",
    "joined",
    "recalled",
    "said_by",
    "sentence",
    "some",
    "speaks",
    "spelt",
    "term",
    "translated",
    "verbatim",
]
