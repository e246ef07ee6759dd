"""A department's policies as `Department.handle` asks them: may what this message asks for be done?

    Guard.training(hubs, moment)      its update would reach the readers of these hubs   None, or why not
    Guard.evaluation(asker, ...)      it would measure a model on its rows for `asker`   None, or why not
    Guard.decide(request)             anything else with what it owns                    Decision

Who may learn from a department is the federation file's to say (`cohorts`), and the same for everybody; here each such
reader is asked about again, under the circumstances of the message, with the department's own files. Those can narrow
training and never widen it. Default deny, and whatever goes wrong is a no.

    moment      what a message says of its round
    standing    who would learn, as questions, and the answers that are kept
    guard       decides, and tells of what is new
"""

from lepton_fed.enforcement.guard import Guard
from lepton_fed.enforcement.moment import Moment, digest
from lepton_fed.enforcement.standing import FEW

__all__ = ["FEW", "Guard", "Moment", "digest"]
