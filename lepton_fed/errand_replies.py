"""What a department replies to errands: whom it wants to ask, a read of a shared table, a turn of a meeting.

A department without keys, or without a knowledge graph, gives None for who would answer.
"""

from __future__ import annotations

from lepton_fed.common_ground import CommonGround
from lepton_fed.errors import LeptonError, PeerError, PolicyError
from lepton_fed.messages import Meet, Met, Read, Refused, Reply, Sent, Take, Taken, Wished
from lepton_fed.reads import Giver, Reader
from lepton_fed.secagg.errors import Malformed


def wished(reader: Reader | None, common_ground: CommonGround | None) -> Wished:
    """What it wants itself: tables of others, and to find out what others know as well."""
    asks = common_ground.asks if common_ground is not None else ()
    return Wished(reader.ask() if reader is not None else (), asks or ())


def carried(giver: Giver | None, reader: Reader | None, message: Read | Take) -> Reply:
    """A read of a shared table: what it gives, what it gets."""
    if reader is None or giver is None:
        return Refused("it has no keys for reads of shared tables")
    try:
        match message:
            case Read(request):
                return Sent(giver.answer(request))
            case Take(parcel):
                return Taken(reader.take(parcel))
    except PolicyError as error:
        return Refused(error.reason)
    except (Malformed, PeerError) as error:
        return Refused(str(error))


def met(common_ground: CommonGround | None, message: Meet) -> Met | Refused:
    """The answer to one message about what two departments both know."""
    if common_ground is None:
        return Refused("it has no knowledge graph to look for common entities in")
    try:
        return Met(common_ground.meet(message.other, message.body))
    except PolicyError as error:
        return Refused(error.reason)
    except (Malformed, PeerError) as error:
        return Refused(str(error))
    except LeptonError:
        # Its text may name a place on this machine's disk, so it stays here.
        return Refused("its knowledge graph, or its log, cannot be used just now")
