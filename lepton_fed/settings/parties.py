"""Who takes part, and who gives what to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lepton_fed.settings.basis import EVERYONE, Strict, negative, require, require_words
from lepton_fed.translation import sentence


@dataclass(frozen=True, kw_only=True)
class Identity(Strict):
    """`[federation]`: what it is called, what it is for, and the seed everything random derives from."""

    name: str
    purpose: str
    seed: int = 0

    def __post_init__(self) -> None:
        require_words("federation: name", self.name)
        require_words("federation: purpose", self.purpose)
        require(self.seed >= 0, negative("federation: seed", self.seed))


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Strict):
    """`[model]`: a built-in name (`linear`, `mlp`, `cnn`) or `module:callable`, and which parameters stay home.

    `shared` and `private` are patterns (`*` and `?`) over parameter and buffer names; private wins.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ("*",)
    private: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_words("model: name", self.name)
        require(bool(self.shared), sentence("model: shared is empty, so nothing would be learnt; the default is ['*']"))


@dataclass(frozen=True, kw_only=True)
class DepartmentSettings(Strict):
    """`[[departments]]`: one department; `source` gives updates, `target` receives a model."""

    name: str
    roles: tuple[Literal["source", "target"], ...] = ("source", "target")
    label: str | None = None
    """Which column of its table is the label, where it differs from `[data.label]`."""
    file: str | None = None
    """Its own file, relative to the federation file; default `<federation file's stem>/<name>.toml`."""
    model: ModelSettings | None = None
    """Its own architecture; with the `distill` coupling only."""
    description: str = ""

    def __post_init__(self) -> None:
        require(
            self.name.strip() == self.name and self.name != "",
            sentence("a department's name may not be blank: {name!r}", name=self.name),
        )
        require_words("a department's name", self.name)
        require(self.name != EVERYONE, sentence("a department may not be called '*'"))
        # Files are named after departments: their own file, their model in the run folder.
        fit = self.name not in (".", "..") and not set(self.name) & set("/\\:")
        short = len(self.name.encode()) <= 120
        require(
            fit and short,
            sentence(
                "a department's name must do as a file's name (no / \\ :, at most 120 bytes): {name!r}", name=self.name
            ),
        )
        require(len(set(self.roles)) == len(self.roles), sentence("{name}: a role is listed twice", name=self.name))

    @property
    def is_source(self) -> bool:
        return "source" in self.roles

    @property
    def is_target(self) -> bool:
        return "target" in self.roles


@dataclass(frozen=True, kw_only=True)
class Dependency(Strict):
    """`[[graph]]`: an edge of the collaboration graph; `from` depends on `to` for `needs`."""

    from_: str
    to: str
    needs: str

    def __post_init__(self) -> None:
        require_words("graph: needs", self.needs)


@dataclass(frozen=True, kw_only=True)
class Flow(Strict):
    """`[[sharing]]`: `what` may flow from each of `from` to each of `to`, as far as the grants allow."""

    what: str
    from_: tuple[str, ...]
    to: tuple[str, ...]

    def __post_init__(self) -> None:
        require_words("sharing: what", self.what)
        named = bool(self.from_) and bool(self.to)
        require(named, sentence("sharing: {what!r} needs at least one name in from and in to", what=self.what))


@dataclass(frozen=True, kw_only=True)
class Grant(Strict):
    """`[[access]]`: the owners of `what` permit (or forbid) `who` to do `action` with it."""

    what: str
    who: tuple[str, ...]
    action: Literal["read", "train", "evaluate", "aggregate", "publish", "读取", "训练", "评估", "聚合", "发布"]
    owner: tuple[str, ...] = (EVERYONE,)
    """Whose rule this is; default: every department that gives `what`."""
    effect: Literal["permit", "forbid"] = "permit"
    kind: Literal["data", "relation", "type"] = "data"
    """What `what` is: something that flows, or a relation or a type of entities of the knowledge graph."""

    def __post_init__(self) -> None:
        require_words("access: what", self.what)
        named = bool(self.who) and bool(self.owner)
        require(named, sentence("access: {what!r} needs at least one name in who and in owner", what=self.what))
