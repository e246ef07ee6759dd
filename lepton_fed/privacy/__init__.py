"""What the releases about a department's rows have cost in all, and whether another one fits the budget.

account   one data set's bookings, and every rule about them
purse     one department's account under its own limit, asked before numbers leave
"""

from __future__ import annotations

from lepton_fed.privacy.account import Account, Accounts, Booking, Limit, MemoryAccounts, Overspent
from lepton_fed.privacy.purse import Booked, Purse, booking_of

__all__ = [
    "Account",
    "Accounts",
    "Booked",
    "Booking",
    "Limit",
    "MemoryAccounts",
    "Overspent",
    "Purse",
    "booking_of",
]
