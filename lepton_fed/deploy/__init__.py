"""The deployed federation's kits: who may take part, by which keys, and where the coordinator is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_fed.deploy.certificates import Address, client_context, server_context
    from lepton_fed.deploy.changes import Changed, add_department, renew, revoke, rotate
    from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit, Kit
    from lepton_fed.deploy.membership import Membership, SignedMembership, newer
    from lepton_fed.deploy.provisioning import Provisioned, accept, provision, request, take_update

_HOMES = {
    "Address": "certificates",
    "Changed": "changes",
    "CoordinatorKit": "kit",
    "DepartmentKit": "kit",
    "Kit": "kit",
    "Membership": "membership",
    "Provisioned": "provisioning",
    "SignedMembership": "membership",
    "accept": "provisioning",
    "add_department": "changes",
    "client_context": "certificates",
    "newer": "membership",
    "provision": "provisioning",
    "renew": "changes",
    "request": "provisioning",
    "revoke": "changes",
    "rotate": "changes",
    "server_context": "certificates",
    "take_update": "provisioning",
}

__all__ = [
    "Address",
    "Changed",
    "CoordinatorKit",
    "DepartmentKit",
    "Kit",
    "Membership",
    "Provisioned",
    "SignedMembership",
    "accept",
    "add_department",
    "client_context",
    "newer",
    "provision",
    "renew",
    "request",
    "revoke",
    "rotate",
    "server_context",
    "take_update",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
