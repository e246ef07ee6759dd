"""Flower carries the messages: records, the Grid as a transport, the two apps, Flower's simulation engine.

Nothing else in lepton_fed imports flwr, apart from the two apps in clients/ and server/.
"""

import os

# Flower decides on telemetry when it is first imported, so this has to come before any import of it. Whoever
# has set the variable keeps what he chose.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
