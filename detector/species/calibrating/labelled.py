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
from detector.boxes import xyxy_to_xywh
from detector.data.images import read_image
from detector.species.crops import crops_of, cut_crops
from detector.species.names.label_words import taxon_key
from detector.species.names.taxonomy import Taxonomy
from detector.types import Kind

if TYPE_CHECKING:
    from detector.data.packed import Annotations
    from detector.species.classifier import SpeciesClassifier

# labels besides classes: a bird of no known class; mammals, people, vehicles, leaves; what nobody knows, and "animal"
SOME_BIRD, NO_BIRD, UNDECIDED = -1, -2, -3
NO_BIRD_FOLDER = "not_a_bird"
OTHER_ANIMAL = "other animal"  # label of crops of which nobody says which

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

    logits, read_names = classify_crops(read(), labelling)
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
            image = read_listed(record.path, (record.width, record.height), unreadable) if kept.any() else None
            if image is not None:
                crops = crops_of_boxes(image, record.boxes_xyxy[kept], labelling.classifier)
                yield from zip(crops, record.labels[kept].tolist(), strict=True)

    logits, categories = classify_crops(read(), labelling)
    labels = label_of[np.array(categories, np.int64)] if categories else np.zeros(0, np.int64)
    names = [annotations.category_names[category] for category in categories]
    return LabelledLogits(logits, labels, _unknown(names, labels), tuple(unreadable), undecided)


def read_listed(path: Path, size_wh: tuple[int, int], unreadable: list[Path]) -> NDArray[np.uint8] | None:
    """A picture of a data set, of the size that is stated; None where it cannot be read, which is noted."""
    try:
        return read_image(path, size_wh)
    except (MediaError, DataError):
        unreadable.append(path)
        return None


def crops_of_boxes(
    image: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32], classifier: SpeciesClassifier
) -> NDArray[np.uint8]:
    """The crops of boxes in pixels, by way of shares as facts hold them: the very crops that `annotate` would cut."""
    sides = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    return crops_of(image, xyxy_to_xywh(boxes_xyxy / sides).astype(np.float32), classifier.size_hw)


def classify_crops(
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
