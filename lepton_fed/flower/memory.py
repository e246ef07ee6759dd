"""What a department keeps between messages, as a Flower record of raw bytes.

Flower hands it back with the next message (`Context.state`), for which it may start another process: nothing
else lasts. Keys of a secure sum that is under way are a record of their own, which no message asks for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from flwr.app import ConfigRecord, RecordDict
from torch import Tensor

from lepton_fed.couplings.participant import Kept
from lepton_fed.errors import StorageError
from lepton_fed.member import ended

RECORD, SECRETS = "lepton kept", "lepton secrets"
UNREADABLE = "what was kept of the last message cannot be read; start the run again"

DTYPES = {
    name: getattr(torch, name)
    for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
}
"""What a parameter or a buffer may be."""


def remember(state: RecordDict, kept: Mapping[str, Tensor]) -> None:
    """Puts tensors by name into `state`, in place of what was there."""
    record = ConfigRecord({"names": list(kept)})
    record["dtypes"] = [str(tensor.dtype).removeprefix("torch.") for tensor in kept.values()]
    record["shapes"] = [" ".join(map(str, tensor.shape)) for tensor in kept.values()]
    record["values"] = [_raw(tensor) for tensor in kept.values()]
    state[RECORD] = record


def recall(state: RecordDict) -> Kept | None:
    """Tensors by name, on the CPU; None where nothing was ever kept. StorageError: this is no such record."""
    if RECORD not in state:
        return None
    try:
        record = dict(state[RECORD])
        columns = [record[key] for key in ("names", "dtypes", "shapes", "values")]
        return {name: _tensor(*parts) for name, *parts in zip(*columns, strict=True)}
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError):
        raise StorageError(UNREADABLE) from None


def remember_secrets(state: RecordDict, stored: bytes) -> None:
    """Puts a member's `stored()` into `state`, in place of what was there."""
    state[SECRETS] = ConfigRecord({"stored": stored})


def recall_secrets(state: RecordDict) -> bytes | None:
    """A member's `stored()`; None where it was never asked. StorageError: this is no such record."""
    if SECRETS not in state:
        return None
    record = state[SECRETS]
    stored = record.get("stored") if isinstance(record, ConfigRecord) else None
    if not isinstance(stored, bytes):
        raise StorageError(UNREADABLE)
    return stored


def handed_over(state: RecordDict) -> RecordDict:
    """All that is kept but secrets, at the end of a run. Of the secrets `state` then holds none any more.

    What stays of them is the ledger: no round can be taken part in twice, even now.
    """
    stored = recall_secrets(state)
    if stored is not None:
        remember_secrets(state, ended(stored))
    return RecordDict({RECORD: state[RECORD]} if RECORD in state else {})


def _raw(tensor: Tensor) -> bytes:
    # Through bytes because NumPy knows no bfloat16.
    return tensor.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _tensor(dtype: str, shape: str, raw: bytes) -> Tensor:
    sizes = [int(size) for size in shape.split()]
    if not math.prod(sizes):
        return torch.empty(sizes, dtype=DTYPES[dtype])
    return torch.frombuffer(bytearray(raw), dtype=DTYPES[dtype]).reshape(sizes)
