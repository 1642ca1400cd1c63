"""The annotations that a detector is evaluated on, with the detector's labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detector.data.coco.categories import CategoryMapping
from detector.data.coco.reading import ReadingReport, read_coco
from detector.data.packed import Annotations
from detector.models.detector import DetectorMeta

BIRD = "bird"  # the category of annotations and detectors that know no species


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
        agnostic: All annotated categories are `bird`: the detector's category of that name, its only one, or, for a
            detector of species, what all of its categories are (see `evaluate`).
        attributes: Further keys of the image records to keep.

    Raises:
        DataError: A file cannot be used, or has boxes of a category that the detector does not know.
    """
    names = meta.category_names
    if categories is not None:
        mapping = CategoryMapping.read(categories)
    elif agnostic:
        names = names if BIRD in names or len(names) == 1 else (BIRD,)
        mapping = CategoryMapping.agnostic(BIRD if BIRD in names else names[0])
    else:
        mapping = CategoryMapping(meta.training_data.get("mapping", {}))
    return read_coco(sources, mapping=mapping, category_names=names, attributes=attributes)
