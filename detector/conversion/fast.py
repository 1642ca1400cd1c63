"""`annotate --speed fast`: models made faster by themselves, on the photos at hand, and kept beside the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError, HoopoeError
from detector.base.files import read_text, write_bytes
from detector.base.reporting import say, task, warn
from detector.conversion.agreement import sentences
from detector.conversion.crops import Crops, export_classifier_int8
from detector.conversion.detector_int8 import export_detector_int8
from detector.conversion.export import Target, export_plain
from detector.conversion.onnx_int8 import export_onnx_int8, is_quantisable
from detector.conversion.photos import LEAST, Chosen, Photos, chosen_of
from detector.conversion.quantising import Quantising, TooLossy
from detector.models.detector import Detector
from detector.models.exported import load_exported
from detector.models.prediction import detect
from detector.runtimes.manifest import ExportManifest, is_export, read_manifest
from detector.runtimes.part import runtime_module
from detector.species.classifier import SpeciesClassifier
from detector.species.crops import crop_boxes, cut_crops
from detector.species.names.kinds import MAYBE_BIRD, kind_of_label

INT8, PLAIN = Target(precision="int8"), Target(precision="bf16")
CALIBRATING, HELD_OUT = 400, 200  # crops at most, on which a classifier is calibrated and measured
MOST_FLOAT = 2  # groups of layers that leave 8 bits, before bfloat16 is as fast
_NOTE_BYTES = 1000
CROPS_FROM = 0.2  # scores of the boxes that are cut out


def is_fast(model: Detector | SpeciesClassifier, folder: Path) -> bool:
    """Whether a folder holds a fast export of this very model."""
    return is_export(folder) and model.sha256 is not None and read_manifest(folder).source.sha256 == model.sha256


def is_ready(model: Detector | SpeciesClassifier, folder: Path) -> bool:
    """Whether nothing has to be made of a model: it is there, or it stays as it is."""
    if isinstance(model, SpeciesClassifier):
        stays = model.runtime != "torch"
    else:
        stays = not becomes_faster(model) or was_left(model, folder)
    return stays or is_fast(model, folder)


def was_left(detector: Detector, folder: Path) -> bool:
    """Whether this detector was found to lose too much in 8 bits, so that it runs as it is in this store."""
    note = _note(folder)
    return note.is_file() and read_text(note, max_bytes=_NOTE_BYTES).strip() == detector.sha256


def fast_detector(detector: Detector, folder: Path, photos: Sequence[Path]) -> Detector:
    """The detector in 8 bits, calibrated and measured on some of these photos; in bfloat16 where that loses birds.

    Layers that lose birds leave 8 bits first, see `_least_float`.

    Args:
        detector: On the CPU; an export stays as it is.
        folder: Where its export is, or goes.
        photos: The user's own.

    Raises:
        ConfigError: The extra `fast` is not installed.
    """
    if is_quantisable(detector):
        return _fast_foreign(detector, folder, photos)
    if detector.runtime != "torch":
        return detector
    runtime_module("openvino"), runtime_module("nncf")
    if not is_fast(detector, folder):
        exact = replace(detector, precision="fp32")
        try:
            chosen = chosen_of(photos, folder)
            count = len(chosen.calibrating.paths) + len(chosen.held_out.paths)
            say(f"making {detector.name} fast: calibrated and measured on {count} of these photos, once")
            _say_measured(_least_float(exact, folder, chosen))
        except HoopoeError as error:
            warn(f"{error.problem}: the detector is not brought to 8 bits, but to bf16")
            export_plain(exact, folder, PLAIN)
    return load_exported(folder, "cpu")


def _least_float(exact: Detector, folder: Path, chosen: Chosen) -> ExportManifest:
    """An export in 8 bits; where it loses too much, the layers that are most to blame leave them one after the other.

    Raises:
        HoopoeError: It loses too much even so.
    """
    kept: tuple[str, ...] = ()
    while True:
        try:
            return export_detector_int8(exact, folder, INT8, Quantising(folder, keep_float=kept), chosen)
        except TooLossy as error:
            further = [each for each in error.to_blame if each not in kept]
            if not further or len(kept) == MOST_FLOAT:
                raise
            kept = (*kept, further[0])
            say(f"{error.problem}: once more, with {' and '.join(kept)} out of 8 bits")


def _fast_foreign(detector: Detector, folder: Path, photos: Sequence[Path]) -> Detector:
    """A YOLO in 8 bits; as it is where that loses boxes: in bfloat16 its boxes would be some pixels off."""
    runtime_module("openvino"), runtime_module("nncf")
    if was_left(detector, folder):
        warn(f"{detector.name} runs as it is, as in this store before")
        return detector
    if not is_fast(detector, folder):
        try:
            chosen = chosen_of(photos, folder)
            count = len(chosen.calibrating.paths) + len(chosen.held_out.paths)
            say(f"making {detector.name} fast: calibrated and measured on {count} of these photos, once")
            _say_measured(export_onnx_int8(detector, folder, chosen))
        except HoopoeError as error:
            warn(f"{error.problem}: {detector.name} runs as it is")
            write_bytes(_note(folder), f"{detector.sha256}\n".encode())  # so that the next run does the same
            return detector
    return load_exported(folder, "cpu")


def _note(folder: Path) -> Path:
    """Of the detector that was not brought to 8 bits: beside the place of its export."""
    return folder.with_name(f"{folder.name}_as_it_is.txt")


def fast_classifier(
    species: SpeciesClassifier, detector: Detector, folder: Path, photos: Sequence[Path]
) -> SpeciesClassifier:
    """The classifier in 8 bits, calibrated on what the detector finds in some of these photos; see `fast_detector`."""
    if species.runtime != "torch":
        return species
    runtime_module("openvino"), runtime_module("nncf")
    if not is_fast(species, folder):
        exact = replace(species, precision="fp32")
        try:
            crops = _found_crops(exact, detector, chosen_of(photos, folder))
            count = len(crops.calibrating) + len(crops.held_out)
            say(f"making {species.name} fast: calibrated and measured on {count} birds of these photos, once")
            _say_measured(export_classifier_int8(exact, folder, INT8, Quantising(folder), crops))
        except HoopoeError as error:
            warn(f"{error.problem}: the classifier is not brought to 8 bits, but to bf16")
            export_plain(exact, folder, PLAIN)
    return SpeciesClassifier.load(folder, "cpu", "auto")


def _say_measured(manifest: ExportManifest) -> None:
    for sentence in sentences(manifest.agreement):
        say(sentence)


def becomes_faster(detector: Detector) -> bool:
    """Whether `fast_detector` tries to make another of it."""
    return is_quantisable(detector) or detector.runtime == "torch"


def _found_crops(species: SpeciesClassifier, detector: Detector, photos: Chosen) -> Crops:
    """Crops of what may be birds: those to measure on are of other photos than those to calibrate on.

    Raises:
        DataError: There are too few.
    """
    with task(
        "finding birds to calibrate on", len(photos.calibrating.paths) + len(photos.held_out.paths), "photos"
    ) as bar:
        calibrating = _crops_in(species, detector, photos.calibrating, CALIBRATING, bar.advance)
        held_out = _crops_in(species, detector, photos.held_out, HELD_OUT, bar.advance)
    if len(calibrating) < 2 * LEAST or len(held_out) < LEAST:
        problem = f"{len(calibrating)} birds were found to calibrate on, and {len(held_out)} to measure on"
        raise DataError(problem, where="--speed fast", hint="use more photos")
    return Crops(np.stack(calibrating), np.stack(held_out), np.full(len(held_out), -1))


def _crops_in(
    species: SpeciesClassifier, detector: Detector, photos: Photos, most: int, advance: Callable[[], object]
) -> list[NDArray[np.uint8]]:
    """Crops (H, W, 3) of what may be birds in photos, so many at most."""
    possible = np.array([kind_of_label(name) in MAYBE_BIRD for name in detector.categories], bool)
    crops: list[NDArray[np.uint8]] = []
    for photo in photos:
        found = detect(detector, [photo], batch_size=1, score_threshold=CROPS_FROM)[0]
        boxes = found.boxes_xyxy[possible[found.labels]]
        crops.extend(cut_crops(photo, crop_boxes(boxes, (photo.shape[1], photo.shape[0])), species.size_hw))
        advance()
        if len(crops) >= most:
            break
    return crops[:most]
