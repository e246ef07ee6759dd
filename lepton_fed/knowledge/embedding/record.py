"""What is kept of a run: for each department a safetensors file of its own, and a table of results.

    <folder>/<department>/embedding.safetensors     its entities and relations; metadata: the names, as JSON
    <folder>/results.json                           filtered MRR and Hits@k, federated and alone

A department's file is its own: relations and the rows that never left are in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lepton_fed.errors import DataError, StorageError
from lepton_fed.knowledge.embedding.features import EntityVectors
from lepton_fed.knowledge.embedding.federated import Learnt
from lepton_fed.storage.atomic import write_atomically
from lepton_fed.storage.file_names import file_name
from lepton_fed.storage.tensors import tensor_chunks

FILE = "embedding.safetensors"
RESULTS = "results.json"


def keep(learnt: Sequence[Learnt], folder: Path) -> None:
    """Writes everything into a new or empty folder; StorageError where that cannot be."""
    require_new(folder)
    for one in learnt:
        place = folder / file_name(one.department.name)
        place.mkdir(parents=True, mode=0o700)
        tables = one.answers.federated
        arrays = {"entities": tables.entities.numpy(), "relations": tables.relations.numpy()}
        facts = one.department.facts
        names = {
            "model": tables.model.name,
            "entities": json.dumps([facts.entities[k] for k in one.department.entities.tolist()], ensure_ascii=False),
            "relations": json.dumps(facts.relations, ensure_ascii=False),
        }
        write_atomically(place / FILE, tensor_chunks(arrays, names))
    write_atomically(folder / RESULTS, json.dumps(results(learnt), ensure_ascii=False, indent=1))


def read_vectors(path: Path) -> EntityVectors:
    """A department's entity vectors out of its file; DataError for what is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = json.loads((file.metadata() or {})["entities"])
            return EntityVectors(tuple(map(str, names)), file.get_tensor("entities"))
    except FileNotFoundError:
        raise DataError(f"the file of entity vectors {path} does not exist; correct `vectors`") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        said = f"{path} is no file of entity vectors ({type(error).__name__})"
        raise DataError(f"{said}; `lepton-fed knowledge train --out` writes one") from None


def results(learnt: Sequence[Learnt]) -> dict[str, dict[str, float]]:
    """Each department's measures by name."""
    found = {}
    for one in learnt:
        own = one.answers.own
        alone = own.ranking(one.department.test) if own is not None else None
        found[one.department.name] = {
            "mrr": one.test.mrr,
            "hits@10": one.test.hits_10,
            "test triples": one.test.triples,
            "share of the federated": one.answers.share,
            **({"mrr alone": alone.mrr, "hits@10 alone": alone.hits_10} if alone is not None else {}),
        }
    return found


def require_new(folder: Path) -> None:
    """StorageError unless nothing is there that would be lost."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} is not empty; name a new folder with --out")
