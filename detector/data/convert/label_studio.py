"""Label Studio's JSON and JSON-MIN exports to COCO.

Sources: labelstud.io/guide/task_format, labelstud.io/tags/rectanglelabels. Regions are in per cent of the picture, a
rectangle turned about its top left corner. Label Studio's COCO and YOLO exports are read as COCO and YOLO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from backbones.errors import DataError
from detector.base.json_text import parse_json
from detector.data.convert.building import Corners, LabelledBox, Problem, Size, stated_size
from detector.data.convert.listed import ListedPictures
from detector.data.convert.regions import around, around_ellipse, turned
from detector.data.doctor.picture_scan import PictureScan

_STATED = ("original_width", "original_height", "image_rotation")
# results that say something about a picture or a region, and mark none
_NO_REGIONS = frozenset(
    {"choices", "textarea", "number", "rating", "taxonomy", "datetime", "labels", "pairwise", "relation"}
)


def label_studio_to_coco(images: Path, tasks: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Convert the tasks of a Label Studio project: rectangles, ellipses and polygons become boxes.

    A task that somebody submitted without a region is a negative. One that nobody annotated or all skipped is left out,
    and so is one that several people annotated, unless one of their annotations is marked as ground truth; predictions
    are no labels.

    Args:
        images: Folder of the pictures, searched with all its folders. Uploaded files are found without the eight
            letters that Label Studio puts before their names.
        tasks: The JSON file.

    Returns:
        The COCO document (categories in alphabetical order), and what was left out.

    Raises:
        ConfigError: If the folder is missing, or there is no picture.
        DataError: If the file is no list of tasks.
    """
    hint = "export the project as JSON or JSON-MIN"
    content = parse_json(tasks, what="file of Label Studio's tasks", hint=hint)
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise DataError("this is no list of tasks", where=tasks, hint=hint)
    pictures = ListedPictures(images)
    for number, task in enumerate(content):
        data = task.get("data", task)
        # the picture's is one of the values, whatever it is called in the project's interface
        texts = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
        pictures.add(f"{tasks}: task {task.get('id', f'[{number}]')}", texts, partial(_size_and_boxes, task))
    return pictures.builder.document(), pictures.builder.problems


def _size_and_boxes(task: Mapping[str, Any], scan: PictureScan) -> tuple[Size, list[LabelledBox]]:
    return scan.upright_wh or (0, 0), [_labelled(region, scan) for region in _regions(task)]


def _regions(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "data" not in task:
        return list(_short_regions(task))
    submitted = [each for each in task.get("annotations", task.get("completions", [])) if not each.get("was_cancelled")]
    submitted = [each for each in submitted if each.get("ground_truth")] or submitted
    if len(submitted) != 1:
        raise ValueError(
            f"{len(submitted)} people annotated it, and none of this is marked as ground truth"
            if submitted
            else "nobody annotated it"
        )
    results = submitted[0]["result"]
    labels = {each.get("id"): each["value"]["labels"] for each in results if each.get("type") == "labels"}
    marked = [each for each in results if each.get("type") not in _NO_REGIONS]
    return [
        {"labels": labels.get(each.get("id")), **each["value"], **{key: each.get(key) for key in _STATED}}
        | {"type": each["type"]}
        for each in marked
    ]


def _short_regions(task: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The regions of a task in JSON-MIN, whose values are lists of them, by the name of the tag."""
    for value in task.values():
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            for region in value:
                kind = next((key for key in region if key.endswith("labels")), None)
                if kind is not None:
                    yield region | {"type": kind}


def _labelled(region: Mapping[str, Any], picture: PictureScan) -> LabelledBox:
    kind = region["type"].removesuffix("labels")
    labels = region.get(f"{kind}labels") or region.get("labels")
    corners_of = _SHAPES.get(kind)
    if corners_of is None:
        raise ValueError(f"a region of {region['type']} is no box, and nothing tells the one around it")
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
        raise ValueError(f"a region has the labels {labels}, and needs one")
    if region.get("image_rotation"):
        raise ValueError(f"the picture was turned by {region['image_rotation']} degrees in Label Studio")
    size_wh = stated_size((region.get("original_width"), region.get("original_height")), picture)
    if size_wh != picture.upright_wh:
        raise ValueError(f"its regions are of {size_wh[0]} x {size_wh[1]}, the picture upright is not")
    try:
        corners = corners_of(region, (size_wh[0] / 100, size_wh[1] / 100))
    except (KeyError, TypeError):
        raise ValueError(f"a region of '{labels[0]}' lacks numbers") from None
    return LabelledBox(labels[0], corners)


def _rectangle(region: Mapping[str, Any], unit: tuple[float, float]) -> Corners:
    x, y, width, height = (float(region[key]) * unit[n % 2] for n, key in enumerate(("x", "y", "width", "height")))
    return turned((x, y, x + width, y + height), float(region.get("rotation") or 0), (x, y))


def _ellipse(region: Mapping[str, Any], unit: tuple[float, float]) -> Corners:
    x, y, rx, ry = (float(region[key]) * unit[n % 2] for n, key in enumerate(("x", "y", "radiusX", "radiusY")))
    return around_ellipse((x, y), (rx, ry), float(region.get("rotation") or 0))


def _polygon(region: Mapping[str, Any], unit: tuple[float, float]) -> Corners:
    return around([float(x) * unit[0] for x, _ in region["points"]], [float(y) * unit[1] for _, y in region["points"]])


_SHAPES: Mapping[str, Callable[[Mapping[str, Any], tuple[float, float]], Corners]] = {
    "rectangle": _rectangle,
    "ellipse": _ellipse,
    "polygon": _polygon,
}
