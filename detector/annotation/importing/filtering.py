"""Leaving out boxes of another tool by their scores and categories, before anything is done with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from backbones.errors import ConfigError
from detector.annotation.importing.formats import ImportedDetections, ImportedFile, ImportedFrame


class FilteredDetections:
    """The records of a file of boxes with some of their boxes; see `ImportedDetections`.

    Args:
        imported: All of them.
        lowest_score: Boxes with a lower score are left out.
        only: Names of the categories whose boxes stay; empty: all.

    Raises:
        ConfigError: There is no such category.
    """

    def __init__(self, imported: ImportedDetections, lowest_score: float, only: Collection[str]) -> None:
        self.imported = imported
        self.detector, self.categories = imported.detector, imported.categories
        unknown = sorted(set(only) - set(imported.categories))
        if unknown:
            hint = f"the files of boxes know {', '.join(imported.categories)}"
            raise ConfigError(f"there is no category '{unknown[0]}'", where="only", hint=hint)
        self.lowest_score = lowest_score
        self.labels = np.array([not only or name in only for name in imported.categories], bool)

    def __len__(self) -> int:
        return len(self.imported)

    def __iter__(self) -> Iterator[ImportedFile]:
        for file in self.imported:
            yield replace(file, frames=tuple(map(self._kept, file.frames)))

    def _kept(self, frame: ImportedFrame) -> ImportedFrame:
        kept = (frame.scores >= self.lowest_score) & self.labels[frame.labels]
        if kept.all():
            return frame
        return ImportedFrame(frame.number, frame.boxes_xywh[kept], frame.scores[kept], frame.labels[kept])
