"""The data of a run: read, checked, and summed up."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from backbones.errors import ConfigError, DataError
from detector.data.coco.categories import CategoryMapping
from detector.data.coco.reading import ReadingReport, read_coco
from detector.data.config import DataConfig
from detector.data.doctor.box_sizes import network_boxes_xywh, size_histogram, unmatched
from detector.data.findings import are_too_many
from detector.data.negatives import read_negatives
from detector.data.packed import Annotations
from detector.evaluation.slices import LOCATION
from detector.models.config import ModelConfig
from detector.training.negatives import refuse_birds, shared_cameras

Sources = Sequence[tuple[Path, Path]]  # annotations and images
FILES_LOOKED_FOR = 1000  # of each set, before the first step; the doctor looks at all
PICTURES_SHOWN = 8
OVERFIT_IMAGES_SHOWN = 64  # in an epoch of --overfit, so that an epoch is more than a step or two
SETS = ("train", "val", "negatives")
DETECTOR_NAMES = {"faster_rcnn": "Faster R-CNN", "retinanet": "RetinaNet"}


@dataclass(frozen=True, eq=False)
class RunData:
    """What a run trains and is evaluated on.

    Args:
        train: Images to train on.
        validation: Images to evaluate on, if any.
        mapping: What was done to the categories of the files.
        reports: What reading found, by set.
        fingerprints: SHA-256 (hex) of the annotations of each set as they were read.
        overfit: Whether a few images are trained and evaluated on, again and again.
        left_out: Pictures that cannot be read, and why, by set and file name.
        pictures: The state of the picture files when they were read (`state_of_pictures`); empty before.
        negatives: Pictures that are confirmed to show no bird, if any.
        given: What a path was given as: an address, where it is a copy's.
    """

    train: Annotations
    validation: Annotations | None
    mapping: CategoryMapping
    reports: Mapping[str, ReadingReport]
    fingerprints: Mapping[str, str]
    overfit: bool = False
    left_out: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pictures: str = ""
    negatives: Annotations | None = None
    given: Callable[[str], str] = str

    @property
    def sets(self) -> dict[str, Annotations]:
        """The sets by name: train, and val and negatives if there are any."""
        others = {"val": self.validation, "negatives": self.negatives}
        return {"train": self.train} | {name: each for name, each in others.items() if each is not None}

    @property
    def sizes_wh(self) -> np.ndarray:
        """Sizes in pixels of all pictures to train on (N, 2)."""
        return np.concatenate([self.train.sizes_wh] + ([] if self.negatives is None else [self.negatives.sizes_wh]))

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all annotations."""
        parts = [self.fingerprints["train"], self.fingerprints.get("val", "")]
        parts += [self.fingerprints["negatives"]] if "negatives" in self.fingerprints else []
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def lines(self) -> Iterator[str]:
        """What reading found and did, in words; nothing is dropped or clipped silently."""
        for name, report in self.reports.items():
            yield f"{name}: {report}"
            faults = report.to_dict()["findings"]
            if faults:
                yield f"  faults: {', '.join(f'{count} x {code}' for code, count in faults.items())}; see hoopoe doctor"
        for name, pictures in self.left_out.items():
            listed = ", ".join(f"{file} ({problem})" for file, problem in list(pictures.items())[:PICTURES_SHOWN])
            more = ", ..." if len(pictures) > PICTURES_SHOWN else ""
            yield f"{name}: {len(pictures)} pictures cannot be read and are left out: {listed}{more}"
        if not self.train.has_birds.any():
            yield "there is no annotated bird in the training set: all that can be learnt is that there are none"
        if self.validation is not None and not self.validation.has_birds.any():
            yield "there is no annotated bird in the validation set: no AP can be had, and no weights be told better"
        if self.negatives is not None and self.validation is not None:
            yield from shared_cameras(self.negatives, self.validation)
        if self.overfit:
            count = len(np.unique(self.train.image_ids))
            yield f"overfitting {count} images of train, {len(self.train)} showings an epoch; evaluated on the same"

    def for_detector(self) -> dict[str, Any]:
        """What a detector's file says of the data it was trained on."""
        report = self.reports["train"]
        return {
            "fingerprint": self.fingerprints["train"],
            "images": report.images,
            "boxes": report.boxes,
            "mapping": dict(self.mapping.names),
        }

    def summary(self, model: ModelConfig, crop_size: int | None = None) -> dict[str, Any]:
        """The content of data.json: for each set its files, what reading found, categories, and sizes of boxes."""
        return {"fingerprint": self.fingerprint, "pictures": self.pictures} | {
            name: summarise_set(annotations, model, crops=name == "train" and crop_size is not None)
            | {
                # absolute, so that `--resume RUN` finds them from any folder
                "files": [
                    {what: self.given(os.path.abspath(path)) for what, path in each._asdict().items()}
                    for each in annotations.sources
                ],
                "fingerprint": self.fingerprints[name],
                "left_out": dict(self.left_out.get(name, {})),
                "report": self.reports.get(name, self.reports["train"]).to_dict(),
            }
            for name, annotations in self.sets.items()
        }

    def changes_since(self, summary: Mapping[str, Any]) -> Iterator[str]:
        """In which sets the annotations are others than a run's data.json says, in words."""
        for name, fingerprint in self.fingerprints.items():
            before = summary.get(name)
            if not isinstance(before, Mapping):
                yield f"there was no set {name}"
            elif before.get("fingerprint") != fingerprint:
                report, counts = self.reports.get(name, self.reports["train"]), before.get("report", {})
                had = f"{name} had {counts.get('images')} images and {counts.get('boxes')} boxes"
                yield f"{had}, and has {report.images} and {report.boxes}"
        yield from (f"there is no set {name}" for name in SETS if name in summary and name not in self.sets)


def read_data(
    train: Sources,
    validation: Sources,
    config: DataConfig,
    *,
    negatives: Sequence[Path] = (),
    overfit: int | None = None,
) -> RunData:
    """Read the annotations of a run.

    Args:
        train: Pairs of a COCO JSON and its image folder.
        validation: Likewise; may be empty.
        config: Categories, and what happens to invalid boxes.
        negatives: Folders of pictures that are confirmed to show no bird.
        overfit: Train and evaluate on this many images of the training set, those with boxes first; `validation` is
            not read then.

    Raises:
        ConfigError: Negatives are not there, or are given with `overfit`.
        DataError: A file cannot be used, there is nothing to train on, or pictures are missing.
    """
    if overfit is not None and negatives:
        raise ConfigError("--overfit and --negatives exclude each other", hint="give one of them")
    mapping = category_mapping(config)
    annotations, report = read_coco(train, mapping=mapping, invalid=config.invalid)
    if not len(annotations) or not len(annotations.category_names):
        where = ", ".join(str(path) for path, _ in train)
        problem = "there are no images" if not len(annotations) else "there are no categories"
        raise DataError(f"{problem} to train on", where=where, hint="check the annotations, and data.categories")
    if report.crowds and not annotations.has_birds.any():
        raise DataError(
            f"all {report.crowds} boxes are crowds, in which nothing is learnt",
            where=", ".join(str(path) for path, _ in train),
            hint="set iscrowd to 0 where a box holds one bird",
        )
    _look_for_files(annotations)
    reports = {"train": report}
    fingerprints = {"train": annotations.fingerprint()}
    if overfit is not None:
        rows = np.argsort(~annotations.has_birds, kind="stable")[:overfit]
        few = annotations.select(rows)
        shown = np.tile(np.arange(len(few)), -(-OVERFIT_IMAGES_SHOWN // len(few)))
        sets = {"train": few.select(shown), "val": few}
        fingerprints = {name: each.fingerprint() for name, each in sets.items()}
        return RunData(sets["train"], few, mapping, reports, fingerprints, overfit=True)
    if not validation:
        return _with_negatives(RunData(annotations, None, mapping, reports, fingerprints), negatives)
    others, reports["val"] = read_coco(
        validation,
        mapping=mapping,
        invalid=config.invalid,
        category_names=annotations.category_names,
        attributes=[LOCATION],
    )
    if not len(others):
        where = ", ".join(str(path) for path, _ in validation)
        raise DataError("there are no images to evaluate on", where=where, hint="check the annotations")
    _look_for_files(others)
    fingerprints["val"] = others.fingerprint()
    return _with_negatives(RunData(annotations, others, mapping, reports, fingerprints), negatives)


def _with_negatives(data: RunData, folders: Sequence[Path]) -> RunData:
    if not folders:
        return data
    negatives, left_out = read_negatives(folders, data.train, first_id=int(data.train.image_ids.max()) + 1)
    refuse_birds(negatives, data.train, data.validation)
    count = len(negatives)
    report = ReadingReport(count, count, count, *(0,) * 6, image_ids_renumbered=False, findings=())
    return replace(
        data,
        negatives=negatives,
        reports={**data.reports, "negatives": report},
        fingerprints={**data.fingerprints, "negatives": negatives.fingerprint()},
        left_out={**data.left_out, "negatives": left_out} if left_out else data.left_out,
    )


def category_mapping(config: DataConfig) -> CategoryMapping:
    """What the configuration says of categories.

    Raises:
        ConfigError: It says two things.
    """
    if config.agnostic and config.categories is not None:
        raise ConfigError("data.agnostic and data.categories exclude each other", hint="set one of them")
    if config.agnostic:
        return CategoryMapping.agnostic()
    return CategoryMapping() if config.categories is None else CategoryMapping.read(config.categories)


def summarise_set(annotations: Annotations, model: ModelConfig, *, crops: bool = False) -> dict[str, Any]:
    """Counts of a set, and the sizes that its boxes have in the network (or in crops), against the anchors."""
    kept = ~annotations.is_crowd
    boxes = boxes_in_network(annotations, model, crops=crops)[kept]
    missed = unmatched(boxes, DETECTOR_NAMES[model.detector], model.anchor_ratios, model.anchor_scale)
    counts = np.bincount(annotations.labels[kept], minlength=len(annotations.category_names)).tolist()
    return {
        "categories": dict(zip(annotations.category_names, counts, strict=True)),
        "box_sizes_in_network": size_histogram(boxes),
        "unmatched_by_anchors": missed.share,
        "unmatched": asdict(missed),
    }


def boxes_in_network(annotations: Annotations, model: ModelConfig, *, crops: bool = False) -> np.ndarray:
    """All boxes (N, 4) in pixels of the resized images, or of crops, without augmentation."""
    sizes_wh = annotations.sizes_wh[annotations.image_rows]
    return network_boxes_xywh(annotations.boxes_xywh, sizes_wh, model.size_rule, native=crops)


def _look_for_files(annotations: Annotations) -> None:
    """Look for pictures, evenly spread over the set: a wrong folder shows at once, before all of them are read."""
    rows = np.unique(np.linspace(0, len(annotations) - 1, FILES_LOOKED_FOR).astype(np.int64))
    missing = [row for row in rows if not os.path.isfile(annotations.path(int(row)))]
    if are_too_many(len(missing), len(rows)):  # one or another is found when all are read
        raise DataError(
            f"{len(missing)} of {len(rows)} pictures that were looked for are not there",
            where=annotations.path(int(missing[0])),
            hint="check the image folder; `hoopoe doctor ANNOTATIONS --images DIR --fix OUT.json` finds those that are"
            " there by another name, and leaves the others out",
        )
