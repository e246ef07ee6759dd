"""The collaboration graph and its data sharing: who depends on whom, what flows, who permits what.

    Graph        departments and dependencies; answers, a report, drawings     (graph)
    DataSharing  data sets, flows and rules, registered on a graph              (sharing)

Values of plain Python over networkx. `Graph.of(federation)` reads a federation file and `graph.settings(base)` gives
its tables back, with the same E, cohorts and order. To be called by `lepton-fed graph report`, and by the pipeline,
which takes the order of work, ranks and opening hours from here; decisions about rows stay with the departments.
"""

from lepton_fed.collaboration.absence import Absence
from lepton_fed.collaboration.attributes import Dependence, Node, Terms
from lepton_fed.collaboration.balance import Balance, Idle, Unmet
from lepton_fed.collaboration.graph import Graph
from lepton_fed.collaboration.hours import Hours
from lepton_fed.collaboration.precedence import CriticalPath, Cycle, Implied
from lepton_fed.collaboration.sharing import DataSet, DataSharing, Passage

__all__ = [
    "Absence",
    "Balance",
    "CriticalPath",
    "Cycle",
    "DataSet",
    "DataSharing",
    "Dependence",
    "Graph",
    "Hours",
    "Idle",
    "Implied",
    "Node",
    "Passage",
    "Terms",
    "Unmet",
]
