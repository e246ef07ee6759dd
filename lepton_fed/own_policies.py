"""A department's guard as it is outside of the core: its .cedar files on its disk, the clock on its wall, its code.

    guard = guard_of(federation, "生产车间-L", own.policies, code=own.file.code)

Files are looked at before each decision, and read again only where one has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lepton_fed.code_digest import code_digest
from lepton_fed.config import Federation
from lepton_fed.data.department_file import load_department_file
from lepton_fed.data.policy_files import PolicyFiles
from lepton_fed.enforcement import Guard
from lepton_fed.policies import CedarFile, Decision, Policies
from lepton_fed.translation import sentence


def hour_here() -> int:
    """0 to 23, in this machine's time zone."""
    return datetime.now().astimezone().hour


@dataclass(eq=False)
class InForce:
    """The policies in force at one department now: the federation file's, and its files as they are on the disk."""

    federation: Federation
    owner: str
    files: PolicyFiles
    _read: tuple[CedarFile, ...] | None = field(default=None, init=False, repr=False)
    _policies: Policies | None = field(default=None, init=False, repr=False)

    def __call__(self) -> Policies:
        """The same object while nothing has changed."""
        found = self.files.read()
        if self._policies is None or found is not self._read:
            own = {self.owner: found} if found else {}
            self._policies = Policies.of(self.federation.settings, own, self.federation.path.name)
            self._read = found
        return self._policies


def guard_of(
    federation: Federation,
    name: str,
    files: PolicyFiles | None = None,
    *,
    code: tuple[str, ...] = (),
    fingerprint: str | None = None,
    shared: Policies | None = None,
    hour: Callable[[], int] | None = None,
    spent: Callable[[str], float] = lambda what: 0.0,
    heard: Callable[[Decision], None] = lambda decision: None,
) -> Guard:
    """What a department permits. `shared`: the federation file's rules, where many departments share them; `hour`:
    another clock than this machine's.
    """
    in_force = InForce(federation, name, files) if files else None
    policies = in_force() if in_force is not None else shared
    return Guard(
        name,
        federation.settings,
        policies if policies is not None else of_the_file(federation),
        fingerprint=f"sha256:{federation.fingerprint if fingerprint is None else fingerprint}",
        code=code_digest(code),
        hour=hour_here if hour is None else hour,
        spent=spent,
        heard=heard,
        renewed=in_force,
    )


def of_the_file(federation: Federation) -> Policies:
    """The federation file's rules, by the name that the file has."""
    return Policies.of(federation.settings, source=federation.path.name)


def all_here(federation: Federation, more: Mapping[str, Sequence[CedarFile]] | None = None) -> Policies:
    """Every department's policies, with its own files where they are here, and `more` files by owner.

    ConfigError for a department's own file that cannot be read, or files of nobody.
    """
    own: dict[str, list[CedarFile]] = {}
    for name in federation.settings.names:
        path = federation.department_file(name)
        if path.exists():
            named = PolicyFiles.of(load_department_file(path, name).policies, path.parent)
            own.setdefault(name, []).extend(named.read())
    for name, files in (more or {}).items():
        own.setdefault(name, []).extend(files)
    return Policies.of(federation.settings, {name: files for name, files in own.items() if files}, federation.path.name)


def troubles(guards: Iterable[Guard]) -> tuple[str, ...]:
    """What is wrong with own files, in sentences that say what it does."""
    return tuple(
        sentence(
            "{owner}: {problem}; until it is mended, everything that {owner} owns is denied",
            owner=guard.owner,
            problem=problem,
        )
        for guard in guards
        if guard.owner in guard.policies.own
        for problem in guard.policies.own[guard.owner].problems
    )
