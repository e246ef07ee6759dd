"""The couplings: what a department does with the hubs' models, and what it writes to their sums.

average     start from the anchor, train, upload            FedAvg, FedPer, FedBN, SCAFFOLD, FedAdam, ...
proximal    be pulled towards the anchor while training     MR-MTL, Ditto, pFedMe, FedProx
clusters    one of m hubs to write to, any mixture to read  IFCA and its soft form
distill     agree on predictions instead of parameters      departments with different architectures
"""

from __future__ import annotations

from lepton_fed.couplings.average import Average
from lepton_fed.couplings.clusters import Clusters
from lepton_fed.couplings.distill import Distill
from lepton_fed.couplings.part import Part
from lepton_fed.couplings.participant import Participant
from lepton_fed.couplings.proximal import Ditto, FedProx, MrMtl, PFedMe
from lepton_fed.settings import Coupling

_PROXIMAL: dict[str, type[Part]] = {"mr-mtl": MrMtl, "ditto": Ditto, "pfedme": PFedMe, "fedprox": FedProx}
_OTHERS: dict[str, type[Part]] = {"average": Average, "clusters": Clusters, "distill": Distill}


def part(coupling: Coupling, participant: Participant) -> Part:
    """The department's part in this coupling."""
    kinds = _PROXIMAL if coupling.kind == "proximal" else _OTHERS
    return kinds[coupling.method if coupling.kind == "proximal" else coupling.kind](participant)
