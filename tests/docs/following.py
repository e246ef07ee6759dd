"""Somebody who follows a page: types its commands in their order, each on the machine that its block names.

A block of shell begins with a comment that says where it is typed:

    # coordinator                                       one machine
    # coordinator, the server ended                     ... whose long-lived process is ended first, as with Ctrl-C
    # 生产车间-L; 生产车间-M and 生产车间-H likewise      several, each with its own name in the commands
    # every machine, in a copy of this repository       once, for all of them: they share an installation here

A machine is a folder and, where that is possible, a user. What starts with `lepton-fed server` or `client` is started
and left running. Only this is done in another way than it is written: `scp` copies from folder to folder, and packages
come from this environment and not from an index.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 240.0
"""Seconds until a command must be over, and a process up, on a machine that has much else to do."""

EVERYWHERE = "every machine"
LONG_LIVED = {"server": "departments are answered on", "client": "rows are loaded"}
"""Commands that go on until they are ended, and what they say once they are up."""

INSTALLING = ("python3 -m venv ", "venv/bin/pip ")


def blocks(page: str) -> list[list[str]]:
    """The lines of each fenced block of shell, in the page's order."""
    found = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in found]


@dataclass(eq=False)
class Machine:
    """A party's: a folder to type in; `user`: the number of a user without privileges, None: the test's own."""

    folder: Path
    user: int | None = None
    running: subprocess.Popen[bytes] | None = None
    kit: Path | None = None
    """Of the long-lived process."""
    outside: dict[str, str] = field(default_factory=dict)
    """Digests of the kit's files outside of its state folder, when the process was started."""

    @property
    def log(self) -> Path:
        return self.folder / "process.log"

    def digests(self) -> dict[str, str]:
        assert self.kit is not None
        files = (p for p in self.kit.rglob("*") if p.is_file() and p.relative_to(self.kit).parts[0] != "state")
        return {str(p.relative_to(self.kit)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@dataclass(eq=False)
class Follower:
    """`machines` by name; `hosts`: the machine's name by the host's; `instead`: texts that are other ones here."""

    machines: Mapping[str, Machine]
    hosts: Mapping[str, str]
    instead: Mapping[str, str]
    installation: Path
    """Where `venv` is once the page has it installed."""
    install: Callable[[Path], None]
    """Makes `venv`, as the page's lines would."""
    said: list[tuple[str, str, str]] = field(default_factory=list)
    """(machine, command, what it said), in order."""
    users: dict[str, set[int]] = field(default_factory=dict)
    """Of each machine's long-lived processes, as the kernel says."""

    @property
    def nowhere(self) -> Path:
        """The home of long-lived processes: a service has none, and no right to make it."""
        return self.installation / "nowhere"

    def follow(self, page: str) -> None:
        for block in blocks(page):
            self._follow(block)

    def _follow(self, block: list[str]) -> None:
        where, _, note = (
            block[0].removeprefix("# ").partition(",") if "likewise" not in block[0] else (block[0], "", "")
        )
        lines = [line for line in block[1:] if line.strip()]
        if where == EVERYWHERE:
            self._install(lines)
            return
        named = sorted((n for n in self.machines if n in where), key=where.index)
        assert named, f"no machine is called {block[0]!r}"
        for name in named:
            if note.strip().endswith("ended"):
                self.end(name)
            for line in lines:
                self._type(name, line.replace(named[0], name))

    def _install(self, lines: list[str]) -> None:
        assert [line.startswith(INSTALLING) for line in lines[:2]] == [True, True]
        self.install(self.installation / "venv")
        assert lines[2] == ". venv/bin/activate"
        for line in lines[3:]:
            self._type(next(iter(self.machines)), line)

    def _type(self, name: str, line: str) -> None:
        for theirs, ours in self.instead.items():
            line = line.replace(theirs, ours)
        words = shlex.split(line, comments=True)
        if words[0] == "scp":
            self._carry(name, words[-2], words[-1])
        elif words[0] == "lepton-fed" and words[1] in LONG_LIVED:
            self._start(name, words)
        else:
            done = self._run(name, line)
            self.said.append((name, line, done))

    def _run(self, name: str, line: str) -> str:
        machine = self.machines[name]
        done = subprocess.run(
            ["bash", "-eu", "-c", f". {self.installation}/venv/bin/activate; {line}"],
            cwd=machine.folder,
            env=environment(machine.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=PATIENCE,
            **as_user(machine.user),
        )
        assert done.returncode == 0, f"{name}: {line}\n{done.stdout}{self.logs()}"
        return done.stdout

    def _carry(self, name: str, what: str, to: str) -> None:
        """As `scp -rp` does; what arrives belongs to who received it."""
        host, _, place = to.partition(":")
        there = self.machines[self.hosts[host]]
        target = there.folder / place
        source = self.machines[name].folder / what
        if target.is_dir():
            target /= source.name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
        if there.user is not None:
            for path in (target, *target.rglob("*")):
                os.chown(path, there.user, there.user)

    def _start(self, name: str, words: list[str]) -> None:
        machine = self.machines[name]
        if machine.running is not None:
            self.end(name)
        machine.kit = machine.folder / words[2]
        machine.outside = machine.digests()
        writable(machine.kit, False)
        with machine.log.open("ab") as log:
            machine.running = subprocess.Popen(
                [self.installation / "venv" / "bin" / words[0], *words[1:]],
                cwd=machine.folder,
                env=environment(self.nowhere),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_user(machine.user),
            )
        self._await(name, LONG_LIVED[words[1]])
        self.users.setdefault(name, set()).update(users_of(machine.running.pid))

    def _await(self, name: str, sentence: str) -> None:
        machine = self.machines[name]
        said, until = machine.log.read_text("utf-8").count(sentence), time.monotonic() + PATIENCE
        while machine.log.read_text("utf-8").count(sentence) <= said:
            assert machine.running is not None
            assert machine.running.poll() is None, f"{name} has ended:\n{machine.log.read_text('utf-8')}"
            assert time.monotonic() < until, f"{name} says nothing:\n{machine.log.read_text('utf-8')}"
            time.sleep(0.1)

    def end(self, name: str) -> None:
        """As Ctrl-C does; AssertionError where the process wrote anywhere in its kit but to its state."""
        machine = self.machines[name]
        running, machine.running = machine.running, None
        if running is None or machine.kit is None:
            return
        running.send_signal(signal.SIGINT)
        try:
            running.wait(60)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            raise
        writable(machine.kit, True)
        assert machine.digests() == machine.outside

    def end_all(self) -> None:
        """Whatever state they are in."""
        for machine in self.machines.values():
            if machine.running is not None:
                machine.running.kill()
                machine.running.wait()

    def logs(self) -> str:
        return "".join(
            f"\n---- {name}\n{machine.log.read_text('utf-8')[-2000:]}"
            for name, machine in self.machines.items()
            if machine.log.exists()
        )


def environment(home: Path) -> dict[str, str]:
    """What a person's shell, or a service, starts with: nothing of this process's."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}


def as_user(user: int | None) -> dict[str, object]:
    """For `subprocess`: another user, with a group of its own and no further ones."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def writable(kit: Path, whether: bool) -> None:
    """Gives or takes the right to write to a kit, but for its state folder."""
    for path in (kit, *(p for p in kit.iterdir() if p.name != "state")):
        mode = path.stat().st_mode & 0o777
        path.chmod(mode | 0o200 if whether else mode & ~0o222)


def users_of(process: int) -> Iterator[int]:
    """The real, effective and saved user of a process."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("Uid:"))
        yield from map(int, line.split()[1:4])
