"""A detector in one file: its weights, and as JSON in the file's metadata all that is needed to build and use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import torchvision
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from backbones.errors import CheckpointError, ConfigError, HoopoeError
from backbones.tensor_files import first_bytes, fitted, is_safetensors, read_safetensors
from detector import __version__
from detector.base.files import write_bytes
from detector.models.building import build_detector
from detector.models.coco import COCO_NAME, load_coco
from detector.models.config import ModelConfig
from detector.models.pyramid import PyramidBackbone

FORMAT = "hoopoe-detector-1"


def _versions() -> dict[str, str]:
    return {"hoopoe": __version__, "torch": torch.__version__, "torchvision": torchvision.__version__}


@dataclass(frozen=True)
class DetectorMeta:
    """What a detector's file says beside the weights. Values are plain: they travel as JSON.

    Attributes:
        config: Everything that makes the detector: categories, image size, colours, heads (see `config_of`).
        training_data: Fingerprint and counts of what it was trained on.
        metrics: Its evaluation, such as {"AP": 0.41}.
        versions: Versions of the software that made it.
    """

    config: ModelConfig
    training_data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=_versions)

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the categories, in the order of the labels."""
        return self.config.categories

    @property
    def rgb_stats(self) -> dict[str, tuple[float, ...]]:
        """ "mean" and "std" of the channels that images are normalised with, for pixels in 0..1."""
        return {"mean": self.config.rgb_mean or (), "std": self.config.rgb_std or ()}


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


def save_detector(path: str | Path, model: nn.Module, meta: DetectorMeta) -> None:
    """Save a detector, whole or not at all.

    Args:
        path: The `.safetensors` file to write.
        model: A detector from `build_detector` or `load_detector`, without wrappers such as DDP's.
        meta: What to say about it; `DetectorMeta(config_of(model), ...)`.

    Raises:
        ConfigError: The path does not end in `.safetensors`, or the model is the built-in `coco`.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ConfigError("detectors are saved as .safetensors", where=path, hint=f"name it {path.stem}.safetensors")
    if not isinstance(model.backbone, PyramidBackbone):
        raise ConfigError(f"the built-in detector '{COCO_NAME}' is not saved", where=path, hint="load it by its name")
    entries = {
        "config": meta.config.model_dump(mode="json"),
        "training_data": dict(meta.training_data),
        "metrics": dict(meta.metrics),
        "versions": dict(meta.versions),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # save_file would hide the file from other users
    write_bytes(path, save(tensors, {"format": FORMAT, "meta": json.dumps(entries)}))


def load_detector(source: str | Path, device: torch.device | str = "cpu") -> tuple[nn.Module, DetectorMeta]:
    """Load a detector in evaluation mode; nothing but its file is needed.

    Args:
        source: The file, or `coco` for the built-in one: bird, other animal, person, vehicle.
        device: Where it goes.

    Raises:
        CheckpointError: The file is missing, damaged, not a detector's, or its tensors are not those of its config.
        DownloadError: `coco` is not on this machine, and cannot be fetched.
    """
    if source == COCO_NAME:
        model = load_coco()
        return _moved(model, device), DetectorMeta(model.config)
    state, meta = read_detector(source)
    try:
        with torch.device("meta"):  # shapes without memory: no time goes into random weights
            model = build_detector(meta.config, load_weights=False)
    except HoopoeError as error:
        hint = f"load it with Hoopoe {meta.versions.get('hoopoe', 'that wrote it')}"
        raise CheckpointError(f"the detector cannot be built ({error.problem})", where=source, hint=hint) from error
    model.load_state_dict(fitted(state, model.state_dict(), source), assign=True)
    return _moved(model, device).eval(), meta


def read_detector(source: str | Path) -> tuple[dict[str, Tensor], DetectorMeta]:
    """The tensors of a detector's file by name, on the CPU, and what it says about them; see `load_detector`."""
    path = Path(source).expanduser()
    if not path.is_file():
        raise CheckpointError(_not_a_file(path), where=source, hint=f"give a .safetensors file, or '{COCO_NAME}'")
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


def _moved(model: nn.Module, device: torch.device | str) -> nn.Module:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:  # no such device, or a torch that was built without it
        raise ConfigError(f"the device cannot be used ({_short(error)})", where=device, hint="use cpu") from error


def _not_a_file(path: Path) -> str:
    if path.is_dir():
        return "this is a folder, not a detector's file"
    return "there is no such detector"


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
