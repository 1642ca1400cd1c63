"""Any model in 8 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detector.conversion.crops import chosen_crops, export_classifier_int8
from detector.conversion.detector_int8 import export_detector_int8
from detector.conversion.export import Target
from detector.conversion.photos import chosen_photos
from detector.conversion.quantising import Quantising
from detector.runtimes.manifest import ExportManifest
from detector.runtimes.part import runtime_module
from detector.species.classifier import SpeciesClassifier


def export_int8(model: Any, output: Path, target: Target, asked: Quantising) -> ExportManifest:
    """Write a model into a folder in 8 bits; see `export_plain`.

    Raises:
        HoopoeError: The export loses too many birds; the layers to blame are named.
        DataError: There are too few photos.
    """
    runtime_module("nncf")
    if isinstance(model, SpeciesClassifier):
        crops = chosen_crops(model, asked.photos)
        return export_classifier_int8(model, output, target, asked, crops)
    return export_detector_int8(model, output, target, asked, chosen_photos(asked.photos))
