"""Which layers lose the birds: the values of each group leave 8 bits in turn, and the birds are counted again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from detector.conversion.agreement import measured_detector
from detector.conversion.layers import FLOATABLE, group_of
from detector.conversion.photos import Photos
from detector.models.detector import Detector
from detector.models.exported import BOXES, DENSE, load_exported
from detector.runtimes.openvino_part import OpenVINOPart, openvino_core
from detector.runtimes.part import runtime_module

PHOTOS = 16  # to count on: a group takes as long as these photos


def blamed(model: Detector, folder: Path, photos: Photos) -> list[str]:
    """Groups of layers whose return to float gives birds back, with how many; the most first.

    Args:
        model: The model in float32.
        folder: Its export in 8 bits.
        photos: To count on.
    """
    few = Photos(photos.paths[:PHOTOS])
    lost_before = _lost(model, load_exported(folder, "cpu"), few)
    gains: list[tuple[int, str]] = []
    with tempfile.TemporaryDirectory() as place:
        for group in FLOATABLE:
            export = load_exported(folder, "cpu")
            freed = False
            for name, holder in _holders(export.net).items():
                file = Path(place) / f"{group}_{name}.xml"
                if _freed(folder / f"{name}.xml", group, file):
                    holder.part, freed = OpenVINOPart(file, "fp32"), True
            if not freed:
                continue
            gained = lost_before - _lost(model, export, few)
            if gained > 0:
                gains.append((gained, f"{group}: {gained} of {lost_before} lost boxes are found again"))
    return [line for _, line in sorted(gains, key=lambda gain: -gain[0])]


def _holders(net: Any) -> dict[str, Any]:
    """The modules that hold an export's parts, by the parts' names."""
    return {DENSE: net.backbone, **({BOXES: net.roi_heads.box_head} if hasattr(net, "roi_heads") else {})}


def _lost(model: Detector, export: Detector, photos: Photos) -> int:
    figures = measured_detector(model, export, photos).figures
    return sum(figures[size]["boxes"] - figures[size]["found"] for size in ("large", "small"))


def _freed(file: Path, group: str, to: Path) -> bool:
    """Write a network without the steps that bring a group's values to 8 bits; whether there were any."""
    network = openvino_core().read_model(str(file))
    steps = [node for node in network.get_ops() if node.get_type_name() == "FakeQuantize"]
    own = [node for node in steps if group_of(node.get_friendly_name()) == group]
    for node in own:
        node.output(0).replace(node.input_value(0))
    if own:
        runtime_module("openvino").save_model(network, str(to), compress_to_fp16=False)
    return bool(own)
