"""Importing this imports what a party's process needs, once for all that are forked afterwards; it starts nothing.

What is imported late elsewhere, because few commands need it, is named here, too.
"""

from __future__ import annotations

from lepton_fed.flower.superlink import silence

silence()

import cedarpy  # noqa: E402, F401
import flwr.superlink.main  # noqa: E402, F401
import httpcore  # noqa: E402, F401
import jinja2  # noqa: E402, F401
import matplotlib.figure  # noqa: E402, F401
import networkx  # noqa: E402, F401
import pandas  # noqa: E402, F401
import prometheus_client  # noqa: E402, F401
import sklearn.model_selection  # noqa: E402, F401
import uvicorn  # noqa: E402, F401

import lepton_fed.cli  # noqa: E402
import lepton_fed.clients.process  # noqa: E402
import lepton_fed.outcome  # noqa: E402
import lepton_fed.server.process  # noqa: E402, F401
