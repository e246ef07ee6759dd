"""Federated statistics: what departments count at home, summed securely once, and what the sums say of all rows.

    question    which cells of which columns, in which order: a function of the federation file
    tallies     a department's own counts and moments, small cells left out
    survey      the plan of the one secure sum, which every department drafts again for itself
    respondent  a department's yes or no, and its numbers
    findings    counts, means, variances, histograms and quantiles of all rows, with what is not known of them

They are for people to read. Nothing here enters a model.
"""

from __future__ import annotations

from lepton_fed.statistics.findings import Finding, Findings, Quantile
from lepton_fed.statistics.question import Question
from lepton_fed.statistics.respondent import Respondent
from lepton_fed.statistics.survey import STATISTICS, Survey, is_statistics
from lepton_fed.statistics.tallies import RawRows

__all__ = [
    "STATISTICS",
    "Finding",
    "Findings",
    "Quantile",
    "Question",
    "RawRows",
    "Respondent",
    "Survey",
    "is_statistics",
]
