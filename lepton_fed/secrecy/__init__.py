"""What secure sums promise for a federation file, or why they are refused: found before anybody trains.

    audit(settings).refused      None, or one sentence that says what to change
    audit(settings).sentences    who hides among how many, who could be exposed by what, what members learn

    misfits      settings that secure sums cannot do
    rounds       the rounds that would hide least, each drafted as a plan under stand-in keys
    refusals     why such a plan is refused: by the audit, by departments' own terms
    promises     what a plan that passes tells, and whom

The sentences can be said in each language of `translation`.
"""

from __future__ import annotations

from lepton_fed.secrecy.audits import Audit, audit, require_safe

__all__ = ["Audit", "audit", "require_safe"]
