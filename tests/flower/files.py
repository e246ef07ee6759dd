"""A federation of two departments in files, for the tests of the apps that read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FIRST, SECOND = NAMES = ("生产车间", "研发部门")
FEDERATION = """
[federation]
name = "two departments"
purpose = "to run as a Flower app"
[[departments]]
name = "生产车间"
[[departments]]
name = "研发部门"
[[sharing]]
what = "rows"
from = ["*"]
to = ["*"]
[[access]]
what = "rows"
who = ["*"]
action = "train"
[data.label]
column = "y"
meaning = "one or the other"
classes = ["0", "1"]
[[data.columns]]
name = "a"
[[data.columns]]
name = "b"
[model]
name = "linear"
[training]
batch = 8
[rounds]
count = 3
[aggregation]
secure = false
[report]
metrics = ["loss"]
baselines = []
"""


def federation(folder: Path) -> Path:
    """Writes the federation file, the departments' own files and their rows; the federation file's path."""
    path = folder / "federation.toml"
    path.write_text(FEDERATION, encoding="utf-8")
    drawn = np.random.default_rng(3)
    (folder / "federation").mkdir()
    for name in NAMES:
        lines = [f"{a},{b},{int(a + b > 0)}" for a, b in drawn.normal(size=(40, 2))]
        (folder / "federation" / f"{name}.csv").write_text("\n".join(["a,b,y", *lines]), encoding="utf-8")
        own = f'device = "cpu"\n[data]\npath = "{name}.csv"\n'
        (folder / "federation" / f"{name}.toml").write_text(own, encoding="utf-8")
    return path
