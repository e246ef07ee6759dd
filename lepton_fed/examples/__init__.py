"""Readers of the example data: real tables from small packages on PyPI (extras `examples` and `yardsticks`).

Named in a department's file as `call = "lepton_fed.examples:heart"`. The files are read out of the installed
packages; nothing of theirs is imported. One's own readers may look the same: a function with plain arguments
that returns a DataFrame, or arrays (x, y).
"""

from lepton_fed.examples.handwritten_digits import digits
from lepton_fed.examples.heart_disease import heart
from lepton_fed.examples.knowledge_graphs import triples
from lepton_fed.examples.thyroid_disease import thyroid

__all__ = ["digits", "heart", "thyroid", "triples"]
