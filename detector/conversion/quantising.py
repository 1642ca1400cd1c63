"""8 bits by NNCF: calibrated on the user's own photos, measured on others, refused where birds are lost."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backbones.errors import ConfigError, DataError, HoopoeError
from detector.base.reporting import say, task
from detector.conversion.agreement import Agreement, measured_detector
from detector.conversion.blaming import blamed
from detector.conversion.cutting import LAST_LAYERS, cut
from detector.conversion.export import Target, described, new_export
from detector.conversion.layers import FLOATABLE, pattern_of
from detector.conversion.photos import Chosen, Photos, chosen_photos
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
from detector.runtimes.part import runtime_module
from detector.species.classifier import SpeciesClassifier

# OpenVINO has this attention in float alone: 8 bits around it only cost time. Depthwise convolutions and the stem cost
# little, and most of what 8 bits lose is lost in them.
FLOAT_TYPES = {"ScaledDotProductAttention", "GroupConvolution"}
ALWAYS_FLOAT = ("stem",)
BOX_PHOTOS, BOXES_EACH = 32, 48  # of which the box head is calibrated: its inputs are large


@dataclass(frozen=True)
class Quantising:
    """How a model is brought to 8 bits.

    Attributes:
        photos: The folder of the user's photos; of crops, for a classifier.
        annotations: COCO boxes in them, to measure AP too.
        keep_float: Groups of layers that stay out of 8 bits; see `layers.FLOATABLE`.
        allow_loss: Keep an export that loses too many birds.
    """

    photos: Path
    annotations: Path | None = None
    keep_float: tuple[str, ...] = ()
    allow_loss: bool = False

    def __post_init__(self) -> None:
        unknown = [each for each in self.keep_float if each not in FLOATABLE]
        if unknown:
            problem = f"there are no layers called {unknown[0]!r}"
            raise ConfigError(problem, where="--keep-float", hint=f"such as {', '.join(FLOATABLE)}")


def export_int8(model: Any, output: Path, target: Target, asked: Quantising) -> ExportManifest:
    """Write a model into a folder in 8 bits; see `export_plain`.

    Raises:
        HoopoeError: The export loses too many birds; the layers to blame are named.
        DataError: There are too few photos.
    """
    runtime_module("nncf")
    if isinstance(model, SpeciesClassifier):
        from detector.conversion.crops import chosen_crops, export_classifier_int8

        crops = chosen_crops(model, asked.photos)
        return export_classifier_int8(model, output, target, asked, crops)
    return export_detector_int8(model, output, target, asked, chosen_photos(asked.photos))


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
        figures = dict(agreement.figures)
        if truth is not None:
            figures["AP"] = _average_precisions(model, load_exported(folder.path, "cpu"), truth)
        return folder.finish(described(model, target, folder.path, files, figures))


def quantise(model: Any, samples: Iterable[NDArray[np.float32]], keep_float: Sequence[str], count: int) -> Any:
    """A model of OpenVINO in 8 bits; its last layers, and groups that are named, stay as they are.

    Args:
        model: As from `openvino_model`; used up.
        samples: Inputs to calibrate on.
        keep_float: Groups of layers.
        count: Inputs that there are, about.
    """
    nncf: Any = runtime_module("nncf")
    advanced: Any = runtime_module("nncf.quantization.advanced_parameters")
    nncf_log(nncf)
    patterns = [rf".*\b{layer}\b.*" for layer in LAST_LAYERS] + [
        pattern_of(each) for each in (*ALWAYS_FLOAT, *keep_float)
    ]
    ops = model.get_ops()
    names = [node.get_friendly_name() for node in ops]
    ignored = [each for each in patterns if any(re.match(each, name) for name in names)]
    types = sorted(FLOAT_TYPES & {each.get_type_name() for each in ops})
    with task("calibrating", None, ""), contextlib.redirect_stdout(io.StringIO()):  # its own bars
        return nncf.quantize(
            model,
            nncf.Dataset(samples),
            subset_size=max(1, count),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(patterns=ignored, types=types),
            # per channel it would take the rows of a channels-last map for channels
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_quantization_params=advanced.QuantizationParameters(per_channel=False)
            ),
        )


def nncf_log(nncf: Any) -> None:
    """Let NNCF say what is wrong, and nothing else."""
    nncf.set_log_level(logging.ERROR)


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


def refuse(agreement: Agreement, blame: Sequence[str]) -> None:
    """Say what is lost, and which layers are to blame.

    Raises:
        HoopoeError: Always.
    """
    names = " ".join(line.split(":")[0] for line in blame[:1])
    for line in blame:
        say(f"  without 8 bits in {line}")
    hint = f"keep layers out of 8 bits (--keep-float {names or 'head'}), use --precision bf16, or --allow-loss"
    raise HoopoeError(f"in 8 bits the model loses too much: {'; '.join(agreement.faults)}", hint=hint)


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
