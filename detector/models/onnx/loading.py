"""A detector from an ONNX file: by its own metadata and shapes, or by the YAML beside it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from backbones.errors import CheckpointError, ConfigError
from detector.base.content_hash import sha256_of
from detector.base.version import __version__
from detector.models.detector import Detector, DetectorMeta
from detector.models.onnx.categories import COCO_80, COCO_91, Categories, by_number, categories_of, names_in
from detector.models.onnx.description import FAMILIES, Conventions, OnnxOptions, read_options, yaml_of, yaml_to_write
from detector.models.onnx.layouts import Layout, Outputs, Shapes, family_of, labelled, layout_of
from detector.models.onnx.network import OnnxConfig, OnnxNet
from detector.models.onnx.session import Session, text_value

SUFFIX = ".onnx"
DEFAULT_STRIDE = 32
OPEN_SIZE = 640  # where neither the file nor a person says how large its input is: what most were trained at
LARGEST_SIDE = 16_384


def load_onnx(file: Path, device: torch.device | str | None = None, precision: str = "auto") -> Detector:
    """Load a detector from an ONNX file; see `load_detector`.

    Args:
        file: The file; FILE.yaml beside it says what it does not (`OnnxOptions`).
        device: Where it runs; by default a GPU where this ONNX Runtime can use one.
        precision: The file's own is all there is.

    Raises:
        CheckpointError: The file is damaged, hostile or no detector's, or does not say how its outputs are to be read.
        ConfigError: The YAML is not valid, ONNX Runtime is not installed, or it cannot use the device.
    """
    if precision not in ("auto", "fp32"):
        problem = f"an ONNX file computes in what it was exported in, and not in {precision} when asked"
        raise ConfigError(problem, where="precision", hint="leave it out, or export the detector again")
    options, session = read_options(file), Session(file, device)
    task = text_value(session.metadata, "task")
    if task not in ("", "detect"):
        hint = "export a model that was trained to detect"
        raise CheckpointError(f"this model was made to {task}, not to detect", where=file, hint=hint)
    size_wh = _size_wh(session, options)
    outputs = session.outputs_of_nothing(size_wh)
    shapes, ready = {name: values.shape for name, values in outputs.items()}, labelled(outputs)
    names = names_in(session.metadata.get("names", "")) if options.names is None else None
    known = names if names is not None else _said_names(options)
    family = options.family or _family(session, shapes, known, ready)
    layout = layout_of(family, shapes, ready, size_wh) if family else None
    if family is None or layout is None or (known is None and options.names != "coco"):
        raise _unclear(file, shapes, family, layout)
    categories = categories_of(known if known is not None else _coco_names(layout, family))
    _check_count(file, layout, family, categories)
    _check_logits(file, layout, outputs, options)
    how = _conventions(family, layout, options)
    config = _config(categories, how, size_wh, options)
    stride = _stride(session) if session.input.size_wh is None else None
    net = OnnxNet(session, layout, how, categories, config, stride)
    meta = DetectorMeta(config, versions={"hoopoe": __version__})
    where = str(file.absolute())
    return Detector(net.eval(), meta, file.name, _sha256(file, session), "fp32", where, f"onnx {family}")


def _size_wh(session: Session, options: OnnxOptions) -> tuple[int, int]:
    """Width and height of the input: the file's, if it is fixed, or what is said of it."""
    fixed = session.input.size_wh
    said = options.size if options.size is not None else _sides(session.metadata.get("imgsz", ""))
    asked = None if said is None else (said, said) if isinstance(said, int) else (said[1], said[0])
    if fixed is not None:
        if options.size is not None and asked != fixed:
            problem = f"it takes pictures of {fixed[0]} x {fixed[1]} pixels and no others"
            raise ConfigError(problem, where=f"{yaml_of(session.file)}: size", hint="leave it out")
        return fixed
    return asked or (OPEN_SIZE, OPEN_SIZE)


def _sides(text: str) -> tuple[int, int] | None:
    """Height and width in a file's metadata: "[640, 640]", "640"."""
    numbers = [int(number) for number in re.findall(r"\d{1,5}", text[:50])]
    sides = (numbers[0], numbers[-1]) if 1 <= len(numbers) <= 2 else (0, 0)
    return sides if all(1 <= side <= LARGEST_SIDE for side in sides) else None


def _stride(session: Session) -> int:
    said = session.metadata.get("stride", "")
    return int(said) if re.fullmatch("[0-9]{1,4}", said) and 1 <= int(said) <= 1024 else DEFAULT_STRIDE


def _said_names(options: OnnxOptions) -> list[str | None] | None:
    return None if options.names is None or options.names == "coco" else by_number(options.names)


def _family(session: Session, shapes: Shapes, names: Sequence[str | None] | None, ready: Collection[str]) -> str | None:
    description = " ".join(text_value(session.metadata, key) for key in ("description", "head"))
    return family_of(shapes, None if names is None else len(names), description, ready)


def _coco_names(layout: Layout, family: str) -> Sequence[str | None]:
    """COCO's categories by the numbers that a network gives them: its own ids, or those of its 80 classes."""
    by_id = family == "rfdetr" or (layout.classes or 0) >= len(COCO_91) - 1
    return COCO_91 if by_id else COCO_80


def _check_count(file: Path, layout: Layout, family: str, categories: Categories) -> None:
    """Refuse names of more or fewer categories than the network has; a DETR may have one of its own, the background."""
    named, spare = len(categories.of_class), 1 if layout.form == "two" else 0
    if layout.classes is not None and not named <= layout.classes <= named + spare:
        problem = f"it has {layout.classes} categories if it is {family}, and {named} are named"
        hint = f"name all in {yaml_of(file).name}, null for those to leave out; or give another family"
        raise CheckpointError(problem, where=file, hint=hint)
    if not categories.names:
        raise CheckpointError("no category is left", where=yaml_of(file), hint="name one that is not null")


def _check_logits(file: Path, layout: Layout, outputs: Outputs, options: OnnxOptions) -> None:
    """Refuse to take scores for logits where nobody says what they are: a sigmoid would make them all high."""
    if layout.form != "two" or options.logits is not None:
        return
    values = outputs[layout.outputs[1]]
    if values.min() >= 0 and values.max() <= 1:
        hint = f"say in {yaml_of(file).name} `logits: false` if they are scores, `logits: true` if they are not"
        raise CheckpointError(f"{layout.outputs[1]} lies in 0..1, as scores do, not logits", where=file, hint=hint)


def _conventions(family: str, layout: Layout, options: OnnxOptions) -> Conventions:
    """The family's, what its ways of exporting change, and what a person says."""
    how = FAMILIES[family]
    if family == "rtdetr" and layout.form in ("rows", "ready"):  # Ultralytics'
        how = replace(how, resampling="linear")
    if layout.form == "three":  # in pixels of the size that it is told, which is the input's
        how = replace(how, boxes="xyxy", unit="pixels")
    said = {field.name: getattr(options, field.name) for field in fields(Conventions)}
    return replace(how, **{name: value for name, value in said.items() if value is not None})


def _config(categories: Categories, how: Conventions, size_wh: tuple[int, int], options: OnnxOptions) -> OnnxConfig:
    rule = how.rule(size_wh)
    entries: dict[str, Any] = {
        "categories": categories.names,
        "rgb_mean": how.mean,
        "rgb_std": how.std,
        "min_size": rule.min_size,
        "max_size": rule.max_size,
        "score_threshold": options.score_threshold,
        "max_detections": options.max_detections,
        "nms_iou": 1.0 if how.nms_iou is None else how.nms_iou,
        "rule": rule,
    }
    return OnnxConfig(**entries)


def _sha256(file: Path, session: Session) -> str:
    """Of the file, and of the YAML beside it, which changes what is found."""
    import hashlib

    if not yaml_of(file).is_file():
        return session.sha256
    return hashlib.sha256(f"{session.sha256} {sha256_of(yaml_of(file))}".encode()).hexdigest()


def _unclear(file: Path, shapes: Shapes, family: str | None, layout: Layout | None) -> CheckpointError:
    """What to write where a file does not say what it is."""
    given = ", ".join(f"{name} {list(shape)}" for name, shape in list(shapes.items())[:4])
    if family is None:
        problem = f"the file does not say how its outputs are to be read ({given})"
    elif layout is None:
        problem = f"these are not the outputs of {family}: {given}"
    else:
        problem = "the file does not name its categories"
    return CheckpointError(problem, where=file, hint=yaml_to_write(file, family or "yolov8"))
