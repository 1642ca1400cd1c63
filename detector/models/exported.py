"""A detector from a folder of `hoopoe export-model`: torchvision's boxes around parts that another runtime runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from backbones.errors import CheckpointError, HoopoeError
from detector.base.content_hash import sha256_of
from detector.base.devices import Asked
from detector.models.building import build_detector
from detector.models.coco import BUILT_IN, build_coco
from detector.models.config import ModelConfig
from detector.models.detector import Detector, DetectorMeta
from detector.models.onnx.exported import load_foreign
from detector.runtimes.loading import FOREIGN, Runner
from detector.runtimes.manifest import EXPORT_FILE, ExportManifest, read_manifest
from detector.runtimes.part import Part
from detector.runtimes.stand_ins import (
    CarriedRetinaNetHead,
    CarriedRPNHead,
    DenseBackbone,
    PartBoxHead,
    ProposingBackbone,
    SharedPool,
)

DENSE, BOXES = "dense", "boxes"  # names of a detector's parts


def load_exported(folder: Path, device: torch.device | str | None = None, precision: Asked = "auto") -> Detector:
    """The detector of an export; see `load_detector`.

    Raises:
        CheckpointError: The export is no detector's, or damaged.
        ConfigError: Its runtime is not installed, or does not run there.
    """
    manifest = read_manifest(folder)
    if manifest.kind != "detector":
        problem = "this is an exported classifier, not a detector"
        raise CheckpointError(problem, where=folder, hint="it names birds; give it as --species")
    runner = Runner.chosen(folder, manifest, device, precision)
    if FOREIGN in manifest.parts:
        return load_foreign(folder, manifest, runner)
    net, config = _skeleton(folder, manifest)
    put_parts(net, runner.part)
    if config.detector != "retinanet":
        net.roi_heads.box_roi_pool = SharedPool(net.roi_heads.box_roi_pool)
    meta = DetectorMeta(config, metrics=manifest.agreement, versions=manifest.versions)
    sha256 = sha256_of(folder / EXPORT_FILE)
    return Detector(net.eval(), meta, folder.name, sha256, "fp32", str(folder.absolute()), runner.label)


def put_parts(net: Any, part: Callable[[str, Sequence[int]], Part]) -> None:
    """Let parts compute what is dense in a network.

    Args:
        net: A RetinaNet or Faster R-CNN; changed.
        part: Name of a part, and channels of its outputs -> the part.
    """
    if not hasattr(net, "roi_heads"):
        anchors, classes = net.anchor_generator.num_anchors_per_location(), net.head.classification_head.num_classes
        dense = part(DENSE, [*(each * classes for each in anchors), *(each * 4 for each in anchors)])
        net.backbone, net.head = DenseBackbone(dense), CarriedRetinaNetHead(classes)
    else:
        outputs = net.roi_heads.box_predictor.cls_score.out_features
        maps = len(net.rpn.anchor_generator.sizes) - 1  # and one by subsampling; a pool may know names of more
        anchors = net.rpn.anchor_generator.num_anchors_per_location()
        channels = [net.backbone.out_channels] * len(anchors)
        dense = part(DENSE, [*channels, *anchors, *(each * 4 for each in anchors)])
        net.backbone = ProposingBackbone(dense, [*net.roi_heads.box_roi_pool.featmap_names[:maps], "pool"])
        net.rpn.head = CarriedRPNHead()
        net.roi_heads.box_head = PartBoxHead(part(BOXES, (outputs, 4 * outputs)), (outputs, 4 * outputs))
        net.roi_heads.box_predictor = nn.Identity()


def _skeleton(folder: Path, manifest: ExportManifest) -> tuple[Any, ModelConfig]:
    """The network that the parts belong to, without weights."""
    try:
        config = ModelConfig.model_validate(manifest.model)
        if config.weights in BUILT_IN:
            return build_coco(config.weights)
        with torch.device("meta"):
            return build_detector(config, load_weights=False), config
    except (ValidationError, HoopoeError) as error:
        said = error.problem if isinstance(error, HoopoeError) else error.errors()[0]["msg"][:120]
        problem = f"the detector cannot be built ({said})"
        raise CheckpointError(problem, where=folder / EXPORT_FILE, hint="export the model again") from error
