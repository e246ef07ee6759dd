"""Entities as vectors that departments learn together, while facts and relations stay where they are.

triples -> questions -> learner       one department: scores, loss, Adam            (models, ranking)
home -> department -> federated       rows through secure sums, pulled to an anchor  (scheme, messages)
baselines                             alone, and pooled as if nothing were private
"""
