"""Foreign detectors in 8 bits: YOLOs from their ONNX files, calibrated and measured on the user's own photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.reporting import task
from detector.conversion.agreement import measured_detector
from detector.conversion.export import Target, described, new_export
from detector.conversion.photos import Chosen, Photos
from detector.conversion.quantising import quantise, refuse, warn_of
from detector.conversion.writing import refused, write_openvino
from detector.models.detector import Detector
from detector.models.exported import load_exported
from detector.models.onnx.exported import ForeignEntries
from detector.models.onnx.network import OnnxNet
from detector.models.prediction import image_tensor
from detector.runtimes.loading import FOREIGN
from detector.runtimes.manifest import ExportManifest
from detector.runtimes.openvino_part import openvino_core

QUANTISABLE = ("yolov5", "yolov8", "yolov10", "yolox")  # a DETR's decoder loses nearly all in 8 bits
WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")


def is_quantisable(detector: Detector) -> bool:
    """Whether it is a foreign detector, from its own file, that 8 bits do not spoil by their nature."""
    return isinstance(detector.net, OnnxNet) and detector.runtime.removeprefix("onnx ") in QUANTISABLE


def export_onnx_int8(model: Detector, output: Path, photos: Chosen) -> ExportManifest:
    """Write a foreign detector into a folder in 8 bits; all but 8 bits is float32, as boxes are decoded in the network.

    Raises:
        HoopoeError: It loses too many boxes, or OpenVINO cannot take it.
    """
    net: Any = model.net
    with new_export(output) as folder, refused("OpenVINO"):
        network = openvino_core().read_model(str(net.session.file))
        samples = _Inputs(model, photos.calibrating)
        quantised = quantise(network, samples, (), len(photos.calibrating.paths), last_layers(network))
        target, files = Target(precision="int8"), {FOREIGN: write_openvino(quantised, folder.path, FOREIGN)}
        said = ForeignEntries.of(net).model_dump(mode="json")
        manifest = described(model, target, folder.path, files).model_copy(update={"model": said})
        manifest.write(folder.path)
        with task("measuring", len(photos.held_out.paths), "photos") as progress:
            counted = _counted(photos.held_out, progress.advance)
            agreement = measured_detector(model, load_exported(folder.path, "cpu"), counted)
        if agreement.faults:
            refuse(agreement, ())
        warn_of(agreement)
        return folder.finish(manifest.model_copy(update={"agreement": agreement.entries}))


def last_layers(network: Any) -> list[str]:
    """Names of a network's nodes from its outputs back to the last layers with weights, and these.

    What decodes boxes cannot be in 8 bits: they would lie on a grid of 256. A convolution of one channel is part of it,
    as that is how YOLOs read a distribution.
    """
    names: dict[str, None] = {}
    waiting = list(network.get_results())
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() in names:
            continue
        names[node.get_friendly_name()] = None
        if node.get_type_name() in WEIGHTED and _has_weights(node) and node.get_output_partial_shape(0)[1] != 1:
            continue
        waiting += [node.input_value(place).get_node() for place in range(node.get_input_size())]
    return list(names)


def _has_weights(node: Any) -> bool:
    """Whether an input of a layer is constant, perhaps after a change of its type."""
    for place in range(node.get_input_size()):
        source = node.input_value(place).get_node()
        while source.get_type_name() == "Convert":
            source = source.input_value(0).get_node()
        if source.get_type_name() == "Constant":
            return True
    return False


class _Inputs:
    """Photos as the network takes them."""

    def __init__(self, model: Detector, photos: Photos) -> None:
        self.model, self.photos = model, photos

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        net: Any = self.model.net
        rule = self.model.size_rule
        for photo in self.photos:
            resized = rule.resize(photo, rule.size((photo.shape[1], photo.shape[0])))
            yield net.input_of(image_tensor(resized))


def _counted(photos: Photos, advance: Any) -> Iterator[NDArray[np.uint8]]:
    for photo in photos:
        yield photo
        advance()
