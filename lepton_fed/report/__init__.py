"""The page that says what a run brought to whom (`report.html`), and a card beside every model.

content = ReportContent(settings=..., run=..., ...)
write_report(run_folder, content)
card = model_card(content, "内科", {"auc": 0.91})
"""

from lepton_fed.report.card import DIGEST_PLACEHOLDER, model_card
from lepton_fed.report.content import AuditLog, Comparison, Denied, ModelFile, ReportContent, Sums
from lepton_fed.report.page import render, write_report

__all__ = [
    "DIGEST_PLACEHOLDER",
    "AuditLog",
    "Comparison",
    "Denied",
    "ModelFile",
    "ReportContent",
    "Sums",
    "model_card",
    "render",
    "write_report",
]
