"""Importing this imports what a party's process needs, once for all that are forked afterwards; it starts nothing."""

from __future__ import annotations

from importlib import import_module

from lepton_fed.flower.superlink import silence

PARTIES = ("lepton_fed.cli", "lepton_fed.clients.process", "lepton_fed.outcome", "lepton_fed.server.process")

LATE = (
    "cedarpy",
    "flwr.superlink.main",
    "httpcore",
    "jinja2",
    "matplotlib.figure",
    "networkx",
    "pandas",
    "prometheus_client",
    "sklearn.model_selection",
    "uvicorn",
)
"""What the package imports where it is used, because few commands need it, and a party does."""

silence()
for name in (*LATE, *PARTIES):
    import_module(name)
