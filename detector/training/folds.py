"""K-fold: a set is parted into whole cameras or events, and a detector of the others is evaluated on each part."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backbones.errors import ConfigError, DataError
from detector.base.files import write_bytes
from detector.base.json_text import parse_json
from detector.config import dump_config
from detector.data.coco.folds import balanced_folds
from detector.data.coco.reading import read_coco
from detector.data.coco.splitting import part_of
from detector.data.doctor.document import read_document, write_document
from detector.data.packed import Annotations
from detector.deployments.folders import camera_folder
from detector.evaluation.slices import LOCATION
from detector.models.saving import read_detector
from detector.training.data import Sources
from detector.training.object_data import sources_here
from detector.training.records.run_folder import RunFolder
from detector.training.resolving import Request
from detector.training.run import Run, train_detector

CAMERA, EVENT = "camera", "event"
EVENTS = ("seq_id", "event_id", "eventID", "sequence_id")  # of COCO Camera Traps, Camtrap DP and others
FIGURES = ("AP", "AP50", "AR100")
LIST = "folds.json"
SPREAD = "sample standard deviation over folds"


@dataclass(frozen=True)
class Fold:
    """One fold.

    Args:
        number: From 1.
        groups: Names of the groups that it is evaluated on.
        images: Pictures that it is evaluated on.
        boxes: Their boxes, crowds left out.
        train: What it trains on.
        validation: What it is evaluated on.
        output: Its run's folder.
    """

    number: int
    groups: tuple[str, ...]
    images: int
    boxes: int
    train: Sources
    validation: Sources
    output: Path


def make_folds(request: Request, count: int, group_by: str) -> list[Fold]:
    """Part the training set of a request, and write the parts into its folder.

    On resuming, the folds must be those of the start.

    Args:
        request: What is asked for; it names no set to evaluate on.
        count: Number of folds, at least 2.
        group_by: `camera`, `event`, or a key of the image records.

    Raises:
        ConfigError: The request does not go with folds, there are too few groups, or the folder holds other folds.
        DataError: The annotations cannot be used, or a picture is of no group.
    """
    _refuse(request, count)
    keys = {CAMERA: [LOCATION], EVENT: list(EVENTS)}.get(group_by, [group_by])
    sources = sources_here(request.train, request.copies)
    annotations, _ = read_coco(sources, invalid=request.config.data.invalid, attributes=keys)
    groups = groups_of(annotations, group_by)
    boxes = np.bincount(annotations.image_rows[~annotations.is_crowd], minlength=len(annotations))
    fold_of = balanced_folds(groups, boxes, count)
    folder = request.output
    listed = _listing(annotations, groups, boxes, fold_of, group_by)
    known = (folder / LIST).exists()
    if known:
        if not request.resume:
            hint = "give --resume to go on with them, or another --output"
            raise ConfigError("there already are folds in this folder", where=folder, hint=hint)
        before = parse_json(folder / LIST)
        if any(before.get(key) != listed[key] for key in ("group_by", "fingerprint", "folds")):
            hint = "give the annotations, --folds and --group-by of its start, or another --output"
            raise ConfigError("the folder holds other folds", where=folder / LIST, hint=hint)
    else:
        RunFolder(folder).refuse_existing()
    rows = [fold_of == number for number in range(len(listed["folds"]))]
    parts = _Parts(sources, annotations, keep=known)
    folds = [
        Fold(
            each["fold"],
            tuple(each["groups"]),
            each["images"],
            each["boxes"],
            train=parts.write(~own, folder / f"fold{each['fold']}_train"),
            validation=parts.write(own, folder / f"fold{each['fold']}_val"),
            output=folder / f"fold{each['fold']}",
        )
        for own, each in zip(rows, listed["folds"], strict=True)
    ]
    write_bytes(folder / LIST, _json(listed | {"sources": _sources(sources, request), "init": request.init}))
    write_bytes(folder / "config.yaml", dump_config(request.config).encode())
    return folds


def _refuse(request: Request, count: int) -> None:
    if count < 2:
        raise ConfigError("one fold leaves nothing to train on", where="--folds", hint="such as --folds 5")
    if request.validation:
        hint = "leave it out: each fold is evaluated on by a detector of the others"
        raise ConfigError("--folds needs no set to evaluate on", where="--val-annotations", hint=hint)
    if request.processes > 1:
        hint = "leave --devices out; or train each of the fold..._train.json by itself"
        raise ConfigError("--folds trains on one device", where="--devices", hint=hint)
    if request.overfit is not None:
        raise ConfigError("--overfit and --folds exclude each other", where="--folds", hint="give one of them")


def groups_of(annotations: Annotations, group_by: str) -> list[str]:
    """The group of each picture: its camera, its event, or what a key of its record says.

    A camera is the record's `location`, else the folder of its name, without those that cameras make (DCIM).

    Raises:
        DataError: A picture is of none.
    """
    keys = {CAMERA: [LOCATION], EVENT: list(EVENTS)}.get(group_by, [group_by])
    groups = []
    for place in range(len(annotations)):
        name = annotations.file_names[place]
        stated = next((texts for key in keys if (texts := annotations.attributes[key][place])), "")
        group = stated or (camera_folder(name.rpartition("/")[0]) if group_by == CAMERA else "")
        if not group:
            meant = {CAMERA: "location, and no folder", EVENT: f"event ({', '.join(EVENTS)})"}.get(group_by, group_by)
            raise DataError(
                f"the record of '{name}' has no {meant}",
                where=annotations.sources[annotations.source_index[place]].annotations,
                hint="give --group-by a key that all image records have",
            )
        groups.append(group)
    return groups


def train_folds(
    request: Request,
    folds: Sequence[Fold],
    tell: Callable[[str], None],
    train: Callable[[Request], Run] = train_detector,
) -> Run | None:
    """Train the folds one after the other; those that are finished are not trained again.

    Args:
        request: What is asked for.
        folds: See `make_folds`.
        tell: Told of each fold that begins.
        train: Trains one.

    Returns:
        The run that was stopped; None: all are finished.
    """
    for fold in folds:
        tell(f"fold {fold.number} of {len(folds)}: {fold.images} pictures of {len(fold.groups)} groups to evaluate on")
        run = train(replace(request, train=fold.train, validation=fold.validation, output=fold.output, resume=True))
        if not run.position.finished:
            return run
    return None


def summarise_folds(folder: Path, folds: Sequence[Fold]) -> dict[str, Any]:
    """The figures of all folds, their mean and spread, also written into folds.json."""
    listed = parse_json(folder / LIST)
    rows = []
    for fold, known in zip(folds, listed["folds"], strict=True):
        metrics = read_detector(fold.output / "best.safetensors")[1].metrics
        rows.append({**known, **{name: metrics.get(name) for name in FIGURES}})
    mean, spread = {}, {}
    for name in FIGURES:
        values = [row[name] for row in rows if row[name] is not None]
        mean[name] = statistics.fmean(values) if values else None
        spread[name] = statistics.stdev(values) if len(values) > 1 else None
    figures = {"figures": rows, "mean": mean, "spread": spread, "spread_is": SPREAD}
    write_bytes(folder / LIST, _json({**listed, **figures}))
    return figures


def folds_of(folder: Path) -> dict[str, Any] | None:
    """What folds.json of a folder says; None: there is none."""
    return parse_json(folder / LIST) if (folder / LIST).exists() else None


def _listing(
    annotations: Annotations, groups: Sequence[str], boxes: NDArray[np.int64], fold_of: NDArray[np.int64], group_by: str
) -> dict[str, Any]:
    names = np.array(groups, dtype=object)
    folds = [
        {
            "fold": number + 1,
            "groups": sorted(set(names[fold_of == number])),
            "images": int((fold_of == number).sum()),
            "boxes": int(boxes[fold_of == number].sum()),
        }
        for number in range(int(fold_of.max()) + 1)
    ]
    return {"group_by": group_by, "fingerprint": annotations.fingerprint(), "folds": folds}


@dataclass(frozen=True)
class _Parts:
    """Parts of a set as files. Those that are there are kept only where they are known to be of the same folds."""

    sources: Sources
    annotations: Annotations
    keep: bool

    def write(self, rows: NDArray[np.bool_], stem: Path) -> Sources:
        """The files of a part, one for each file that it is from."""
        parts = []
        for number, (file, images) in enumerate(self.sources):
            places = np.flatnonzero(rows & (self.annotations.source_index == number)).tolist()
            if not places:
                continue
            path = stem.with_name(f"{stem.name}{'' if len(self.sources) == 1 else f'_{number + 1}'}.json")
            names = {self.annotations.file_names[place] for place in places}
            if not (self.keep and path.exists()):
                write_document(part_of(read_document(file, images), names), path)
            parts.append((path, images))
        return parts


def _sources(train: Sources, request: Request) -> dict[str, Any]:
    return {
        "train": [[str(Path(file).resolve()), str(Path(images).resolve())] for file, images in train],
        "negatives": [str(Path(folder).resolve()) for folder in request.negatives],
    }


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
