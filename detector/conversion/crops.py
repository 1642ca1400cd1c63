"""A classifier in 8 bits: calibrated and measured on crops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError, MediaError
from detector.base.pictures import decode_picture, pictures_in
from detector.conversion.agreement import measured_classifier
from detector.conversion.cutting import cut
from detector.conversion.export import Target, described, new_export
from detector.conversion.photos import CALIBRATING, HELD_OUT, LEAST
from detector.conversion.quantising import Quantising, quantise, refuse, warn_of
from detector.conversion.writing import openvino_model, write_openvino
from detector.runtimes.manifest import ExportManifest
from detector.species.calibrating.labelled import labels_of
from detector.species.classifier import SpeciesClassifier
from detector.species.crops import cut_crops
from detector.species.names.crosswalk import load_crosswalk
from detector.species.names.taxonomy import Taxonomy


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops to calibrate on, and others to measure on.

    Attributes:
        calibrating: uint8 (N, H, W, 3).
        held_out: uint8 (M, H, W, 3).
        labels: int64 (M,), the classes of those held out; negative: not known.
    """

    calibrating: NDArray[np.uint8]
    held_out: NDArray[np.uint8]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, crops: NDArray[np.uint8], labels: NDArray[np.int64] | None = None) -> Crops:
        """Every third is held out."""
        known = np.full(len(crops), -1) if labels is None else labels
        out = np.arange(len(crops)) % 3 == 2
        return cls(crops[~out][:CALIBRATING], crops[out], known[out])


def chosen_crops(model: SpeciesClassifier, folder: Path, most: int = 3 * (CALIBRATING + HELD_OUT)) -> Crops:
    """Crops of a folder, spread over it; the name of a crop's folder is its label where it is a class of the model.

    Raises:
        DataError: There are too few.
    """
    paths = pictures_in(folder)
    if len(paths) > most:
        paths = [paths[round(place)] for place in np.linspace(0, len(paths) - 1, most)]
    taxonomy = Taxonomy(model.class_names, load_crosswalk())
    names = sorted({path.parent.name for path in paths})
    label_of = dict(zip(names, labels_of(names, taxonomy).tolist(), strict=True))
    crops, labels = [], []
    for path in paths:
        try:
            image = decode_picture(path).image
        except MediaError:
            continue
        whole = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
        crops.append(cut_crops(image, whole, model.size_hw)[0])
        labels.append(label_of[path.parent.name])
    if len(crops) < LEAST:
        problem = f"{len(crops)} crops can be read, and at least {LEAST} are needed"
        raise DataError(problem, where=folder, hint="give a folder with a few hundred crops of birds")
    return Crops.of(np.stack(crops), np.array(labels, np.int64))


def export_classifier_int8(
    model: SpeciesClassifier, output: Path, target: Target, asked: Quantising, crops: Crops
) -> ExportManifest:
    """Write a classifier into a folder in 8 bits; see `int8.export_int8`."""
    with new_export(output) as folder:
        files = {}
        for name, part in cut(model).items():
            samples = _Normalised(model, crops.calibrating)
            quantised = quantise(openvino_model(part), samples, asked.keep_float, len(crops.calibrating))
            files[name] = write_openvino(quantised, folder.path, name)
        described(model, target, folder.path, files).write(folder.path)
        export = SpeciesClassifier.load(folder.path, "cpu", "auto")
        agreement = measured_classifier(model, export, crops.held_out, crops.labels)
        if agreement.faults and not asked.allow_loss:
            refuse(agreement, ())
        warn_of(agreement)
        return folder.finish(described(model, target, folder.path, files, agreement.entries))


class _Normalised:
    """Crops as the network takes them, one at a time: float32 (1, 3, H, W)."""

    def __init__(self, model: SpeciesClassifier, crops: NDArray[np.uint8]) -> None:
        self.model, self.crops = model, crops

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        mean = np.array(self.model.mean, np.float32)[:, None, None]
        std = np.array(self.model.std, np.float32)[:, None, None]
        for crop in self.crops:
            yield ((crop.transpose(2, 0, 1).astype(np.float32) / 255 - mean) / std)[None]
