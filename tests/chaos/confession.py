"""A department's process that tells every secret it has to a file, so that a test knows what to look for on the disks.

    confess(path)      from now on: a line of hex for each key, seed, share, row and unmasked number

The file lies outside everything that is looked through. What is told is what the process really used.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def confess(path: Path) -> None:
    """Wraps the places where secrets come into being."""
    file = path.open("a", encoding="ascii", buffering=1)

    def tell(*secrets: bytes) -> None:
        file.writelines(secret.hex() + "\n" for secret in secrets if len(secret) >= SHORTEST)

    _keys(tell)
    _numbers(tell)
    _rows(tell)


SHORTEST = 12
"""Bytes; anything shorter would be found by chance."""


def _keys(tell: Any) -> None:
    """X25519 secrets, seeds of masks, shares."""
    from lepton_fed.secagg import client

    advertise, share, mask = client.advertise, client.Advertised.share, client.Shared.mask

    def advertised(party: Any) -> Any:
        made = advertise(party)
        tell(made.mask_secret, made.seal_secret)
        return made

    def shared(self: Any, *arguments: Any) -> Any:
        state, message = share(self, *arguments)
        tell(state.seed, state.own_pair)
        return state, message

    def hidden(self: Any, *arguments: Any, **options: Any) -> Any:
        state, message = mask(self, *arguments, **options)
        tell(*(pair for _, pair in state.pairs))
        return state, message

    client.advertise, client.Advertised.share, client.Shared.mask = advertised, shared, hidden  # type: ignore[assignment]


def _numbers(tell: Any) -> None:
    """What a department adds to a sum: as numbers, and as the integers that are masked."""
    from lepton_fed.secagg import client

    masked_words = client.masked_words

    def masked(source: Any, plan: Any, channel: Any, own: Any, streams: Any, *others: Any) -> Any:
        bare = masked_words(source, plan, channel, own, [], 1)
        tell(*_windows(own.vector.tobytes()), *_windows(own.vector.astype(np.float64).tobytes()))
        tell(own.scalars.tobytes(), *_windows(bare.tobytes()))
        return masked_words(source, plan, channel, own, streams, *others)

    client.masked_words = masked  # type: ignore[assignment]


def _windows(raw: bytes) -> Iterable[bytes]:
    """Some pieces of a vector, so that a part of it is found too; none that is empty of information."""
    pieces = (raw[at : at + 16] for at in range(0, len(raw) - 15, 16))
    return [piece for piece in pieces if len(set(piece)) > 8]


def _rows(tell: Any) -> None:
    """The rows as a department holds them, and as they are in its file."""
    from lepton_fed.clients.home import DepartmentHome

    department = DepartmentHome.department

    def told(self: DepartmentHome) -> Any:
        made = department(self)
        for examples in (made.rows.train, made.rows.validation, made.rows.test):
            for row, _ in examples.parts(1) if examples is not None else ():
                prepared = row.cpu().numpy()
                tell(prepared.astype(np.float32).tobytes(), prepared.astype(np.float64).tobytes())
        return made

    DepartmentHome.department = told  # type: ignore[method-assign]
