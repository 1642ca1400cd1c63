"""Detections as other libraries hold them, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backbones.errors import ConfigError, DataError
from detector.base.checks import expect
from detector.types.detections import Detections

if TYPE_CHECKING:
    import supervision
    from torch import Tensor

BOX_DECIMALS = 2  # a hundredth of a pixel, far below what an annotator can tell
SCORE_DECIMALS = 6  # float32 has no more below 1, and fewer would tie the surest detections


def to_torchvision(found: Detections, first_label: int) -> dict[str, Tensor]:
    """See `Detections.to_torchvision`."""
    import torch

    _check_first_label(first_label)
    return {
        "boxes": torch.from_numpy(found.boxes_xyxy.copy()),
        "labels": torch.from_numpy(found.labels + first_label),
        "scores": torch.from_numpy(found.scores.copy()),
    }


def from_torchvision(output: Mapping[str, Tensor], category_names: Sequence[str], first_label: int) -> Detections:
    """See `Detections.from_torchvision`."""
    _check_first_label(first_label)
    hint = "give what the network returns for one image"
    expect(output, Mapping, "a dict of boxes, labels and scores", where="from_torchvision", hint=hint, error=DataError)
    missing = [name for name in ("boxes", "labels", "scores") if name not in output]
    if missing:
        problem = f"{' and '.join(missing)} is missing among {', '.join(map(str, output)) or 'nothing'}"
        raise DataError(problem, where="from_torchvision", hint="targets have no scores; outputs have")
    boxes, labels, scores = (_on_cpu(output[name]) for name in ("boxes", "labels", "scores"))
    empty = Detections.empty(_as_names(category_names))
    unnamed = Detections(boxes, scores, labels)
    last = first_label + len(empty.category_names) - 1
    if len(unnamed) and not (unnamed.labels.min() >= first_label and unnamed.labels.max() <= last):
        problem = (
            f"with first_label={first_label} and {len(empty.category_names)} categories labels are {first_label} to "
            f"{last}; here they are {unnamed.labels.min()} to {unnamed.labels.max()}"
        )
        hint = "first_label=1 for torchvision's own models, where 0 is the background; 0 for those of build_detector"
        raise DataError(problem, where="from_torchvision", hint=hint)
    return Detections(boxes, scores, unnamed.labels - first_label, empty.category_names)


def to_coco(found: Detections, image_id: int, categories: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """See `Detections.to_coco`."""
    ids = {name: number for number, name in _categories(categories).items()}
    unknown = sorted(set(found.names) - set(ids))
    if unknown:
        problem = f"'{unknown[0]}' is not among the categories {', '.join(ids)}"
        raise DataError(problem, where="to_coco", hint="give the categories of the COCO file that it is to match")
    return coco_rows(found, image_id, [ids.get(name, -1) for name in found.category_names])


def coco_rows(found: Detections, image_id: int, category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of a COCO results file, rounded as they are written: image_id, category_id, bbox (xywh) and score.

    Args:
        found: In original pixels.
        image_id: The image's.
        category_ids: The COCO id of each label.
    """
    boxes_xyxy = found.boxes_xyxy.astype(np.float64)
    boxes_xywh = np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)
    boxes = np.round(boxes_xywh, BOX_DECIMALS).tolist()
    scores = np.round(found.scores.astype(np.float64), SCORE_DECIMALS).tolist()
    return [
        {"image_id": int(image_id), "category_id": int(category_ids[label]), "bbox": box, "score": score}
        for label, box, score in zip(found.labels.tolist(), boxes, scores, strict=True)
    ]


def from_coco(results: Sequence[Mapping[str, Any]], categories: Sequence[Mapping[str, Any]]) -> Detections:
    """See `Detections.from_coco`."""
    names = _categories(categories)
    label_of = {number: label for label, number in enumerate(names)}
    if isinstance(results, Mapping) or not all(isinstance(row, Mapping) for row in results):
        problem = "a list of dicts with category_id, bbox and score is expected"
        raise DataError(problem, where="from_coco", hint="of a COCO file, these are its `annotations`")
    images = {row.get("image_id") for row in results}
    if len(images) > 1:
        problem = f"the rows are of {len(images)} images"
        raise DataError(problem, where="from_coco", hint="give those of one image")
    for place, row in enumerate(results):
        missing = [key for key in ("category_id", "bbox", "score") if key not in row]
        if missing:
            raise DataError(
                f"it has no {missing[0]}", where=f"from_coco: row {place}", hint="annotations have no score"
            )
        if row["category_id"] not in label_of:
            problem = f"there is no category {row['category_id']} among {', '.join(map(str, label_of))}"
            raise DataError(problem, where=f"from_coco: row {place}", hint="give the categories of its own COCO file")
    try:
        boxes_xywh = np.array([row["bbox"] for row in results], np.float64).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise DataError("a bbox is not four numbers", where="from_coco", hint="x, y, width, height") from error
    boxes_xyxy = np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)
    labels = np.array([label_of[row["category_id"]] for row in results], np.int64)
    return Detections(boxes_xyxy.astype(np.float32), [row["score"] for row in results], labels, tuple(names.values()))  # type: ignore[arg-type]


def to_supervision(found: Detections) -> supervision.Detections:
    """See `Detections.to_supervision`."""
    library = _supervision()
    converted: supervision.Detections = library.Detections(
        xyxy=found.boxes_xyxy.copy(),
        confidence=found.scores.copy(),
        class_id=found.labels.copy(),
        data={"class_name": np.array(found.names, dtype=np.str_)},
    )
    return converted


def from_supervision(found: supervision.Detections, category_names: Sequence[str]) -> Detections:
    """See `Detections.from_supervision`."""
    names = Detections.empty(_as_names(category_names)).category_names
    if not isinstance(found, _supervision().Detections):
        problem = f"supervision.Detections are expected, not {type(found).__name__}"
        raise DataError(problem, where="from_supervision", hint="such as supervision.Detections.from_ultralytics gives")
    if len(found) and (found.class_id is None or found.confidence is None):
        missing = "class_id" if found.class_id is None else "confidence"
        raise DataError(f"they have no {missing}", where="from_supervision", hint="set it before")
    if not len(found):
        return Detections.empty(names)
    detections = Detections(found.xyxy, found.confidence, found.class_id, names)
    said = map(str, found.data.get("class_name", detections.names))
    for label, name, own in zip(detections.labels.tolist(), said, detections.names, strict=True):
        if name != own:
            problem = f"its class {label} is '{name}', in category_names it is '{own}'"
            raise DataError(problem, where="from_supervision", hint="give the names in the order of class_id, from 0")
    return detections


def _supervision() -> Any:
    try:
        import supervision
    except ImportError as error:
        hint = "pip install hoopoe[supervision]"
        raise ConfigError("supervision is not installed", where="Detections", hint=hint) from error
    return supervision


def _check_first_label(first_label: object) -> None:
    if first_label not in (0, 1) or isinstance(first_label, bool):
        problem = f"first_label is 0 or 1, not {first_label!r}"
        raise ConfigError(problem, where="Detections", hint="1 for torchvision's own models, 0 for ours")


def _as_names(names: Sequence[str]) -> Any:
    return names if isinstance(names, str) else tuple(names) if isinstance(names, Sequence) else names


def _categories(categories: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Id to name of a COCO file's categories, in their order."""
    whole = isinstance(categories, Sequence) and all(
        isinstance(each, Mapping) and isinstance(each.get("id"), int) and isinstance(each.get("name"), str)
        for each in categories
    )
    if not whole:
        problem = "the categories must be a list of dicts with id and name"
        raise DataError(problem, where="categories", hint='as in a COCO file: [{"id": 1, "name": "bird"}]')
    names = {each["id"]: each["name"] for each in categories}
    if len(set(names.values())) < len(categories):
        raise DataError("an id or a name is there twice", where="categories", hint="join them first")
    return names


def _on_cpu(values: Any) -> Any:
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values
