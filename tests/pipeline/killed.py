"""A worker process to be killed: forty steps whose effects can be counted afterwards.

    python -m tests.pipeline.killed DATABASE FOLDER

Each step has an effect in the same database, in the transaction that records it as done; and one outside, a file that
is named after the idempotency key, so that beginning again finds it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from sqlalchemy import Connection, text

from lepton_fed import AutoPipeline, Graph
from lepton_fed.pipeline import Call, Recorded, Retries, Takes

NAMES = ("研发部门", "生产车间", "供应链部门", "质检部门")
STEPS = 40
LEASE = 1.0


def pipeline(database: str, folder: Path) -> AutoPipeline:
    """Four departments, ten steps each; every fifth fails once, and one goes round three times."""
    graph = Graph()
    for name in NAMES:
        graph.add_node(name, cores=2)

    def work(call: Call) -> Recorded:
        time.sleep(0.02)
        with (folder / call.key.replace("/", "_")).open("ab") as file:
            file.seek(0, 2)
            if file.tell() == 0:
                file.write(b"done\n")
        number = int(call.step.rpartition("步")[2])
        if number % 5 == 0 and call.attempt == 1:
            raise RuntimeError("a first try that fails")

        def within(connection: Connection) -> None:
            connection.execute(text("INSERT INTO effect VALUES (:step, :turn)"), {"step": call.step, "turn": call.turn})

        return Recorded(call.turn, within)

    made = AutoPipeline(graph, name="杀", database=database, lease=LEASE, say=_say)
    for k in range(STEPS):
        loop = {"until": lambda turn: turn >= 3, "budget": 3} if k == 7 else {}
        made.add_step(
            NAMES[k % len(NAMES)],
            f"步{k}",
            work=work,
            after=tuple(f"步{j}" for j in (k - 3, k - 6) if j >= 0),
            retries=Retries(times=2, first=0.01),
            takes=Takes(cores=1),
            **loop,  # type: ignore[arg-type]
        )
    return made


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    pipeline(sys.argv[1], Path(sys.argv[2])).run(by="张三")
