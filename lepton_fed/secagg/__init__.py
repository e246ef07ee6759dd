"""Secure aggregation: the coordinator learns weighted sums over crowds, never one department's update.

    roster, plan            who, and what is summed under which thresholds      (public, audited by every
    department) client                  advertise() -> Advertised -> Shared -> Hidden -> Signed -> Done
    server                  secure_sum(plan, roster, keys): a generator of four exchanges
    ledger                  what a department must never forget; the caller makes it durable

Pure: no sockets, files or clocks. The coordinator may lie, drop messages and collude with up to c
departments.
"""

from lepton_fed.secagg.audit import Exposure, Finding, Released, Rule, Verdict, verdict
from lepton_fed.secagg.client import Advertised, Done, Hidden, Party, Shared, Signed, advertise
from lepton_fed.secagg.contribution import Contribution
from lepton_fed.secagg.errors import Malformed, Misbehaved, Refused, RoundFailed
from lepton_fed.secagg.fixedpoint import FixedPoint
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.ledger import Entries, Forbidden, Ledger, MemoryLedger
from lepton_fed.secagg.messages import Message, Published, Refusal, SignedKeys, decode
from lepton_fed.secagg.pads import Holder, join, lead
from lepton_fed.secagg.plan import Cohort, Group, Plan, channels, privacy, prove_no_overflow, verdicts
from lepton_fed.secagg.recipient import open_sums
from lepton_fed.secagg.results import Sum, sums_hash
from lepton_fed.secagg.review import Reviewer, Terms, objection
from lepton_fed.secagg.roster import Member, Roster, SignedRoster
from lepton_fed.secagg.server import Outcome, secure_sum
from lepton_fed.secagg.skellam import Cost, Noise, variance_for

__all__ = [
    "Advertised", "Cohort", "Contribution", "Cost", "Done", "Entries", "Exposure", "Finding",
    "FixedPoint", "Forbidden", "Group", "Hidden", "Holder", "Identity", "Ledger", "Malformed", "Member",
    "MemoryLedger", "Message", "Misbehaved", "Noise", "Outcome", "Party", "Plan", "Published", "Refusal",
    "Refused", "Released", "Reviewer", "Roster", "RoundFailed", "Rule", "Shared", "Signed", "SignedKeys",
    "SignedRoster", "Sum", "Terms", "Verdict", "advertise", "channels", "decode", "join", "lead",
    "objection", "open_sums", "privacy", "prove_no_overflow", "secure_sum", "sums_hash", "variance_for",
    "verdict", "verdicts",
]  # fmt: skip
