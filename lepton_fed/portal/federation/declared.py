"""The pipeline that the watched federation declares."""

from __future__ import annotations

from lepton_fed.config import Federation
from lepton_fed.pipeline import AutoPipeline
from lepton_fed.portal.federation.watched import Watched


def has_pipeline(federation: Federation) -> bool:
    """Whether the federation file declares one."""
    return bool(federation.settings.pipeline)


def opened(watched: Watched, federation: Federation) -> AutoPipeline:
    """Where its runs are kept; it says nothing."""
    return AutoPipeline.of(federation, folder=watched.runs, database=watched.database, say=lambda _: None)
