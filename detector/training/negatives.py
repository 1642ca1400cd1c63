"""Hard negatives: confirmed blanks in which a detector finds birds, and what blanks must not be."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backbones.errors import CheckpointError, DataError
from detector.data.config import NegativesConfig
from detector.data.packed import Annotations
from detector.evaluation.detecting import DetectionOptions, detect_all
from detector.evaluation.slices import cameras_of
from detector.models.detector import Detector

NAMES_SHOWN = 5
_MINING = 0x6E65  # sets its random numbers apart from those of sampling, which have the same seed and epoch


@dataclass(eq=False)
class HardNegatives:
    """Which negatives a detector has found birds in.

    Args:
        images: The negatives, M.
        settings: How they are searched.
        seed: The run's.
        scores: float32 (M,), of the surest bird that was found when a picture was last looked at; 0: none, or never.
    """

    images: Annotations
    settings: NegativesConfig
    seed: int
    scores: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.scores = np.zeros(len(self.images), np.float32)

    @property
    def hard(self) -> NDArray[np.bool_]:
        """Which are hard: bool (M,)."""
        return self.scores >= np.float32(self.settings.score)

    def are_due(self, epoch: int, *, has_start: bool) -> bool:
        """Whether they are searched before an epoch; before the first only by a detector that the run starts from."""
        every = self.settings.mine_epochs
        return every is not None and (epoch % every == 0 if epoch else has_start)

    def search(
        self, detector: Detector, epoch: int, options: DetectionOptions, advance: Callable[[int], None]
    ) -> NDArray[np.int64]:
        """Look at some of them, drawn by seed and epoch, and keep the scores; returns the places looked at.

        Boxes count that have a name of the training set; all of them, if the detector knows none of these names.
        """
        rng = np.random.default_rng([self.seed, epoch, _MINING])
        places = np.sort(rng.permutation(len(self.images))[: self.settings.mined])
        found = detect_all(detector, self.images.select(places), options, advance).detections
        names = set(self.images.category_names)
        counted = [name in names for name in detector.categories]
        counts = np.array(counted if any(counted) else [True] * len(counted), np.bool_)
        for place in places.tolist():
            each = found[int(self.images.image_ids[place])]
            self.scores[place] = each.scores[counts[each.labels]].max(initial=0.0)
        return places

    def restore(self, scores: NDArray[np.float32] | None) -> None:
        """Take over the scores of a checkpoint.

        Raises:
            CheckpointError: They are of other negatives.
        """
        if scores is None or scores.shape != self.scores.shape:
            raise CheckpointError(
                f"the checkpoint has no scores of {len(self.scores)} negatives",
                where="last.pt",
                hint="give the negatives that the run was started with, all of them readable",
            )
        self.scores = scores.astype(np.float32)


def refuse_birds(negatives: Annotations, train: Annotations, validation: Annotations | None) -> None:
    """Refuse negatives that are annotated with birds, or evaluated on.

    Raises:
        DataError: A file is both.
    """
    files = set(_files(negatives))
    taught = _common(train.select(np.flatnonzero(np.diff(train.offsets) > 0)), files)
    if taught:
        raise DataError(
            f"{len(taught)} pictures of --negatives have boxes in the training set, and would be taught as background",
            where=taught[0],
            hint="take them out of the folder: negatives are pictures that surely show no bird",
        )
    judged = [] if validation is None else _common(validation, files)
    if judged:
        raise DataError(
            f"{len(judged)} pictures of --negatives are in the validation set, which tells nothing of what is taught",
            where=judged[0],
            hint="take them out of one of both",
        )


def shared_cameras(negatives: Annotations, validation: Annotations) -> Iterator[str]:
    """In words: the negatives that may be of the validation set's cameras, by the names of folders and locations."""
    cameras = {name.rpartition("/")[2].casefold() for name in cameras_of(validation)} - {""}
    shared: dict[str, int] = {}
    for place in range(len(negatives)):
        root = negatives.sources[negatives.source_index[place]].images
        folders = (root.resolve().name, *negatives.file_names[place].split("/")[:-1])
        for name in dict.fromkeys(name for name in folders if name.casefold() in cameras):
            shared[name] = shared.get(name, 0) + 1
    if shared:
        names = sorted(shared, key=lambda name: -shared[name])
        more = ", ..." if len(names) > NAMES_SHOWN else ""
        yield (
            f"negatives: {sum(shared.values())} pictures are of cameras of the validation set "
            f"({', '.join(names[:NAMES_SHOWN])}{more}), which the detector then knows better than a new place's"
        )


def _files(annotations: Annotations) -> list[str]:
    folders = [os.path.realpath(source.images) for source in annotations.sources]
    return [
        posixpath.join(folders[source], posixpath.normpath(annotations.file_names[place]))
        for place, source in enumerate(annotations.source_index.tolist())
    ]


def _common(annotations: Annotations, files: set[str]) -> list[str]:
    return [file for file in _files(annotations) if file in files]
