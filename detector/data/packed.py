"""Annotations packed into a handful of arrays.

A list of one dictionary an image costs gigabytes, and every worker process that merely looks at it copies it, because
looking changes CPython's reference counts and so unshares the pages (pytorch#13246, mmdetection#7786). Arrays have no
reference counts inside: forked workers share them for good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.base.names import located
from detector.boxes import clip_boxes, xywh_to_xyxy


class CocoSource(NamedTuple):
    """One COCO JSON and the folder that its file names start from."""

    annotations: Path
    images: Path


@dataclass(frozen=True, eq=False)
class PackedText:
    """Many strings in one buffer: `data` uint8 (bytes of all, UTF-8), `offsets` int64 (N + 1,)."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def pack(cls, strings: Iterable[str]) -> PackedText:
        """Pack strings in their order."""
        encoded = [string.encode("utf-8") for string in strings]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return cls(np.frombuffer(b"".join(encoded), np.uint8), np.concatenate([[0], np.cumsum(lengths)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        start, end = self.offsets[index], self.offsets[index + 1]
        return self.data[start:end].tobytes().decode("utf-8")

    def __add__(self, other: PackedText) -> PackedText:
        """These strings, and the others after them."""
        offsets = np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]])
        return PackedText(np.concatenate([self.data, other.data]), offsets)

    def take(self, indices: NDArray[np.integer]) -> PackedText:
        """The strings at these indices, packed again."""
        return PackedText.pack(self[int(index)] for index in indices)


@dataclass(frozen=True, eq=False)
class ImageAnnotations:
    """One image with its boxes.

    Args:
        id: The image's id, unique within its `Annotations`.
        path: The image file.
        width: Pixels, in the orientation that the annotation expects.
        height: Pixels, likewise.
        boxes_xyxy: float32 (N, 4), inside the frame. N is 0 for a negative.
        labels: int64 (N,), indices into `Annotations.category_names`.
        is_crowd: bool (N,), regions that training ignores.
        row: Index of the first box in the arrays of `Annotations`.
    """

    id: int
    path: Path
    width: int
    height: int
    boxes_xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]
    is_crowd: NDArray[np.bool_]
    row: int


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """What a network is trained on: I images in reading order, N boxes sorted by image.

    Args:
        sources: Where it was read from.
        category_names: Names by label.
        image_ids: int64 (I,), unique: the file's own where these are integers and unique over all files, else 1 ... I.
        source_index: int32 (I,), index into `sources`.
        file_names: I names relative to the image folder, with forward slashes.
        sizes_wh: int32 (I, 2), pixels.
        offsets: int64 (I + 1,): the boxes of image i are rows offsets[i] ... offsets[i + 1].
        boxes_xywh: float64 (N, 4), pixels, as the file has them (so that evaluation loses no digit).
        labels: int32 (N,), 0-based.
        is_crowd: bool (N,).
    """

    sources: tuple[CocoSource, ...]
    category_names: tuple[str, ...]
    image_ids: NDArray[np.int64]
    source_index: NDArray[np.int32]
    file_names: PackedText
    sizes_wh: NDArray[np.int32]
    offsets: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    labels: NDArray[np.int32]
    is_crowd: NDArray[np.bool_]

    def __len__(self) -> int:
        """The number of images."""
        return len(self.image_ids)

    def __getitem__(self, index: int) -> ImageAnnotations:
        """One image with its boxes, by its place (not its id)."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        index %= len(self)
        rows = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        width, height = map(int, self.sizes_wh[index])
        boxes = clip_boxes(xywh_to_xyxy(self.boxes_xywh[rows]), (width, height)).astype(np.float32)
        return ImageAnnotations(
            id=int(self.image_ids[index]),
            path=self.path(index),
            width=width,
            height=height,
            boxes_xyxy=boxes,
            labels=self.labels[rows].astype(np.int64),
            is_crowd=self.is_crowd[rows],
            row=rows.start,
        )

    def __add__(self, other: LabelledImages) -> LabelledImages:
        """These images, and others of the same categories, with other ids, after them."""
        own = {each.name: (getattr(self, each.name), getattr(other, each.name)) for each in fields(LabelledImages)}
        arrays = ("image_ids", "sizes_wh", "boxes_xywh", "labels", "is_crowd")
        return LabelledImages(
            sources=self.sources + other.sources,
            category_names=self.category_names,
            source_index=np.concatenate([self.source_index, other.source_index + np.int32(len(self.sources))]),
            file_names=self.file_names + other.file_names,
            offsets=np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]]),
            **{name: np.concatenate(own[name]) for name in arrays},
        )

    def path(self, index: int) -> Path:
        """The file of the image at this place."""
        return located(self.sources[self.source_index[index]].images, str(self.file_names[index]))

    @property
    def has_birds(self) -> NDArray[np.bool_]:
        """Which images (I,) have a box that is no crowd."""
        return np.bincount(self.image_rows[~self.is_crowd], minlength=len(self)) > 0

    @property
    def image_rows(self) -> NDArray[np.int64]:
        """The place of the image of every box: int64 (N,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


@dataclass(frozen=True, eq=False)
class Annotations(LabelledImages):
    """All images and boxes of one or several COCO files, with what else evaluation needs of them.

    Args:
        category_ids: COCO category ids by label: a single file's own where it has one for the name, else new ones.
        areas: float64 (N,), the file's `area` (of a mask, where there was one), else width * height.
        annotation_ids: int64 (N,), unique and above 0: the file's own where possible, else 1 ... N.
        attributes: Texts by image for each attribute that was asked for (`modality`, `location` ...); "" where absent.
        file_ids: I ids as the file has them, each as JSON, where `image_ids` are others and there is one file.
        own_annotation_ids: Whether `annotation_ids` are the file's.
    """

    category_ids: tuple[int, ...]
    areas: NDArray[np.float64]
    annotation_ids: NDArray[np.int64]
    attributes: dict[str, PackedText] = field(default_factory=dict)
    file_ids: PackedText | None = None
    own_annotation_ids: bool = True

    def ids_in_file(self) -> dict[int, Any]:
        """The file's own id of each image by its id here: a number or a text."""
        if self.file_ids is None:
            return {image: image for image in self.image_ids.tolist()}
        return {image: json.loads(self.file_ids[place]) for place, image in enumerate(self.image_ids.tolist())}

    def labelled_images(self) -> LabelledImages:
        """The part that training needs: a quarter less to send to worker processes that share no memory."""
        return LabelledImages(**{each.name: getattr(self, each.name) for each in fields(LabelledImages)})

    def select(self, indices: Sequence[int] | NDArray[np.integer]) -> Annotations:
        """The images at these places, in this order, with their boxes."""
        images = np.asarray(indices, dtype=np.int64)
        counts = np.diff(self.offsets)[images]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[images] - offsets[:-1], counts)
        return replace(
            self,
            image_ids=self.image_ids[images],
            source_index=self.source_index[images],
            file_names=self.file_names.take(images),
            sizes_wh=self.sizes_wh[images],
            offsets=offsets,
            boxes_xywh=self.boxes_xywh[rows],
            labels=self.labels[rows],
            is_crowd=self.is_crowd[rows],
            areas=self.areas[rows],
            annotation_ids=self.annotation_ids[rows],
            attributes={name: values.take(images) for name, values in self.attributes.items()},
            file_ids=None if self.file_ids is None else self.file_ids.take(images),
        )

    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything but the folders: equal for equal data, wherever it lies."""
        digest = hashlib.sha256(repr((self.category_names, self.category_ids)).encode())
        for each in fields(self):
            value = getattr(self, each.name)
            for array in (value.data, value.offsets) if isinstance(value, PackedText) else (value,):
                if isinstance(array, np.ndarray):
                    digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def to_coco_dict(self) -> dict[str, Any]:
        """The COCO dictionary of these images (with their attributes) and boxes, as pycocotools' `COCO.dataset`."""
        images = [
            {
                "id": image_id,
                "file_name": self.file_names[index],
                "width": width,
                "height": height,
                **{name: texts[index] for name, texts in self.attributes.items() if texts[index]},
            }
            for index, (image_id, (width, height)) in enumerate(
                zip(self.image_ids.tolist(), self.sizes_wh.tolist(), strict=True)
            )
        ]
        columns = (self.annotation_ids, self.image_ids[self.image_rows], self.labels, self.boxes_xywh)
        annotations = [
            {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": self.category_ids[label],
                "bbox": box,
                "area": area,
                "iscrowd": int(crowd),
            }
            for annotation_id, image_id, label, box, area, crowd in zip(
                *(column.tolist() for column in (*columns, self.areas, self.is_crowd)), strict=True
            )
        ]
        categories = [
            {"id": category_id, "name": name}
            for category_id, name in zip(self.category_ids, self.category_names, strict=True)
        ]
        return {"info": {}, "images": images, "annotations": annotations, "categories": categories}
