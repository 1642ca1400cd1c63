"""A detector in one file: its weights, and as JSON in the file's metadata all that is needed to build and use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from backbones.errors import CheckpointError, ConfigError, HoopoeError
from backbones.tensor_files import first_bytes, fitted, is_safetensors, read_safetensors
from detector.base.checks import given_path
from detector.base.content_hash import sha256_of
from detector.base.devices import Asked, chosen_device, chosen_precision
from detector.base.files import write_bytes
from detector.base.version import __version__
from detector.models.building import build_detector
from detector.models.coco import BUILT_IN, COCO_NAME, coco_file, load_coco
from detector.models.config import ModelConfig
from detector.models.detector import Detector, DetectorMeta
from detector.models.exported import load_exported
from detector.models.onnx.loading import SUFFIX, load_onnx
from detector.models.pyramid import PyramidBackbone
from detector.runtimes.manifest import is_export

FORMAT = "hoopoe-detector-1"
BEST = "best.safetensors"  # in the folder of a run


class _TrainingData(BaseModel):
    """What is used of it again; the rest is kept as it is."""

    model_config = ConfigDict(extra="allow")

    mapping: dict[str, str | None] = {}


class _Entries(BaseModel):
    """The form of the metadata; `config` is checked on its own, as that of another version may differ."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any]
    training_data: _TrainingData
    metrics: dict[str, Any]
    versions: dict[str, Annotated[str, Field(max_length=200)]]


def save_detector(path: str | Path, detector: Detector) -> None:
    """Save a detector, whole or not at all.

    Args:
        path: The `.safetensors` file to write.
        detector: The detector; its network is without wrappers such as DDP's. `Detector.of(net)` is one from
            `build_detector`.

    Raises:
        ConfigError: It is no path or does not end in `.safetensors`, or the detector is built in.
    """
    path, net, meta = given_path(path, "a path", where="save"), detector.net, detector.meta
    if path.suffix != ".safetensors":
        raise ConfigError("detectors are saved as .safetensors", where=path, hint=f"name it {path.stem}.safetensors")
    if not isinstance(getattr(net, "backbone", None), PyramidBackbone):
        problem = "built-in detectors and those of ONNX files are not saved"
        raise ConfigError(problem, where=path, hint="load it from where it is")
    entries = {
        "config": meta.config.model_dump(mode="json"),
        "training_data": dict(meta.training_data),
        "metrics": dict(meta.metrics),
        "versions": dict(meta.versions),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    # save_file would hide the file from other users
    write_bytes(path, save(tensors, {"format": FORMAT, "meta": json.dumps(entries)}))


def load_detector(source: str | Path, device: torch.device | str | None = None, precision: Asked = "auto") -> Detector:
    """Load a detector in evaluation mode; nothing but its file is needed.

    Args:
        source: The folder of a run, a detector's file (`best.safetensors`), a folder of `export-model`, an ONNX file of
            another program (YOLO, MegaDetector, YOLOX, RT-DETR, RF-DETR), or `coco` for the built-in one: bird, other
            animal, person, vehicle.
        device: Where it goes: cpu, cuda, cuda:1 ...; by default a GPU where there is one.
        precision: "bf16" runs convolutions and matrix products in bfloat16, "fp16" in float16 (GPUs); "auto" takes bf16
            where the device computes in it.

    Raises:
        CheckpointError: The file is missing, damaged, not a detector's, or its tensors are not those of its config.
        ConfigError: The device cannot be used.
        DownloadError: The built-in one is not on this machine, and cannot be fetched.

    Example:
        >>> hp.load_detector("birds.safetensors", device="cpu", precision="fp32")
        Detector('birds.safetensors': bird, person; cpu, fp32)
    """
    if not isinstance(source, str) or source not in BUILT_IN:
        path = given_path(source, "the name of a detector", where="load_detector", error=CheckpointError)
        if is_export(path):
            return load_exported(path, device, precision)
        if path.suffix.lower() == SUFFIX and path.is_file():
            return load_onnx(path, device, precision)
    place = chosen_device(device)
    if isinstance(source, str) and source in BUILT_IN:
        net, config = load_coco(source)
        name, file, meta, where = source, coco_file(source), DetectorMeta(config), source
    else:
        file = detector_file(source)
        net, meta = _built(file)
        name, where = file.name, str(file.absolute())
    return Detector(net.to(place).eval(), meta, name, sha256_of(file), chosen_precision(precision, place), where)


def _built(file: Path) -> tuple[nn.Module, DetectorMeta]:
    """The network that a file describes, with its weights."""
    state, meta = read_detector(file)
    try:
        with torch.device("meta"):  # shapes without memory: no time goes into random weights
            net = build_detector(meta.config, load_weights=False)
    except HoopoeError as error:
        hint = f"load it with Hoopoe {meta.versions.get('hoopoe', 'that wrote it')}"
        raise CheckpointError(f"the detector cannot be built ({error.problem})", where=file, hint=hint) from error
    net.load_state_dict(fitted(state, net.state_dict(), file), assign=True)
    return net, meta


def detector_file(source: str | Path) -> Path:
    """The file of a detector that is named by itself or by the folder of its run.

    Raises:
        CheckpointError: There is none.
    """
    path = given_path(source, "the name of a detector", where="load_detector", error=CheckpointError)
    if path.is_file():
        return path
    if path.is_dir() and (path / BEST).is_file():
        return path / BEST
    problem = f"this is a folder without {BEST}" if path.is_dir() else "there is no such detector"
    raise CheckpointError(problem, where=source, hint=f"give a run's folder, its file, an .onnx file, or '{COCO_NAME}'")


def read_detector(source: str | Path) -> tuple[dict[str, Tensor], DetectorMeta]:
    """The tensors of a detector's file by name, on the CPU, and what it says about them; see `load_detector`."""
    path = detector_file(source)
    hint = "give the best.safetensors of a run, or copy it again"
    if not is_safetensors(first_bytes(path)):
        raise CheckpointError("this is not a detector's file, or it is damaged", where=path, hint=hint)
    state, metadata = read_safetensors(path)
    _check_format(metadata, path)
    try:
        entries = _Entries.model_validate_json(metadata.get("meta", ""))
    except ValidationError as error:
        problem = f"this is not a detector's file, or it is damaged ({_short(error)})"
        raise CheckpointError(problem, where=path, hint=hint) from error
    try:
        config = ModelConfig.model_validate(entries.config)
    except ValidationError as error:
        version = entries.versions.get("hoopoe", "unknown")
        problem = f"its settings are of Hoopoe {version} and cannot be read by {__version__} ({_short(error)})"
        raise CheckpointError(problem, where=path, hint=f"install Hoopoe {version}") from error
    return state, DetectorMeta(
        config, entries.training_data.model_dump(exclude_unset=True), entries.metrics, entries.versions
    )


def _check_format(metadata: Mapping[str, str], path: Path) -> None:
    found = metadata.get("format", "")
    if found == FORMAT:
        return
    if found.startswith("hoopoe-detector"):
        problem, hint = f"the file has the format {found}, this Hoopoe reads {FORMAT}", "update Hoopoe"
    elif "classification" in metadata.get("task", ""):
        problem, hint = "this is a classifier, not a detector", "give it as model.weights, or give a detector"
    else:
        problem, hint = "these weights do not say that they are a detector", "give the best.safetensors of a run"
    raise CheckpointError(problem, where=path, hint=hint)


def _short(error: Exception) -> str:
    """The first error in a line, without what a stranger's file says at length."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg']}"[:200]
    return " ".join(str(error).split())[:200]
