"""A proxy between departments and coordinator that delays, cuts and repeats bytes; TLS stays end to end.

    with Proxy.before(port, behind, seed=7) as proxy:      departments dial `port`, the coordinator listens on `behind`

What happens to a connection is dealt when it begins: nothing, a delay for each piece, an end in the middle of a piece,
or a piece sent twice, which to TLS is a piece that was altered: the connection ends there. Fates are dealt from a
shuffled pack, so that a run with few connections meets all of them, too.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE = 1 << 14
FATES = ("nothing", "delay", "cut", "repeat")
SLOWEST = 0.3
"""Seconds by which a piece is delayed at most."""

FARTHEST = 40_000
"""Bytes after which a connection is cut at most; the handshake and a poll are some 3000."""


class Proxy:
    """`done`: how often each fate was met."""

    def __init__(self, port: int, behind: int, seed: int, faults: float) -> None:
        self.port, self.behind, self.faults = port, behind, faults
        self.done: Counter[str] = Counter()
        self._draw = random.Random(seed)
        self._pack: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._over: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), name="proxy")

    @classmethod
    @contextmanager
    def before(cls, port: int, behind: int, *, seed: int, faults: float = 0.5) -> Iterator[Proxy]:
        """`faults`: the share of connections to which something happens."""
        proxy = cls(port, behind, seed, faults)
        proxy._thread.start()
        proxy._ready.wait(60)
        try:
            yield proxy
        finally:
            assert proxy._over is not None
            proxy._loop.call_soon_threadsafe(proxy._over.set)
            proxy._thread.join()
            proxy._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self._ready.set()
        await self._over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fate = self._dealt()
        self.done[fate] += 1
        due, direction = self._draw.randrange(FARTHEST), self._draw.randrange(2)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            writer.close()
            return
        ways = ((reader, back), (there, writer))
        pumps = [asyncio.ensure_future(self._pump(*w, fate, due if k == direction else -1)) for k, w in enumerate(ways)]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, back):
                end.transport.abort()

    def _dealt(self) -> str:
        """The next fate; a pack holds each fault once, and as many connections left alone as `faults` asks for."""
        if not self._pack:
            left_alone = round(len(FATES[1:]) * (1 / self.faults - 1))
            self._pack = [*FATES[1:], *FATES[:1] * left_alone]
            self._draw.shuffle(self._pack)
        return self._pack.pop()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, fate: str, due: int) -> None:
        """Bytes of one direction until it ends; `due`: the byte at which something happens, negative for none."""
        passed = 0
        with suppress(OSError):
            while piece := await source.read(PIECE):
                if fate == "delay":
                    await asyncio.sleep(self._draw.random() * SLOWEST)
                here = 0 <= due < passed + len(piece)
                if fate == "cut" and here:
                    sink.write(piece[: due - passed])
                    await sink.drain()
                    return
                sink.write(piece)
                if fate == "repeat" and here:
                    sink.write(piece)
                    due = -1
                await sink.drain()
                passed += len(piece)
