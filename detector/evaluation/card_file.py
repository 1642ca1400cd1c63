"""The file of a model card, `model_card.md`: facts gathered, measured and written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbones.errors import HoopoeError
from detector.base.files import write_bytes
from detector.base.json_text import parse_json
from detector.data.packed import Annotations
from detector.evaluation.evaluation import Evaluation
from detector.evaluation.model_card import CardFacts, Machine, model_card
from detector.evaluation.slices import card_figures
from detector.models.detector import Detector

NAME = "model_card.md"


def write_model_card(
    folder: Path, detector: Detector, evaluation: Evaluation | None = None, annotations: Annotations | None = None
) -> None:
    """Write a card; pictures are read once more, small, for their light.

    Args:
        folder: Where `model_card.md` goes.
        detector: The detector; what its run's data.json says is told where that lies beside its file.
        evaluation: Of the detector on `annotations`; None: it was evaluated on no set.
        annotations: See above; with the attribute `location` where there is one.
    """
    figures, speed, seen_with, false_boxes = None, None, None, {}
    if evaluation is not None and annotations is not None:
        figures = card_figures(evaluation, annotations)
        kinds = {"of this set": evaluation.false_on_own, "of others": evaluation.false_on_negatives}
        false_boxes = {name: boxes for name, boxes in kinds.items() if boxes is not None}
        if evaluation.found is not None:
            speed, seen_with = evaluation.found.images_per_second, evaluation.found.seen_with
    data = data_of_run(detector)
    facts = CardFacts(detector, Machine.of(detector), data, figures, speed, seen_with, false_boxes)
    write_bytes(folder / NAME, model_card(facts).encode())


def data_of_run(detector: Detector) -> dict[str, Any]:
    """The content of data.json beside the detector's file; nothing where it is of other data, or no run's."""
    if detector.source is None:
        return {}
    try:
        content = parse_json(Path(detector.source).parent / "data.json")
    except (HoopoeError, OSError):
        return {}
    train = content.get("train") if isinstance(content, dict) else None
    if not isinstance(train, Mapping) or train.get("fingerprint") != detector.meta.training_data.get("fingerprint"):
        return {}
    return content if _is_whole(train) else {}


def _is_whole(train: Mapping[str, Any]) -> bool:
    """Whether it has what a card tells; somebody may have edited it."""
    files, categories, report = train.get("files"), train.get("categories"), train.get("report")
    return (
        isinstance(files, list)
        and all(isinstance(each, dict) and {"annotations", "images"} <= each.keys() for each in files)
        and isinstance(categories, dict)
        and all(isinstance(count, int) for count in categories.values())
        and isinstance(report, dict)
        and isinstance(train.get("left_out", {}), dict)
    )
