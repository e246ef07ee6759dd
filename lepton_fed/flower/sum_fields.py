"""An exchange of a secure sum as fields of a record: canonical bytes, of the few types that fit."""

from __future__ import annotations

from lepton_fed.flower.fields import Fields, Reader, one_line, spelt, write_digests, write_table
from lepton_fed.flower.hub_fields import read_work
from lepton_fed.messages import Sum, Summed
from lepton_fed.secagg.messages import (
    Call,
    Delivery,
    GroupCall,
    GroupConsent,
    GroupOffer,
    MaskedInput,
    Quorum,
    Reveal,
    SealedShares,
    SealedSums,
    SumsDigest,
    Survivors,
    SurvivorSignature,
)

REQUESTS = (Call, Delivery, Survivors, Quorum, GroupCall, GroupOffer, SealedSums)


ANSWERS = (SealedShares, MaskedInput, SurvivorSignature, Reveal, GroupOffer, GroupConsent, SumsDigest)
"""What a secure sum's exchanges ask and answer; of all else that has canonical bytes, nothing may arrive."""


def write_sum(message: Sum) -> Fields:
    """Without the work, which is a record of its own."""
    return {"request": spelt(message.request), **write_digests("unseen", message.unseen)}


def read_sum(reader: Reader) -> Sum:
    return Sum(reader.wire("request", REQUESTS), reader.work(read_work), reader.digests("unseen"))


def write_summed(summed: Summed) -> Fields:
    return {
        "reply": spelt(summed.reply),
        **write_table("disclosed", summed.disclosed),
        **write_table("seconds", summed.seconds),
        "warning": one_line(summed.warning),
        **write_digests("models", summed.models),
    }


def read_summed(reader: Reader) -> Summed:
    return Summed(
        reader.wire("reply", ANSWERS),
        reader.table("disclosed"),
        reader.table("seconds"),
        reader.text("warning"),
        reader.digests("models"),
    )
