"""How long pages of a large portal take: 10,000 entries, 200 departments, 20 people who think a second between clicks.

    python -m benchmarks.portal            a minute of clicks, after some minutes of writing entries
    python -m benchmarks.portal --smoke    300 entries, 12 departments, 4 people, a few clicks
    python -m benchmarks.portal --folder /tmp/portal    keeps the portal, and takes it where it is there
    scripts/with-postgres sh -c 'python -m benchmarks.portal --database $LEPTON_TEST_POSTGRES'

The portal is served by a process of its own, over TLS, as `lepton-fed portal serve` does. Times are as a person's
browser would see them. What the load generator itself takes is measured apart: the same clicks, at a server that hands
out one page whatever it is asked for (columns `floor`), and the processor that each side used for a click. The row
`nothing` is clicks on a small picture of the portal's among the others.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import httpx

from benchmarks.arguments import begin
from benchmarks.machine import machine
from lepton_fed.errors import StorageError
from lepton_fed.portal.entries import writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.people import accounts, sessions
from lepton_fed.portal.people.departments import add_department, departments
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.visiting import COOKIE

COMMON = (
    "联邦学习",
    "质检模型",
    "齿轮箱",
    "振动",
    "温度",
    "轴承",
    "润滑",
    "停机",
    "供应商",
    "图纸",
    "quality",
    "sensor",
)
"""Words of nearly every text: what is asked for then holds for thousands."""

RARE = tuple(
    "".join(random.Random(k).choices("检修传感器标定误差阈值工艺焊接涂装配库存采购训练验证发布", k=3))
    for k in range(3000)
)
"""Words of a few texts."""

FLOOR = ("-m", "benchmarks.portal_floor")
THINK = 1.0
"""Seconds between two clicks of a person."""

KINDS = {"search": 4, "list": 2, "entry": 4, "nothing": 2}
"""What is clicked, and how often among twelve."""


@dataclass(frozen=True)
class Size:
    """Of the portal, and of what is done with it."""

    entries: int
    departments: int
    people: int
    seconds: float


FULL, SMOKE = Size(10_000, 200, 20, 60.0), Size(300, 12, 4, 4.0)


def text(chance: random.Random) -> str:
    """Some hundred characters, of which queries hold pieces."""
    return "\n\n".join("，".join(chance.choices(COMMON, k=6) + chance.choices(RARE, k=8)) + "。" for _ in range(8))


def fill(portal: Portal, size: Size) -> None:
    """Departments with an author and a reviewer each, and their entries, written and published as people do."""
    chance = random.Random(7)
    for k in range(size.departments):
        department = f"部门{k:03d}"
        with portal.database.writing() as connection:
            add_department(connection, department, portal.clock())
            for name, role in ((f"author{k}", "author"), (f"reviewer{k}", "reviewer")):
                made = accounts.add_person(
                    connection, name=name, shown=name, department=department, password="", now=portal.clock()
                )
                accounts.set_role(connection, made.id, department, role)
            author, reviewer = (accounts.named(connection, f"{name}{k}") for name in ("author", "reviewer"))
        numbers = []
        with portal.writing(author) as acting:
            for _ in range(size.entries // size.departments):
                title = "".join(chance.choices(RARE, k=2)) + chance.choice(COMMON)
                audience = chance.choice(("department", "everyone", "everyone"))
                content = Content.given(
                    title=title, body=text(chance), tags=chance.choices(RARE[:200], k=2), audience=audience
                )
                number = writing.begin(acting, department, chance.choice(("note", "document", "faq")), content)
                writing.move(acting, number, "submit", revision=1)
                numbers.append(number)
        with portal.writing(reviewer) as acting:
            for number in numbers:
                writing.move(acting, number, "publish", revision=1)


def signed_in(portal: Portal, size: Size) -> list[str]:
    """What the cookies of people of as many departments hold; signing in is slow on purpose, and is not measured."""
    secrets = []
    with portal.database.writing() as connection:
        for k in range(size.people):
            try:
                person = accounts.named(connection, f"author{k * size.departments // size.people}")
            except NotThere:
                raise StorageError(
                    f"this portal was not filled with {size.departments} departments; name a new folder or database"
                ) from None
            secrets.append(sessions.begin(connection, person.id, portal.clock(), address="-", agent="benchmark"))
    return secrets


def path_of(kind: str, chance: random.Random, seen: list[int]) -> str:
    """Where the next click goes; an entry is one of those that the person was shown."""
    if kind == "search":
        return f"/search?q={chance.choice(chance.choice((COMMON, RARE)))[: chance.randint(1, 4)]}"
    if kind == "list":
        return chance.choice(("/", f"/search?page={chance.randint(1, 20)}", f"/search?tag={chance.choice(RARE[:200])}"))
    if kind == "entry":
        return f"/entries/{chance.choice(seen)}" if seen else "/"
    return "/static/icon.svg"


async def person(
    client: httpx.AsyncClient,
    seconds: float,
    chance: random.Random,
    took: dict[str, list[float]],
    together: asyncio.Barrier,
) -> None:
    """Clicks and thinks, until the time is over.

    First everybody has seen one page: what is made once, for the first who comes, is told by itself as `first`.
    """
    seen: list[int] = []
    await _clicked(client, "/", took["first"])
    await together.wait()
    await asyncio.sleep(chance.random() * THINK)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        path = path_of(kind, chance, seen)
        answer = await _clicked(client, path, took[kind])
        seen = [int(number) for number in re.findall(r'href="/entries/(\d+)"', answer)] or seen
        await asyncio.sleep(THINK)


async def _clicked(client: httpx.AsyncClient, path: str, took: list[float]) -> str:
    began = time.perf_counter()
    answer = await client.get(path)
    took.append(time.perf_counter() - began)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.text


async def measured(address: str, authority: Path, secrets: list[str], seconds: float) -> dict[str, list[float]]:
    """Seconds of each click, by its kind."""
    took: dict[str, list[float]] = defaultdict(list)
    trusted = ssl.create_default_context(cafile=authority)
    clients = [
        httpx.AsyncClient(base_url=address, verify=trusted, headers={"Cookie": f"{COOKIE}={secret}"}, timeout=60)
        for secret in secrets
    ]
    together = asyncio.Barrier(len(clients))
    try:
        await asyncio.gather(*(person(c, seconds, random.Random(k), took, together) for k, c in enumerate(clients)))
    finally:
        for client in clients:
            await client.aclose()
    return took


def run(folder: Path, size: Size, database: str | None = None) -> dict[str, dict[str, list[float]]]:
    """Fill a portal, unless it is there; click at it, and at a server that does nothing."""
    with Portal.opened(folder, database) as portal:
        began = time.perf_counter()
        with portal.database.reading() as connection:
            there = bool(departments(connection))
        if not there:
            fill(portal, size)
            print(f"{size.entries:,} entries written, reviewed, published in {time.perf_counter() - began:.0f} s")
        secrets = signed_in(portal, size)
    serving = ["-m", "lepton_fed", "portal", "serve", str(folder), "--port", "0"]
    serving += ["--database", database] if database else []
    found = {"portal": served("portal", tuple(serving), folder, secrets, size)}
    return {**found, "floor": served("floor", (*FLOOR, str(folder)), folder, secrets, size)}


def served(name: str, command: tuple[str, ...], folder: Path, secrets: list[str], size: Size) -> dict[str, list[float]]:
    """Start a server, click, end it; tells what processor a click took on each side."""
    server = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        found = re.search(r"https://localhost:\d+", server.stderr.readline())
        assert found is not None
        before = time.process_time(), processor(server.pid)
        took = asyncio.run(measured(found[0], folder / "tls" / "ca.crt", secrets, size.seconds))
        ours, its = time.process_time() - before[0], processor(server.pid) - before[1]
        clicks = sum(map(len, took.values()))
        print(
            f"{name}: {1000 * its / clicks:.1f} ms of processor a click, the load generator {1000 * ours / clicks:.1f}"
        )
    finally:
        server.terminate()
        server.communicate()
    return took


def processor(pid: int) -> float:
    """Seconds of processor that a process has used."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--folder", type=Path, help="Of the portal, to be kept.")
    parser.add_argument("--database", help="URL of a database instead of the folder's SQLite.")
    given = parser.parse_args()
    size = SMOKE if given.smoke else FULL
    print("  ".join(f"{name} {value}" for name, value in machine().items()))
    with tempfile.TemporaryDirectory() as temporary:
        took = run(given.folder or Path(temporary) / "portal", size, given.database)
    print(f"{'page':<8} {'clicks':>6} {'median':>8} {'p95':>8} {'longest':>8} {'floor: median':>15} {'p95':>6}   ms")
    for kind in ("first", *KINDS):
        at = {name: sorted(1000 * one for one in found[kind]) for name, found in took.items()}
        if min(map(len, at.values())) > 1:
            mid, most = ({n: f(t) for n, t in at.items()} for f in (median, p95))
            times = at["portal"]
            print(
                f"{kind:<8} {len(times):>6} {mid['portal']:>8.0f} {most['portal']:>8.0f} {times[-1]:>8.0f}"
                f" {mid['floor']:>15.0f} {most['floor']:>6.0f}"
            )


def p95(times: list[float]) -> float:
    """What 95 of a hundred stay below."""
    return quantiles(times, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    begin(main)
