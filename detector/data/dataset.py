"""The data sets that workers read from: pictures and targets as torchvision's detectors expect them.

Both hold nothing but packed arrays, so that forked workers share them. Both are stateless: what `__getitem__` returns
depends on its key alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from backbones.errors import HoopoeError
from detector.data.augment.augmentation import augment, sample_generator
from detector.data.augment.copy_paste import copy_paste
from detector.data.augment.mosaic import choose_partners, mosaic
from detector.data.augment.pixels import vary_pixels
from detector.data.config import AugmentationConfig
from detector.data.images import read_image
from detector.data.packed import Annotations
from detector.data.resizing import SizeRule, scale_boxes
from detector.data.sample import IGNORED, Sample


class Target(TypedDict):
    """boxes: float32 (N, 4) xyxy in pixels of the sample's image; labels: int64 (N,), 0-based; image_id: int64 ();
    ignored: float32 (M, 4), regions in which nothing is background."""

    boxes: Tensor
    labels: Tensor
    image_id: Tensor
    ignored: Tensor


class Item(NamedTuple):
    """image: uint8 (3, H, W), RGB (floats are made on the device: a quarter of the bytes to carry)."""

    image: Tensor
    target: Target


class Key(NamedTuple):
    """One showing of an image: the epoch, its place in the annotations, and which showing it is in this epoch."""

    epoch: int
    place: int
    copy: int = 0


class _Images(Dataset[Item]):
    """What both data sets share: a batch is a list of items, or the error of the first image that could not be read."""

    def __init__(self, annotations: Annotations, rule: SizeRule) -> None:
        self.annotations = annotations.labelled_images()
        self.rule = rule

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitems__(self, keys: Sequence[Any]) -> list[Item] | HoopoeError:
        try:
            return [self[key] for key in keys]
        except HoopoeError as error:  # raised in a worker it would lose its parts; `Loader` raises it
            return error

    def _read(self, place: int) -> tuple[int, Sample]:
        """Id and picture of an image; its crowds are ignored regions."""
        record = self.annotations[place]
        pixels = read_image(record.path, (record.width, record.height))
        return record.id, Sample(pixels, record.boxes_xyxy, np.where(record.is_crowd, IGNORED, record.labels))


class TrainingDataset(_Images):
    """Images as they are trained on. In crowds nothing is learnt; images without boxes are negatives and stay.

    Args:
        annotations: The images and boxes.
        rule: The size that images have in the network.
        config: How they are varied.
        seed: The run's; together with the key it decides about everything.
        negatives: Images without boxes, with other ids, which come after the others; birds of those are pasted into
            them, but they are no parts of mosaics.
    """

    def __init__(
        self,
        annotations: Annotations,
        rule: SizeRule,
        config: AugmentationConfig,
        seed: int,
        negatives: Annotations | None = None,
    ) -> None:
        super().__init__(annotations, rule)
        self.config = config
        self.seed = seed
        self.labelled = len(annotations)
        if negatives is not None:
            self.annotations += negatives
        crowds = np.flatnonzero(annotations.is_crowd)
        self._boxes_before_crowds = crowds - np.arange(len(crowds))

    def __getitem__(self, key: Key) -> Item:
        """The image at a key, varied.

        Raises:
            MediaError: If a file cannot be read; it names the file.
            DataError: If a picture has not the size of its record.
        """
        image_id, sample = self._read(key.place)
        rng = sample_generator(self.seed, key.epoch, image_id, key.copy)
        boxes = len(self.annotations.labels) - len(self._boxes_before_crowds)
        if boxes and rng.random() < self.config.copy_paste:
            donor = self._image_of_box(int(rng.integers(boxes)))
            sample = copy_paste(rng, sample, self._read(donor)[1], self.config.copy_paste_limit)
        until = self.config.mosaic_until_epoch
        if (until is None or key.epoch < until) and rng.random() < self.config.mosaic:
            others = [self._read(place)[1] for place in choose_partners(rng, self.labelled)]
            sample = vary_pixels(rng, mosaic(rng, [sample, *others], self.rule, self.config), self.config)
        else:
            sample = augment(rng, sample, self.rule, self.config)
        return to_item(sample, image_id)

    def _image_of_box(self, number: int) -> int:
        """The place of the image of a box, counted without crowds (these are few, a list of the others is long)."""
        row = number + np.searchsorted(self._boxes_before_crowds, number, side="right")
        return int(np.searchsorted(self.annotations.offsets, row, side="right")) - 1


class EvaluationDataset(_Images):
    """Images as they are evaluated: resized by the rule, nothing varied, with their boxes at network size.

    Args:
        annotations: The images and boxes.
        rule: The size that images have in the network.
    """

    def __getitem__(self, place: int) -> Item:
        """The image at this place.

        Raises:
            MediaError: If the file cannot be read; it names the file.
            DataError: If the picture has not the size of its record.
        """
        image_id, sample = self._read(place)
        size = self.rule.size(sample.size_wh)
        boxes = scale_boxes(sample.boxes_xyxy, sample.size_wh, size)
        return to_item(Sample(self.rule.resize(sample.image, size), boxes, sample.labels), image_id)


def to_item(sample: Sample, image_id: int) -> Item:
    """A sample as tensors."""
    image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
    boxes, labels = torch.from_numpy(sample.boxes_xyxy), torch.from_numpy(sample.labels)
    return Item(image, make_target(boxes, labels, image_id))


def make_target(boxes: Tensor, labels: Tensor, image_id: int) -> Target:
    """The target of boxes (N, 4) with labels (N,), IGNORED among them."""
    taught = labels != IGNORED
    return {
        "boxes": boxes[taught],
        "labels": labels[taught],
        "image_id": torch.tensor(image_id),
        "ignored": boxes[~taught],
    }
