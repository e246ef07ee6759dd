"""A permitted read, carried out: a table of one department's, encrypted to another that its rules let read it.

request   what a reader signs: who, of whom, what, what for, to which fresh key
parcel    what an owner answers: sealed to that key, signed; whoever carries it learns sizes and names
giver     the owner's side: its rules, each request answered once, masked, logged before it leaves
reader    the reader's side: asks, checks, opens, logs
"""

from __future__ import annotations

from lepton_fed.reads.giver import Giver, Shelf, Table
from lepton_fed.reads.log import Delivered, MemoryReadLog, ReadLog
from lepton_fed.reads.parcel import Parcel
from lepton_fed.reads.reader import Reader, Wanted
from lepton_fed.reads.request import ReadRequest

__all__ = [
    "Delivered",
    "Giver",
    "MemoryReadLog",
    "Parcel",
    "ReadLog",
    "ReadRequest",
    "Reader",
    "Shelf",
    "Table",
    "Wanted",
]
