"""Detectors in 8 bits: calibrated on the user's own photos, measured on others, refused where birds are lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backbones.errors import DataError, HoopoeError
from detector.base.reporting import task
from detector.conversion.agreement import measured_detector
from detector.conversion.blaming import blamed
from detector.conversion.cutting import cut
from detector.conversion.export import Target, described, new_export
from detector.conversion.photos import Chosen, Photos
from detector.conversion.quantising import Quantising, quantise, refuse, warn_of
from detector.conversion.writing import openvino_model, write_openvino
from detector.data.config import DataConfig
from detector.data.packed import Annotations
from detector.data.resizing import resize
from detector.evaluation.detecting import DetectionOptions
from detector.evaluation.evaluation import evaluate
from detector.evaluation.ground_truth import read_ground_truth
from detector.models.detector import Detector
from detector.models.exported import BOXES, load_exported
from detector.models.prediction import image_tensor
from detector.runtimes.manifest import ExportManifest

BOX_PHOTOS, BOXES_EACH = 32, 48  # of which the box head is calibrated: its inputs are large


def export_detector_int8(
    model: Detector, output: Path, target: Target, asked: Quantising, photos: Chosen
) -> ExportManifest:
    """See `export_int8`; the photos are chosen."""
    truth = None if asked.annotations is None else _truth(model, asked.annotations, asked.photos)
    with new_export(output) as folder:
        parts, files = cut(model), {}
        for name, part in parts.items():
            samples = (
                pooled_boxes(model, photos.calibrating) if name == BOXES else normalised(model, photos.calibrating)
            )
            quantised = quantise(openvino_model(part), samples, asked.keep_float, len(photos.calibrating.paths))
            files[name] = write_openvino(quantised, folder.path, name)
        described(model, target, folder.path, files).write(folder.path)
        with task("measuring", len(photos.held_out.paths), "photos") as progress:
            counted = _counted(photos.held_out, progress.advance)
            agreement = measured_detector(model, load_exported(folder.path, "cpu"), counted)
        if agreement.faults and not asked.allow_loss:
            refuse(agreement, blamed(model, folder.path, photos.held_out.at(agreement.lost_in)))
        figures = agreement.entries
        warn_of(agreement)
        if truth is not None:
            figures["AP"] = _average_precisions(model, load_exported(folder.path, "cpu"), truth)
        return folder.finish(described(model, target, folder.path, files, figures))


class normalised:
    """Photos as a detector's dense part takes them: float32 (1, 3, H, W), normalised and padded."""

    def __init__(self, model: Detector, photos: Photos) -> None:
        self.model, self.photos = model, photos

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for photo in self.photos:
            yield padded(self.model, photo).numpy()


def padded(model: Detector, photo: NDArray[np.uint8]) -> torch.Tensor:
    """A photo (H, W, 3) as the dense part takes it: (1, 3, H', W')."""
    net: Any = model.net
    size_wh = model.size_rule.size((photo.shape[1], photo.shape[0]))
    images, _ = net.transform([image_tensor(resize(photo, size_wh))])
    batch: torch.Tensor = images.tensors
    return batch


def pooled_boxes(model: Detector, photos: Photos) -> list[NDArray[np.float32]]:
    """What a detector's box head sees of some photos: float32 (N, C, 7, 7) each."""
    seen: list[NDArray[np.float32]] = []
    net: Any = model.net

    def keep(_module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]):
            seen.append(inputs[0][:BOXES_EACH].float().cpu().numpy())

    hook = net.roi_heads.box_head.register_forward_pre_hook(keep)
    try:
        with torch.inference_mode(), task("proposing", None, ""):
            for photo in Photos(photos.paths[:BOX_PHOTOS]):
                size_wh = model.size_rule.size((photo.shape[1], photo.shape[0]))
                net([image_tensor(resize(photo, size_wh)).to(model.device)])
    finally:
        hook.remove()
    if not seen:
        raise HoopoeError("the detector proposes no boxes in these photos", hint="give photos with birds in them")
    return seen


def _counted(photos: Photos, advance: Any) -> Iterator[NDArray[np.uint8]]:
    for photo in photos:
        yield photo
        advance()


def _truth(model: Detector, annotations: Path, photos: Path) -> Annotations:
    """The annotated photos, all of which are there."""
    truth, _ = read_ground_truth([(annotations, photos)], model.meta)
    for index in range(len(truth)):
        if not (path := truth[index].path).is_file():
            raise DataError("this annotated picture is not there", where=path, hint="give their folder as --photos")
    return truth


def _average_precisions(model: Detector, export: Detector, truth: Annotations) -> dict[str, float]:
    """AP of the model and of its export on the annotated photos."""
    options = DetectionOptions(batch_size=2, loading=DataConfig(workers=0))
    found = {name: evaluate(each, truth, options).metrics.AP for name, each in (("model", model), ("export", export))}
    return {name: value for name, value in found.items() if value is not None}
