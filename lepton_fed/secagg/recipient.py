"""The recipients' side of a sealed round: check the quorum, take the pads away, assemble, sign what was
found.

    Holder --open_sums--> Sums, SumsDigest
"""

from __future__ import annotations

from lepton_fed.secagg.client import Party, blaming, check_quorum
from lepton_fed.secagg.errors import Misbehaved
from lepton_fed.secagg.messages import SealedSums, SumsDigest
from lepton_fed.secagg.pads import Holder, remove_pads
from lepton_fed.secagg.plan import channels
from lepton_fed.secagg.results import Sums, assemble, sums_hash


def open_sums(party: Party, holder: Holder, sealed: SealedSums, *, threads: int = 1) -> tuple[Sums, SumsDigest]:
    """Every sum of the sealed plan, and this recipient's signed digest of them.

    Wrong keys or words from the coordinator give sums that no other recipient finds, never anybody's own
    numbers.
    """
    plan, call = holder.plan, sealed.call
    if call.plan != plan or call.group_key is None or not sealed.quorum.signatures:
        raise Misbehaved("coordinator", "sealed sums of another plan, or without a quorum")
    for keys in call.keys:
        with blaming(keys.department):
            keys.verify(party.roster)
    first = sealed.quorum.signatures[0]
    check_quorum(party.roster, plan, sealed.quorum, first.shares_hash, first.survivors)
    words = {name: vector.copy() for name, vector in sealed.sums}
    for channel in channels(plan):
        if channel.name in words:
            if words[channel.name].size != channel.group.words:
                raise Misbehaved("coordinator", f"{channel.name!r} is truncated")
            remove_pads(words[channel.name], call, channel, holder, first.survivors, threads)
    sums = assemble(plan, words)
    return sums, SumsDigest.sign(party.identity, plan.instance, sums_hash(sums))
