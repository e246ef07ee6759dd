"""Which descriptions of a step mean work of ours: train, validate, iterate, publish, in Chinese and English.

Only the phrases listed here: a description that merely sounds alike is a person's work, and is never taken for done.
"""

from __future__ import annotations

from lepton_fed.pipeline.step import Kind

PHRASES: dict[Kind, tuple[str, ...]] = {
    "train": (
        "完成模型开发", "模型开发", "开发模型", "完成模型训练", "模型训练", "训练模型", "训练", "联邦训练",
        "train", "train model", "model training", "train federatedly", "develop model", "model development",
    ),
    "validate": (
        "验证模型", "模型验证", "验证", "评估模型", "模型评估", "评估",
        "validate", "validate model", "model validation", "evaluate", "evaluate model", "model evaluation",
    ),
    "iterate": (
        "迭代优化", "优化迭代", "模型迭代", "迭代模型", "迭代", "优化模型", "模型优化", "继续训练",
        "iterate", "iterate model", "train on", "improve model", "optimise model", "optimize model",
    ),
    "publish": (
        "发布模型", "模型发布", "发布",
        "publish", "publish model", "release model", "model release",
    ),
}  # fmt: skip

ACTIONS: dict[Kind, str] = {"train": "训练", "validate": "评估", "iterate": "训练", "publish": "发布"}
"""What each does with the departments' data; anything else reads."""

_KINDS = {phrase: kind for kind, phrases in PHRASES.items() for phrase in phrases}
_ARTICLES = ("the", "a")


def recognised(description: str) -> Kind | None:
    """The work of ours that a description means, if it means any."""
    words = [word for word in description.casefold().strip(" 　.。").split() if word not in _ARTICLES]
    return _KINDS.get(" ".join(words))
