"""Label Studio's JSON export: tasks with the annotations that people have submitted.

A submitted annotation is a person's word on the whole picture: regions as they were predicted are confirmed, those that
were deleted are nothing, and one without regions says that nothing is there. Tasks without an annotation, drafts and
skipped tasks say nothing. Sources: labelstud.io/guide/task_format, labelstud.io/tags/videorectangle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from detector.base.json_text import parse_json
from detector.boxes import box_iou, xywh_to_xyxy
from detector.store.reviews.programs.words import ANYBODY, Box, Heard, Place, Word, moment

FRAME_RATE = 25.0  # by which Label Studio counts frames where a key frame gives no time
SAME_IOU = 0.5
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, IndexError)  # of records of another form
_BOXES, _VIDEO, _CHOICES = "rectanglelabels", "videorectangle", "choices"
_WHOLE = "export the project as JSON (not JSON-MIN, CSV or COCO)"


@dataclass(frozen=True)
class _Region:
    """A region: its label, and where it is; in videos at several moments."""

    identity: str
    label: str
    places: tuple[Place, ...]


def read_label_studio(path: Path) -> Heard:
    """The words of an export.

    Raises:
        DataError: It is no such file.
    """
    tasks = parse_json(path, list[dict[str, Any]], "list of Label Studio's tasks", _WHOLE)
    words: list[Word] = []
    wrong: list[str] = []
    unseen = 0
    for index, task in enumerate(tasks):
        annotations = task.get("annotations") or task.get("completions") or []
        if not isinstance(annotations, list):
            wrong.append(f"{path}: [{index}]: its annotations are no list")
            continue
        for number, annotation in enumerate(annotations):
            where = f"{path}: [{index}].annotations[{number}]"
            try:
                if annotation.get("was_cancelled"):
                    continue
                said = _Annotation.of(where, task, annotation)
            except _FAULTS as error:
                wrong.append(f"{where}: {_fault(error)}")
                continue
            words += said.words()
            wrong += said.wrong
            unseen += said.predicted is None
    without = f"{unseen} annotations come without the predictions that were seen: which boxes were deleted is not known"
    return Heard(tuple(words), tuple(wrong), (without,) if unseen else ())


@dataclass(frozen=True)
class _Annotation:
    """What one person has submitted of one task.

    Attributes:
        where: For errors.
        file: The picture or video.
        regions: As they were submitted.
        predicted: As they were shown before; None where the export does not hold them.
        wrong: Regions that cannot be read.
    """

    where: str
    file: Place
    reviewer: str
    said_at: datetime | None
    regions: tuple[_Region, ...]
    predicted: tuple[_Region, ...] | None
    wrong: tuple[str, ...]
    kept: frozenset[str]

    @classmethod
    def of(cls, where: str, task: Mapping[str, Any], annotation: Mapping[str, Any]) -> _Annotation:
        data = task["data"]
        path = data.get("file") or _path_of(data.get("image") or data.get("video") or "")
        item = data.get("media_id")
        file = Place(item=None if item is None else str(item), path=str(path))
        regions: list[_Region] = []
        wrong: list[str] = []
        results = [each for each in annotation.get("result") or () if each.get("type") != "relation"]
        for result in results:
            try:
                regions.append(_region(result, file))
            except _FAULTS as error:
                wrong.append(f"{where} region {result.get('id')}: {_fault(error)}")
        predicted = _seen(task, annotation)
        return cls(
            where=where,
            file=file,
            reviewer=_reviewer(annotation.get("completed_by")),
            said_at=moment(annotation.get("updated_at") or annotation.get("created_at")),
            regions=tuple(regions),
            predicted=None if predicted is None else tuple(_region(each, file) for each in predicted),
            wrong=tuple(wrong),
            kept=frozenset(str(result.get("id")) for result in results),
        )

    def words(self) -> Iterator[Word]:
        """What is said of each region, and of those that were deleted; an empty one says that nothing is there."""
        if not self.regions and not self.wrong:
            yield self._word(_Region("none", "nothing", (self.file,)), self.file, "nothing")
            return
        for region in self.regions:
            yield from (self._word(region, place, region.label) for place in region.places)
        for region in self.predicted or ():
            if region.identity not in self.kept and not _overlapped(region, self.regions):
                yield from (self._word(region, place, "nothing") for place in region.places)

    def _word(self, region: _Region, place: Place, label: str) -> Word:
        return Word(
            where=f"{self.where} region {region.identity}",
            place=place,
            label=label,
            signed=True,
            reviewer=self.reviewer,
            said_at=self.said_at,
            group=self.where,
            region=region.identity if len(region.places) > 1 else "",
            draws=True,
            moves=True,
        )


def _seen(task: Mapping[str, Any], annotation: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
    """The regions that were predicted when a person annotated; None where the file does not hold them."""
    prediction = annotation.get("prediction")
    if isinstance(prediction, Mapping) and prediction.get("result") is not None:
        return list(prediction["result"])
    known = [each for each in task.get("predictions") or () if isinstance(each, Mapping) and "result" in each]
    return [region for each in known for region in each["result"]] if known else None


def _region(result: Mapping[str, Any], file: Place) -> _Region:
    """A region of an annotation or a prediction.

    Raises:
        ValueError and the like: It is none that can be taken.
    """
    kind, value = result.get("type"), result["value"]
    identity = str(result.get("id") or "")
    if kind == _BOXES:
        number = re.fullmatch(rf"{re.escape(file.item)}_(\d+)", identity) if file.item else None
        box = int(number[1]) if number else None
        return _Region(identity, _label(value[_BOXES]), (replace(file, box=box, xywh=_box(value)),))
    if kind == _VIDEO:
        places = tuple(replace(file, time_s=_time(frame), xywh=_box(frame)) for frame in value["sequence"])
        return _Region(identity, _label(value.get("labels") or value.get("videorectanglelabels")), places)
    if kind == _CHOICES and "x" not in value:
        return _Region(identity, _label(value[_CHOICES]), (file,))
    raise ValueError(f"a region of the type {kind} is no rectangle")


def _overlapped(region: _Region, others: Sequence[_Region]) -> bool:
    """Whether a person drew another region in the place of this one."""
    for place in region.places:
        for other in (each for one in others for each in one.places):
            if place.xywh and other.xywh and place.time_s == other.time_s:
                boxes = (xywh_to_xyxy(np.array([each], float)) for each in (place.xywh, other.xywh))
                if box_iou(*boxes)[0, 0] >= SAME_IOU:
                    return True
    return False


def _fault(error: Exception) -> str:
    return str(error) if type(error) is ValueError else f"it is not as Label Studio writes it ({error!r})"


def _label(labels: Sequence[str] | None) -> str:
    if not labels:
        raise ValueError("a region has no label")
    if len(labels) > 1:
        raise ValueError(f"a region has several labels: {', '.join(labels)}")
    return str(labels[0])


def _box(value: Mapping[str, Any]) -> Box:
    return (value["x"] / 100, value["y"] / 100, value["width"] / 100, value["height"] / 100)


def _time(frame: Mapping[str, Any]) -> float:
    return float(frame["time"]) if "time" in frame else (frame["frame"] - 1) / FRAME_RATE


def _reviewer(who: Any) -> str:
    if isinstance(who, Mapping):
        name = " ".join(str(who.get(part) or "") for part in ("first_name", "last_name")).strip()
        return name or str(who.get("email") or ANYBODY)
    return ANYBODY if who is None else f"Label Studio user {who}"


def _path_of(address: str) -> str:
    """The file that an address of Label Studio means: behind `?d=`, or the address itself."""
    return unquote(address.partition("?d=")[2] or address)
