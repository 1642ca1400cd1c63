"""Labelled pictures through the classifier: what a calibration is fitted on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError, MediaError
from detector.base.pictures import pictures_in
from detector.boxes import box_iou, xywh_to_xyxy, xyxy_to_xywh
from detector.data.images import read_image
from detector.species.crops import crops_of, cut_crops
from detector.species.joining import join_labels, merge_label_boxes
from detector.species.names.label_words import taxon_key
from detector.species.names.taxonomy import Taxonomy
from detector.store.schema import LOWEST_SCORE
from detector.types import Detections, Kind

if TYPE_CHECKING:
    from detector.data.packed import Annotations
    from detector.species.classifier import SpeciesClassifier

# labels besides classes: a bird of no known class; mammals, people, vehicles, leaves; what nobody knows, and "animal"
SOME_BIRD, NO_BIRD, UNDECIDED = -1, -2, -3
NO_BIRD_FOLDER = "not_a_bird"
FOUND_IOU = 0.5  # from which a box has found an annotated bird

Advance = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Labelling:
    """What classifies labelled pictures.

    Attributes:
        classifier: The classifier.
        taxonomy: Of its classes.
        batch_size: Crops in one pass, as `annotate` takes them.
    """

    classifier: SpeciesClassifier
    taxonomy: Taxonomy
    batch_size: int


@dataclass(frozen=True, eq=False)
class LabelledLogits:
    """What the classifier says about labelled crops.

    Attributes:
        logits: float32 (N, C).
        labels: int64 (N,), class, or SOME_BIRD, or NO_BIRD.
        unknown_names: How many crops were labelled with each name that is no class; they count as SOME_BIRD.
        unreadable: Files that could not be read; their crops are left out.
        undecided: How many crops have each name of which nobody knows what it is; they are left out.
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    unknown_names: Mapping[str, int]
    unreadable: tuple[Path, ...]
    undecided: Mapping[str, int] = field(default_factory=dict)

    def and_others(self, others: LabelledLogits) -> LabelledLogits:
        """These crops, and then those."""
        return LabelledLogits(
            np.concatenate([self.logits, others.logits]),
            np.concatenate([self.labels, others.labels]),
            Counter(self.unknown_names) + Counter(others.unknown_names),
            self.unreadable + others.unreadable,
            Counter(self.undecided) + Counter(others.undecided),
        )


@dataclass(frozen=True, eq=False)
class DetectedLogits:
    """What detector and classifier say about the detector's boxes.

    Attributes:
        detector_scores: float32 (N,), or (N, C) of a detector that knows species.
        logits: float32 (N, C).
        truth: int64 (N,), the class of the annotated bird that the box found, or -1.
    """

    detector_scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    truth: NDArray[np.int64]


def labels_of(names: Sequence[str], taxonomy: Taxonomy) -> NDArray[np.int64]:
    """The label (L,) of each name of a folder or category: the class of that name, else a species', else its kind's."""
    birds = [(taxon_key(name), index) for index, name in enumerate(taxonomy.class_names) if taxonomy.named[index]]
    class_of_name = dict(reversed(birds))
    of_class = taxonomy.species.taxon_of_class
    labels = []
    for name, species in zip(names, taxonomy.find_species(names).tolist(), strict=True):
        if taxon_key(name) in class_of_name:
            labels.append(class_of_name[taxon_key(name)])
        elif species >= 0:
            labels.append(int(np.flatnonzero(of_class == species)[0]))
        else:
            kind = taxonomy.kinds.of(name)
            undecided = kind in (Kind.UNDECIDED, Kind.UNCERTAIN)
            labels.append(UNDECIDED if undecided else SOME_BIRD if kind == Kind.BIRD else NO_BIRD)
    return np.array(labels, np.int64)


def crops_in_folder(folder: Path) -> list[tuple[str, Path]]:
    """Pairs of a label's name and a picture: every folder is a label, and holds its pictures at any depth.

    Raises:
        DataError: There are none.
    """
    labels = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    found = [(label.name, path) for label in labels for path in pictures_in(label)]
    if not found:
        hint = f"put the crops of each class into a folder of its name, and non-birds into {NO_BIRD_FOLDER}"
        raise DataError("there are no labelled crops", where=folder, hint=hint)
    return found


def crops_of_others(folder: Path) -> list[tuple[str, Path]]:
    """The same of a folder, at any depth, of what is no bird.

    Raises:
        DataError: There are none.
    """
    found = [(NO_BIRD_FOLDER, path) for path in pictures_in(folder)]
    if not found:
        raise DataError("there are no pictures", where=folder, hint="put crops of mammals, people, leaves into it")
    return found


def classify_folder(crops: Sequence[tuple[str, Path]], labelling: Labelling, advance: Advance) -> LabelledLogits:
    """Classify labelled pictures, a bird each, that are cropped already.

    Args:
        crops: As from `crops_in_folder`.
        labelling: What classifies them.
        advance: Called once a picture.
    """
    names = sorted({name for name, _ in crops})
    label_of = dict(zip(names, labels_of(names, labelling.taxonomy).tolist(), strict=True))
    unreadable: list[Path] = []
    undecided = Counter(name for name, _ in crops if label_of[name] == UNDECIDED)

    def read() -> Iterator[tuple[NDArray[np.uint8], str]]:
        for name, path in crops:
            advance()
            if name in undecided:
                continue
            try:
                image = read_image(path)
            except MediaError:
                unreadable.append(path)
                continue
            whole = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
            yield cut_crops(image, whole, labelling.classifier.size_hw)[0], name

    logits, read_names = _classified(read(), labelling)
    labels = np.array([label_of[name] for name in read_names], np.int64)
    return LabelledLogits(logits, labels, _unknown(read_names, labels), tuple(unreadable), undecided)


def classify_annotations(annotations: Annotations, labelling: Labelling, advance: Advance) -> LabelledLogits:
    """Classify the annotated boxes of a COCO data set, crowds left out; arguments as of `classify_folder`."""
    label_of = labels_of(annotations.category_names, labelling.taxonomy)
    unreadable: list[Path] = []
    undecided = Counter[str]()

    def read() -> Iterator[tuple[NDArray[np.uint8], int]]:
        for index in range(len(annotations)):
            advance()
            record = annotations[index]
            unknown = label_of[record.labels] == UNDECIDED
            undecided.update(annotations.category_names[label] for label in record.labels[unknown].tolist())
            kept = ~record.is_crowd & ~unknown
            image = _read(record.path, (record.width, record.height), unreadable) if kept.any() else None
            if image is not None:
                crops = _cut(image, record.boxes_xyxy[kept], labelling.classifier)
                yield from zip(crops, record.labels[kept].tolist(), strict=True)

    logits, categories = _classified(read(), labelling)
    labels = label_of[np.array(categories, np.int64)] if categories else np.zeros(0, np.int64)
    names = [annotations.category_names[category] for category in categories]
    return LabelledLogits(logits, labels, _unknown(names, labels), tuple(unreadable), undecided)


def classify_detections(
    annotations: Annotations,
    results: Sequence[Mapping[str, Any]],
    labelling: Labelling,
    advance: Advance,
) -> DetectedLogits:
    """Classify the boxes that a detector found in a COCO data set, boxes of several labels on one bird joined.

    Args:
        annotations: The data set.
        results: COCO results by the data set's image and category ids; scores below `LOWEST_SCORE` are passed over.
            Where no category id is the data set's, or all results have one although the data set has several, the
            detector is taken for one that does not tell species apart.
        labelling: What classifies them.
        advance: Called once an image.

    Raises:
        DataError: A result names an image that the data set does not have, or only some categories are its own.
    """
    class_of_label = np.maximum(labels_of(annotations.category_names, labelling.taxonomy), SOME_BIRD)
    joined = join_labels(annotations.category_names, labelling.taxonomy)
    label_of_category = _labels_of_results(annotations, results)
    detections = _detections_by_image(annotations, results, label_of_category)
    labels_count = max(label_of_category.values(), default=0) + 1
    truths = [np.zeros(0, np.int64)]
    scores = [np.zeros((0, labels_count), np.float32)]

    def read() -> Iterator[tuple[NDArray[np.uint8], None]]:
        for index in range(len(annotations)):
            advance()
            record = annotations[index]
            size_wh = (record.width, record.height)
            found = detections.get(record.id)
            image = None if found is None else _read(record.path, size_wh, [])
            if found is None or image is None:
                continue
            boxes, label_scores = merge_label_boxes(found.boxes_xyxy, found.scores, found.labels, labels_count)
            at = found_truth(boxes, record.boxes_xyxy)
            counted = ~np.append(record.is_crowd, False)[at]  # what is found in a crowd is neither right nor wrong
            truths.append(np.append(class_of_label[record.labels], -1)[at[counted]])
            scores.append(label_scores[counted])
            yield from ((crop, None) for crop in _cut(image, boxes[counted], labelling.classifier))

    logits, _ = _classified(read(), labelling)
    label_scores = np.concatenate(scores)
    knows_species = labels_count - len(joined.unjoined) > 1
    detector_scores = joined.class_scores(label_scores) if knows_species else label_scores.max(axis=1, initial=0)
    return DetectedLogits(detector_scores, logits, np.concatenate(truths))


def found_truth(boxes_xyxy: NDArray[np.float32], truth_xyxy: NDArray[np.float32]) -> NDArray[np.int64]:
    """The annotated box (N,) that each box found, or -1: the surest box first, each the free one of most overlap.

    Args:
        boxes_xyxy: (N, 4), the surest first.
        truth_xyxy: (M, 4).
    """
    overlaps = box_iou(boxes_xyxy.astype(np.float64), truth_xyxy.astype(np.float64))
    found = np.full(len(boxes_xyxy), -1)
    for row in range(len(boxes_xyxy)) if len(truth_xyxy) else ():
        best = int(overlaps[row].argmax())
        if overlaps[row, best] >= FOUND_IOU:
            found[row] = best
            overlaps[:, best] = 0
    return found


def _labels_of_results(annotations: Annotations, results: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Label by category id; where results have none of the data set's, or one only, they say no more than "bird"."""
    own = {category: label for label, category in enumerate(annotations.category_ids)}
    given = {result["category_id"] for result in results}
    agnostic = len(given) == 1 and len(own) > 1  # its one category has id 1, and so may the data set's first species
    if agnostic or (given and not given & own.keys()):
        return dict.fromkeys(given, 0)
    if given - own.keys():
        problem = f"category {min(given - own.keys())} is not in the annotations, but others are"
        raise DataError(problem, where="detections", hint="give the detections of the same data set")
    return own


def _detections_by_image(
    annotations: Annotations, results: Sequence[Mapping[str, Any]], label_of_category: Mapping[int, int]
) -> dict[int, Detections]:
    hint = "give the detections of the same data set"
    known_images = set(annotations.image_ids.tolist())
    rows: dict[int, list[tuple[list[float], float, int]]] = {}
    for number, result in enumerate(results):
        if result["image_id"] not in known_images:
            problem = f"image {result['image_id']} is not in the annotations"
            raise DataError(problem, where=f"detections[{number}]", hint=hint)
        if result["score"] >= LOWEST_SCORE:
            row = (result["bbox"], result["score"], label_of_category[result["category_id"]])
            rows.setdefault(result["image_id"], []).append(row)
    detections = {}
    for image, found in rows.items():
        boxes, scores, labels = (np.array(column) for column in zip(*found, strict=True))
        try:
            detections[image] = Detections(xywh_to_xyxy(boxes), scores, labels)
        except (ValueError, IndexError) as error:
            raise DataError(
                f"a box cannot be used: {error}", where=f"detections of image {image}", hint=hint
            ) from error
    return detections


def _read(path: Path, size_wh: tuple[int, int], unreadable: list[Path]) -> NDArray[np.uint8] | None:
    try:
        return read_image(path, size_wh)
    except (MediaError, DataError):
        unreadable.append(path)
        return None


def _cut(image: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32], classifier: SpeciesClassifier) -> NDArray[np.uint8]:
    """The crops of boxes in pixels, by way of shares as facts hold them: the very crops that `annotate` would cut."""
    sides = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    return crops_of(image, xyxy_to_xywh(boxes_xyxy / sides).astype(np.float32), classifier.size_hw)


def _classified(
    crops: Iterable[tuple[NDArray[np.uint8], Any]], labelling: Labelling
) -> tuple[NDArray[np.float32], list[Any]]:
    """Logits (N, C) of crops, and what came with them; never more than a batch of crops is held."""
    classifier = labelling.classifier
    logits = [np.zeros((0, len(classifier.class_names)), np.float32)]
    extras: list[Any] = []
    batch: list[NDArray[np.uint8]] = []
    for crop, extra in crops:
        batch.append(crop)
        extras.append(extra)
        if len(batch) == labelling.batch_size:
            logits.append(classifier.logits(np.stack(batch), batch_size=len(batch)).logits)
            batch.clear()
    if batch:
        logits.append(classifier.logits(np.stack(batch), batch_size=len(batch)).logits)
    return np.concatenate(logits), extras


def _unknown(names: Sequence[str], labels: NDArray[np.int64]) -> Mapping[str, int]:
    return Counter(name for name, label in zip(names, labels.tolist(), strict=True) if label == SOME_BIRD)
