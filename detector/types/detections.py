"""What a detector found in one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError

if TYPE_CHECKING:
    import supervision
    from torch import Tensor

SHOWN = 4  # detections that are written out


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """What a detector found in one image, checked at birth.

    Anything that numpy can turn into the stated arrays is accepted and converted. Labels count from 0, without a
    background: torchvision's own detectors count from 1, so that conversion from and to their dicts asks for
    `first_label`.

    Attributes:
        boxes_xyxy: float32 (N, 4), pixels of the original image, x1 <= x2 and y1 <= y2.
        scores: float32 (N,), finite.
        labels: int64 (N,), 0-based indices into the detector's category names.
        category_names: The detector's, by label; empty where they are not known.

    Raises:
        DataError: Shapes or lengths disagree, a value is not finite, negative (label) or turned round (box), or a label
            has no name.

    Example:
        >>> found = hp.Detections([[10, 20, 60, 80], [5, 5, 9, 9]], [0.9, 0.3], [0, 1], ("bird", "person"))
        >>> found.names
        ['bird', 'person']
        >>> found.above(0.5)
        Detections(1: bird 0.90)
        >>> found.to_torchvision(first_label=1)["labels"]  # torchvision keeps 0 for the background
        tensor([1, 2])
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    category_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        boxes, scores = _floats(self.boxes_xyxy, "boxes_xyxy"), _floats(self.scores, "scores")
        labels, names = _array(self.labels, "labels"), _names(self.category_names)
        if boxes.size == 0:
            boxes = boxes.reshape(-1, 4)  # an empty list has no second dimension
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise _wrong(f"boxes_xyxy must be (N, 4), not {boxes.shape}")
        if scores.shape != (len(boxes),) or labels.shape != (len(boxes),):
            raise _wrong(f"{len(boxes)} boxes with scores {scores.shape} and labels {labels.shape}")
        if labels.size and not np.issubdtype(labels.dtype, np.integer):
            raise _wrong(f"labels must be integers, not {labels.dtype}")
        if not np.isfinite(boxes).all() or not np.isfinite(scores).all():
            raise _wrong("boxes_xyxy and scores must be finite")
        if (boxes[:, 2:] < boxes[:, :2]).any():
            raise _wrong("boxes_xyxy must have x1 <= x2 and y1 <= y2", "are they x, y, width, height?")
        if (labels < 0).any():
            raise _wrong("labels must be >= 0")
        if names and labels.size and labels.max() >= len(names):
            problem = f"label {labels.max()} has no name: those of {len(names)} categories are 0 to {len(names) - 1}"
            raise _wrong(problem, "labels count from 0 here; take 1 off torchvision's")
        for name, value in (("boxes_xyxy", boxes), ("scores", scores), ("labels", labels.astype(np.int64))):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "category_names", names)

    @classmethod
    def empty(cls, category_names: tuple[str, ...] = ()) -> Detections:
        """No detections: an image in which nothing was found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), category_names)

    @property
    def names(self) -> list[str]:
        """The name of each detection's category.

        Raises:
            DataError: The categories' names are not known.
        """
        if len(self) and not self.category_names:
            raise _wrong("the categories have no names", "give category_names")
        return [self.category_names[label] for label in self.labels.tolist()]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: int | slice | NDArray[np.bool_] | NDArray[np.integer]) -> Detections:
        """The detections at a place, a slice, a mask (N,) or an array of indices."""
        rows = np.arange(len(self))[index].reshape(-1)
        return Detections(self.boxes_xyxy[rows], self.scores[rows], self.labels[rows], self.category_names)

    def __iter__(self) -> Iterator[Detections]:
        """Each detection by itself."""
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        words = self.names if self.category_names else [str(label) for label in self.labels.tolist()]
        shown = [f"{name} {score:.2f}" for name, score in zip(words[:SHOWN], self.scores[:SHOWN], strict=True)]
        more = ["..."] * (len(self) > SHOWN)
        return f"Detections({len(self)}{': ' if shown else ''}{', '.join(shown + more)})"

    def above(self, score: float) -> Detections:
        """The detections with at least this score, in the same order."""
        return self[self.scores >= score]

    def to_torchvision(self, *, first_label: int) -> dict[str, Tensor]:
        """As torchvision's detectors give it: boxes float32 (N, 4), labels int64 (N,), scores float32 (N,).

        Args:
            first_label: 1 for torchvision's own models and whatever reads their output, which keep 0 for the
                background; 0 for networks of `build_detector`.
        """
        from detector.types.conversions import to_torchvision

        return to_torchvision(self, first_label)

    @classmethod
    def from_torchvision(
        cls, output: Mapping[str, Tensor], category_names: Sequence[str], *, first_label: int
    ) -> Detections:
        """From what a torchvision-style detector gives for an image.

        Args:
            output: A dict with boxes (N, 4) xyxy, labels (N,) and scores (N,), on any device.
            category_names: By label, without a background.
            first_label: 1 for torchvision's own models, whose label 0 is the background; 0 for networks of
                `build_detector`.

        Raises:
            DataError: Something is missing, or a label has no name: it was counted from elsewhere.
        """
        from detector.types.conversions import from_torchvision

        return from_torchvision(output, category_names, first_label)

    def to_coco(self, image_id: int, categories: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """As rows of a COCO results file; categories are joined by name.

        Args:
            image_id: The image's.
            categories: As in the COCO file: `[{"id": 16, "name": "bird"}, ...]`, in any order.

        Raises:
            DataError: A category that was found is not among them.
        """
        from detector.types.conversions import to_coco

        return to_coco(self, image_id, categories)

    @classmethod
    def from_coco(cls, results: Sequence[Mapping[str, Any]], categories: Sequence[Mapping[str, Any]]) -> Detections:
        """From the rows that a COCO results file has of one image.

        Args:
            results: Each with category_id, bbox (xywh, pixels) and score.
            categories: As in the COCO file; their order becomes that of the labels.

        Raises:
            DataError: A row cannot be used, names no such category, or the rows are of several images.
        """
        from detector.types.conversions import from_coco

        return from_coco(results, categories)

    def to_supervision(self) -> supervision.Detections:
        """As `supervision.Detections`, with names in `data["class_name"]`; needs `pip install hoopoe[supervision]`."""
        from detector.types.conversions import to_supervision

        return to_supervision(self)

    @classmethod
    def from_supervision(cls, found: supervision.Detections, category_names: Sequence[str]) -> Detections:
        """From `supervision.Detections`.

        Args:
            found: With class_id, 0-based, and confidence.
            category_names: By label.

        Raises:
            DataError: One is missing, or its names are not those of the labels.
        """
        from detector.types.conversions import from_supervision

        return from_supervision(found, category_names)


def _array(values: object, name: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists; tensors of a GPU, or with a gradient
        raise _wrong(f"{name} cannot become an array: {error}") from error


def _floats(values: object, name: str) -> NDArray[np.float32]:
    array = _array(values, name)
    if array.size and array.dtype.kind not in "iuf":
        raise _wrong(f"{name} must be numbers, not {array.dtype}")
    return array.astype(np.float32)


def _names(names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise _wrong(f"category_names must be a sequence of words, not {names!r:.80}", 'such as ("bird", "person")')
    return tuple(names)


def _wrong(problem: str, hint: str | None = None) -> DataError:
    return DataError(problem, where="Detections", hint=hint)
