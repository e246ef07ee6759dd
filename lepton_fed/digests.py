"""Digests by which departments make sure that all of them were shown the same of every hub."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from lepton_fed.messages import HubState, Release, Vector
from lepton_fed.secagg.canonical import digest

BYTES_OF_DIGEST = 64
"""Of a hub: 32 for its model, 32 for what else is shown of it."""


def hub_digest(hub: HubState) -> bytes:
    """64 bytes that stand for all that a department is shown of a hub: 32 for its model, 32 for the rest.

    The release is in the rest: a row of the joint loss is an inner product with the release's mean, so whoever chose
    that mean for one department, and left the others without, could read that department's update entry by entry.
    """
    release = hub.release
    numbers = () if release is None else (release.mass, release.spread)
    rest = (hub.control, release.mean if release is not None else None)
    return _hash((hub.model,)) + _hash(rest, np.array(numbers, "<f8").tobytes())


def release_digest(release: Release) -> bytes:
    """32 bytes that stand for a sum which the coordinator made in the clear; reads its vector once."""
    return _hash((release.mean,), np.array((release.mass, release.spread), "<f8").tobytes())


def _hash(vectors: Iterable[Vector | None], numbers: bytes = b"") -> bytes:
    state = hashlib.sha256(numbers)
    for vector in vectors:
        data = np.ascontiguousarray(vector if vector is not None else np.zeros(0), "<f4")
        state.update(data.size.to_bytes(8, "little"))
        state.update(data.data)
    return state.digest()


def models_hash(digests: Mapping[str, bytes]) -> bytes:
    """32 bytes that stand for the models of all hubs: contents only, so that no model is spent twice."""
    return digest("models", tuple(sorted((name, one[:32]) for name, one in digests.items())))


def shown_hash(digests: Mapping[str, bytes]) -> bytes:
    """32 bytes that stand for what else departments are shown of all hubs."""
    return digest("shown", tuple(sorted((name, one[32:]) for name, one in digests.items())))
