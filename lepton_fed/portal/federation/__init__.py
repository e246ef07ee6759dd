"""What the portal shows of a federation: each file reads one subject from where the federation keeps it.

    watched        which federation, and where its files and databases are
    departments    who takes part, and who was heard from last
    graph          who depends on whom, drawn
    runs           rounds, curves, models
    pipeline       steps, their timeline, gates; answers a gate
    plans          what departments would refuse, what sums reveal
    policies       what decides at each department, and why
    ledgers        what has been spent of privacy
    audit_log      entries, heads, proofs

Nothing here knows of the web, and nothing is kept: who looks sees what is there now.
"""

from __future__ import annotations
