"""A portion of a store: deployments that are decided together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detector.deployments.matching import Folder


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
        return np.array([folder in self.folders for folder in folders_of(batch)], bool)


def folders_of(batch: pa.RecordBatch) -> Iterator[Folder]:
    """The folder of each row of a batch with cards and paths."""
    for card, path in zip(batch["card"].to_pylist(), batch["path"].to_pylist(), strict=True):
        yield card, path.rpartition("/")[0]
