"""What facts of a domain should look like: a file of rules (TOML), or a file of SHACL shapes.

disjoint = [["供应商", "人员"]]              nobody is both

[[relation]]
name = "供应"
domain = ["供应商"]                          who may be said to
range = ["零件"]                             what
minimum = 1                                  each 供应商 does, at least so often
inverse = "供应自"                           and each time the other way round is said as well
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lepton_fed.errors import ConfigError, DataError
from lepton_fed.knowledge.addresses import is_address
from lepton_fed.knowledge.facts import DATATYPES, name_of, relation_of


class _Strict:
    """Read by pydantic when it validates a dataclass: unknown keys are errors."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, kw_only=True)
class RelationRule(_Strict):
    """`[[relation]]`: what holds of a relation's facts; of those whose head is one of `only_for`, if that is said."""

    name: str
    only_for: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()
    """Types of which the head has one."""
    range: tuple[str, ...] = ()
    """Types of which the tail, an entity, has one."""
    datatype: str | None = None
    """The tail is a literal of this type."""
    minimum: int = 0
    """How often it is said of each entity of `only_for` or else of `domain`."""
    maximum: int | None = None
    """How often at most: 1 for what has one value, a birthday say, so that two contradict each other."""
    inverse: str | None = None
    symmetric: bool = False

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "name", relation_of(self.name))
            for key in ("only_for", "domain", "range"):
                object.__setattr__(self, key, tuple(name_of(one) for one in getattr(self, key)))
            if self.inverse is not None:
                object.__setattr__(self, "inverse", relation_of(self.inverse))
        except DataError as error:
            raise ValueError(str(error)) from None
        self._check()

    def _check(self) -> None:
        where = f"relation {self.name!r}"
        if self.minimum < 0 or (self.maximum is not None and self.maximum < max(1, self.minimum)):
            raise ValueError(f"{where}: minimum is at least 0, maximum at least 1 and no less than minimum")
        if self.minimum and not self.expected_of:
            raise ValueError(f"{where}: minimum needs domain or only_for, to know of whom it is expected")
        if self.datatype is not None and (self.range or self.inverse or self.symmetric):
            raise ValueError(f"{where}: a literal has no range, inverse or symmetry; leave those or datatype out")
        if self.datatype is not None and self.datatype not in DATATYPES and not is_address(self.datatype):
            raise ValueError(f"{where}: there is no datatype {self.datatype!r}; there are {', '.join(DATATYPES)}")

    @property
    def expected_of(self) -> tuple[str, ...]:
        """The types of whose entities `minimum` is asked."""
        return self.only_for or self.domain


@dataclass(frozen=True, kw_only=True)
class Rules(_Strict):
    """A whole file of rules."""

    relation: tuple[RelationRule, ...] = ()
    disjoint: tuple[tuple[str, ...], ...] = ()
    """Types of which an entity has at most one, group by group."""

    def __post_init__(self) -> None:
        groups = tuple(tuple(name_of(one) for one in group) for group in self.disjoint)
        if any(len(set(group)) < 2 for group in groups):
            raise ValueError("disjoint: a group names two types or more")
        object.__setattr__(self, "disjoint", groups)

    @classmethod
    def read(cls, path: Path) -> Rules:
        """The rules in a .toml file, or in SHACL shapes (.ttl, .jsonld, .nt). ConfigError where they cannot be used."""
        if path.suffix.lower() == ".toml":
            from lepton_fed.config.load import load

            return load(path, cls, what="file of rules")
        from lepton_fed.knowledge.rdf import FORMATS

        if path.suffix.lower() not in FORMATS:
            raise ConfigError(f"{path}: rules are in a .toml file, or in SHACL as .ttl, .nt or .jsonld")
        from lepton_fed.knowledge.shacl import read_shapes

        return cls(relation=read_shapes(path))
