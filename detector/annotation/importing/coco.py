"""COCO boxes: annotations, or the images of an annotation file with a list of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.annotation.importing.formats import IN_PIXELS, NO_AREA, ImportedFile, imported_frame
from detector.base.json_text import JsonError, decode_json
from detector.base.objects.address import Place
from detector.data.coco.records import Id, ImageRecord

Content = tuple[Place, bytes]


class _CocoBox(msgspec.Struct, gc=False):
    image_id: Id
    category_id: int
    bbox: tuple[float, float, float, float] | None = None  # left, top, width, height in pixels
    score: float = 1.0  # annotations have none: a person is sure
    iscrowd: int | bool | None = 0


class _Category(msgspec.Struct, gc=False):
    id: int
    name: str


class _CocoFile(msgspec.Struct):
    images: list[msgspec.Raw]
    categories: list[msgspec.Raw]
    annotations: list[msgspec.Raw] = msgspec.field(default_factory=list)


class CocoDetections:
    """COCO files with annotations or with results; see `ImportedDetections`. Boxes are packed into arrays.

    Args:
        files: COCO files: path and bytes of each; one name of a category is one category.
        results: Lists of results, whose image ids are those of the files. Where there are any, the annotations of the
            files are not used.

    Raises:
        DataError: A file is not of this format, a box refers to no image or category, or results come without images.
    """

    def __init__(self, files: Sequence[Content], results: Sequence[Content]) -> None:
        if not files:
            hint = "give the COCO file with the images and categories too"
            raise DataError("a list of results names no files", where=results[0][0], hint=hint)
        self.detector = results[0][0].name if results else "annotations"
        self.images: list[ImageRecord] = []
        self.row_of_id: dict[Id, int] = {}
        self.names: dict[int, str] = {}
        boxes: list[tuple[Place, str, list[msgspec.Raw]]] = []
        for path, data in files:
            content = _decoded(path, data, _CocoFile)
            self._add_images(path, content)
            boxes.append((path, "annotations", content.annotations))
        self.categories = tuple(dict.fromkeys(self.names.values()))
        if results:
            boxes = [(path, "results", _decoded(path, data, list[msgspec.Raw])) for path, data in results]
        self._pack(boxes)

    def _add_images(self, path: Place, content: _CocoFile) -> None:
        for index, raw in enumerate(content.categories):
            category = _decoded(path, raw, _Category, f"categories[{index}]")
            if self.names.setdefault(category.id, category.name) != category.name:
                problem = f"category {category.id} is '{self.names[category.id]}' and also '{category.name}'"
                raise DataError(problem, where=path, hint="give files that agree on their categories")
        for index, raw in enumerate(content.images):
            image = _decoded(path, raw, ImageRecord, f"images[{index}]")
            if image.id in self.row_of_id:
                hint = "give files whose images have ids of their own"
                raise DataError("an image's id is there twice", where=f"{path}: image {image.id}", hint=hint)
            self.row_of_id[image.id] = len(self.images)
            self.images.append(image)

    def _pack(self, lists: Sequence[tuple[Place, str, list[msgspec.Raw]]]) -> None:
        label_of = {number: self.categories.index(name) for number, name in self.names.items()}
        rows, labels, scores, boxes = [], [], [], []
        for path, table, raws in lists:
            for index, raw in enumerate(raws):
                box = _decoded(path, raw, _CocoBox, f"{table}[{index}]")
                if box.image_id not in self.row_of_id or box.category_id not in label_of:
                    what = (
                        f"no image {box.image_id}" if box.category_id in label_of else f"no category {box.category_id}"
                    )
                    raise DataError(f"there is {what}", where=f"{path}: {table}[{index}]", hint="correct the record")
                if box.bbox is not None and not box.iscrowd:
                    rows.append(self.row_of_id[box.image_id])
                    labels.append(label_of[box.category_id])
                    scores.append(box.score)
                    boxes.append(box.bbox)
        order = np.argsort(np.array(rows, np.int64), kind="stable")
        self.rows: NDArray[np.int64] = np.array(rows, np.int64)[order]
        self.labels: NDArray[np.int64] = np.array(labels, np.int64)[order]
        self.scores: NDArray[np.float32] = np.clip(np.array(scores, np.float64), 0, 1).astype(np.float32)[order]
        self.boxes_xywh: NDArray[np.float64] = np.array(boxes, np.float64).reshape(-1, 4)[order]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[ImportedFile]:
        starts = np.searchsorted(self.rows, np.arange(len(self.images) + 1))
        for row, image in enumerate(self.images):
            path = image.file_name.replace("\\", "/")
            part = slice(starts[row], starts[row + 1])
            if not (image.width and image.height) and starts[row] < starts[row + 1]:
                yield ImportedFile(path, (), "its COCO record states no width and height")
                continue
            size = np.array([image.width or 1, image.height or 1] * 2)
            left_out: Counter[str] = Counter()
            frame = imported_frame(0, self.boxes_xywh[part] / size, self.scores[part], self.labels[part], left_out)
            outside = left_out.pop(IN_PIXELS, 0)  # they are in pixels by right; these lie beyond the stated size
            left_out[NO_AREA] += outside
            stated = (float(size[0]), float(size[1])) if image.width and image.height else None
            yield ImportedFile(path, (frame,), None, +left_out, stated)


Value = TypeVar("Value")


def _decoded(path: Place, data: bytes | msgspec.Raw, kind: type[Value], record: str | None = None) -> Value:
    try:
        return decode_json(data, kind)
    except JsonError as error:
        where = path if record is None else f"{path}: {record}"
        raise DataError(f"not COCO: {error}", where=where, hint="correct the record, or export it again") from error
