"""The department as a Flower ClientApp: `flwr run .`, or a SuperNode of a deployed federation.

Which department a node is stands in its own node configuration:

    department="生产车间" federation="/srv/lepton/federation.toml" disclose=false

so no coordinator can make it another department or have it read another file. In Flower's simulation a node has
only a number there (`partition-id`), which counts the departments of the federation file that the run names.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from flwr.app import Context

from lepton_fed.assembly import build_department
from lepton_fed.config import Federation
from lepton_fed.department import Department
from lepton_fed.errors import ConfigError
from lepton_fed.flower.apps import Place, client_app, require_plain

DEPARTMENT, FEDERATION, DISCLOSE, NUMBER = "department", "federation", "disclose", "partition-id"


def place(context: Context) -> Place:
    """The department and federation file of the node with this context; ConfigError if it says neither."""
    node = context.node_config
    if DEPARTMENT in node:
        return _configured(str(node[DEPARTMENT]), str(node.get(FEDERATION, "")), node.get(DISCLOSE) is True)
    if NUMBER in node:
        return _numbered(int(node[NUMBER]), str(context.run_config.get(FEDERATION, "federation.toml")))
    raise ConfigError("the node configuration does not say which `department` this node is")


def _configured(name: str, file: str, disclose: bool) -> Place:
    if not file:
        raise ConfigError("the node configuration lacks `federation`, the department's copy of the federation file")
    # Says so if the file has no such department.
    _federation(file).department_file(name)
    return Place(file, name, disclose)


def _numbered(number: int, file: str) -> Place:
    names = _federation(file).settings.names
    if not 0 <= number < len(names):
        raise ConfigError(f"{file} has {len(names)} departments and no number {number}; simulate {len(names)} nodes")
    return Place(file, names[number])


def build(place: Place) -> Department:
    """The department from the federation file and its own; ConfigError where sums are to be secure."""
    federation = _federation(place.federation)
    require_plain(federation.settings)
    return build_department(federation, place.department, disclose=place.disclose)


@cache
def _federation(path: str) -> Federation:
    return Federation.load(Path(path))


app = client_app(place, build)
