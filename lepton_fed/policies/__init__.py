"""What each department permits: the federation file's rules and its own .cedar files, decided by Cedar.

    policies = Policies.of(federation.settings, own={"生产车间": [CedarFile("night.cedar", text)]})
    decision = policies.decide(Request(who="研发部门", role="工程师", verb="读取", ...))
    print(*explain(policies, decision), sep="\n")

To be called by `Department.handle`, which enforces, with the department's own files; by the coordinator, which
checks early for good messages; and by the commands `explain` and `preflight`, which ask ahead. It decides as
`lepton_fed.policy.decide` does wherever no .cedar file says otherwise. docs/policies.md has the examples.
"""

from __future__ import annotations

from lepton_fed.policies.book import Policies
from lepton_fed.policies.explain import explain
from lepton_fed.policies.own_files import CedarFile
from lepton_fed.policies.request import ITSELF, Context, Decision, Request

__all__ = ["ITSELF", "CedarFile", "Context", "Decision", "Policies", "Request", "explain"]
