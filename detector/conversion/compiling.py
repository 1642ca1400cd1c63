"""Models whose dense parts torch compiles while they run: `annotate --speed fast` on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from detector.conversion.cutting import ClassifierDense, dense_modules
from detector.models.detector import Detector
from detector.models.exported import DENSE, put_parts
from detector.models.limits import sharing_weights
from detector.runtimes.compiled_part import CompiledPart
from detector.runtimes.part import Part
from detector.runtimes.stand_ins import PartClassifier
from detector.species.classifier import SpeciesClassifier

BOX_ROWS = 256  # pooled boxes: their number changes with each batch


def compiled_detector(detector: Detector) -> Detector:
    """The same weights, compiled for each size of pictures that comes; another runtime's detector stays as it is.

    Args:
        detector: Left as it is, but for its weights' order in memory.
    """
    if detector.runtime != "torch":
        return detector
    net, modules = sharing_weights(detector.net, "rpn", "roi_heads"), dense_modules(detector.net)

    def part(name: str, widths: Sequence[int]) -> Part:
        compiled = CompiledPart(modules[name], detector.precision, 1 if name == DENSE else BOX_ROWS)
        compiled.widths = tuple(widths)
        return compiled

    put_parts(net, part)
    return replace(detector, net=net.eval(), runtime=f"compiled {detector.precision}")


def compiled_classifier(species: SpeciesClassifier) -> SpeciesClassifier:
    """Likewise for a classifier."""
    if species.runtime != "torch":
        return species
    net: Any = species.net
    part = CompiledPart(ClassifierDense(net).eval(), species.precision)
    part.widths = (net.embedding_size, net.num_classes)
    together = PartClassifier(part, net.num_classes, net.embedding_size)
    return replace(species, net=together.eval(), runtime=f"compiled {species.precision}")
