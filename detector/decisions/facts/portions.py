"""Portions of a store that are decided one after the other, so that memory depends on the cameras and not on the store.

Nothing that is decided reaches from one deployment to another but that a file is a copy, and that is planned here too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.decisions.facts.copies import Originals, originals_of
from detector.deployments.matching import Folder, Matching, match_deployments
from detector.deployments.table import Deployment
from detector.store.reader import FactsReader

PORTION_FRAMES = 100_000  # about 200 MB; a deployment that has more is a portion of its own


@dataclass(frozen=True, eq=False)
class Portion:
    """Deployments that are decided together.

    Attributes:
        folders: All that lies in them.
        parts: Parts of the facts in which there is some of it.
    """

    folders: frozenset[Folder]
    parts: Sequence[Path]

    def rows(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        """bool (N,): which rows of a batch with cards and paths lie in the portion."""
        found = folders_of(batch)
        return np.array([folder in self.folders for folder in found.folders], bool)[found.of_row]


@dataclass(frozen=True, eq=False)
class Plan:
    """How a store is decided.

    Attributes:
        portions: By the names of their deployments; a None stands for the whole store.
        originals: Contents that several files of the store have; None: to be found in the one portion.
        matching: The deployments of all folders.
    """

    portions: Sequence[Portion | None]
    originals: Originals | None
    matching: Matching


def plan_portions(
    reader: FactsReader, table: Sequence[Deployment], camera_from: str | None, most_frames: int | None = None
) -> Plan:
    """Divide a store into portions of whole deployments, in the order of their names.

    Args:
        reader: Of the store.
        table: Deployments that are listed.
        camera_from: See `folders.group_cameras`.
        most_frames: Of a portion, unless a deployment has more; `PORTION_FRAMES` by default.

    Raises:
        DataError: A part of the facts is damaged.
    """
    parts = reader.parts()
    frames: Counter[Folder] = Counter()
    parts_of: dict[Folder, list[Path]] = {}
    for part in parts:
        here: Counter[Folder] = Counter()
        for batch in reader.batches(part, ["card", "path"]):
            found = folders_of(batch)
            here.update(dict(zip(found.folders, np.bincount(found.of_row).tolist(), strict=True)))
        frames.update(here)
        for folder in here:
            parts_of.setdefault(folder, []).append(part)
    matching = match_deployments(list(frames), table, camera_from)
    most = PORTION_FRAMES if most_frames is None else most_frames
    if frames.total() <= most:
        return Plan([None], None, matching)

    portions = []
    for together in _packed(_inseparable(matching), frames, most):
        wanted = {part for folder in together for part in parts_of[folder]}
        portions.append(Portion(frozenset(together), [part for part in parts if part in wanted]))
    return Plan(portions, originals_of(reader), matching)


def _inseparable(matching: Matching) -> list[list[Folder]]:
    """Folders that are decided together, by the names of their deployments: those of one deployment, and those of
    deployments that share a folder."""
    group: dict[str, set[str]] = {}
    for rows in matching.of_folder.values():
        names = {matching.rows[row].deployment_id for row in rows}
        joined = names.union(*(group.get(name, ()) for name in names))
        group.update(dict.fromkeys(joined, joined))
    folders: dict[str, list[Folder]] = {}
    for folder in sorted(matching.of_folder):
        name = min(group[matching.rows[matching.of_folder[folder][0]].deployment_id])
        folders.setdefault(name, []).append(folder)
    return [folders[name] for name in sorted(folders)]


def _packed(deployments: Sequence[Sequence[Folder]], frames: Counter[Folder], most: int) -> Iterator[list[Folder]]:
    """Folders of deployments, one after the other, as long as their frames do not grow too many."""
    together: list[Folder] = []
    total = 0
    for folders in deployments:
        more = sum(frames[folder] for folder in folders)
        if together and total + more > most:
            yield together
            together, total = [], 0
        together = [*together, *folders]
        total += more
    yield together


@dataclass(frozen=True, eq=False)
class RowFolders:
    """The folders of some rows.

    Attributes:
        folders: Different ones, as they come.
        of_row: int64 (N,), index into them.
    """

    folders: Sequence[Folder]
    of_row: NDArray[np.int64]


def folders_of(batch: pa.RecordBatch) -> RowFolders:
    """The folder of each row of a batch with cards and paths."""
    cards = batch["card"].dictionary_encode()
    folders = pc.replace_substring_regex(batch["path"], "/?[^/]*$", "").dictionary_encode()
    key = cards.indices.to_numpy().astype(np.int64) * len(folders.dictionary) + folders.indices.to_numpy()
    keys, first, of_row = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    card, folder = np.divmod(keys[order], max(len(folders.dictionary), 1))
    names = (each.dictionary.take(pa.array(index)).to_pylist() for each, index in ((cards, card), (folders, folder)))
    return RowFolders(list(zip(*names, strict=True)), np.argsort(order)[of_row])
