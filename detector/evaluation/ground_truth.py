"""The annotations that a detector is evaluated on, with the detector's labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backbones.errors import ConfigError
from detector.data.coco.categories import CategoryMapping
from detector.data.coco.reading import ReadingReport, read_coco
from detector.data.packed import Annotations
from detector.models.detector import DetectorMeta


def read_ground_truth(
    sources: Sequence[tuple[Path, Path]],
    meta: DetectorMeta,
    *,
    categories: Path | None = None,
    agnostic: bool = False,
    attributes: Sequence[str] = (),
) -> tuple[Annotations, ReadingReport]:
    """Read COCO files with the labels of a detector.

    Args:
        sources: Pairs of a COCO JSON and the folder of its images.
        meta: What the detector's file says; its training's mapping of categories holds unless another is given.
        categories: YAML file that maps annotated names to the detector's.
        agnostic: All annotated categories are the detector's only one.
        attributes: Further keys of the image records to keep.

    Raises:
        ConfigError: `agnostic`, and the detector has several categories.
        DataError: A file cannot be used, or has boxes of a category that the detector does not know.
    """
    if agnostic and len(meta.category_names) > 1:
        problem = f"the detector has {len(meta.category_names)} categories"
        raise ConfigError(problem, where="--agnostic", hint="read class_agnostic in metrics.json, or give --categories")
    if categories is not None:
        mapping = CategoryMapping.read(categories)
    elif agnostic:
        mapping = CategoryMapping.agnostic(meta.category_names[0])
    else:
        mapping = CategoryMapping(meta.training_data.get("mapping", {}))
    return read_coco(sources, mapping=mapping, category_names=meta.category_names, attributes=attributes)
