"""Classification checkpoints in birder's two formats, `.pt` and `.safetensors`, read into one value and written back.

A `.pt` file is a pickled dict {state, birder_version, task, signature, class_to_idx, rgb_stats, [config]}. A
`.safetensors` file has the tensors as they are, and the rest as JSON strings in its metadata. Source: birder 0.8.4,
birder/common/fs_ops.py. The format is recognised by the content, so a renamed file loads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from backbones.architecture import check_architecture
from backbones.errors import CheckpointError, ConfigError
from backbones.files import write_bytes
from backbones.tensor_files import (
    FETCH_AGAIN,
    PICKLE_MAGIC,
    ZIP_MAGIC,
    first_bytes,
    is_safetensors,
    read_pt,
    read_safetensors,
)

if TYPE_CHECKING:
    from torch import Tensor

Signature = dict[str, Any]
RGBStats = Mapping[str, Any]

TASK = "image_classification"
FORMAT_VERSION = "0.8.4"  # the version of birder whose format this is
METADATA_KEYS = ("signature", "class_to_idx", "rgb_stats")

_LFS_MAGIC = b"version https://git-lfs"

# far beyond what there is; a file that claims more is not believed
_Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
_Side = Annotated[int, Field(strict=True, ge=1, le=16_384)]
_Batch = Annotated[int, Field(strict=True)]
_Mean = Annotated[float, Field(strict=True, ge=-1000, le=1000)]
_Std = Annotated[float, Field(strict=True, ge=1e-6, le=1000)]
_Name = Annotated[str, Field(strict=True, max_length=1000)]


class _Input(BaseModel):
    data_shape: tuple[_Batch, _Side, _Side, _Side]


class _Output(BaseModel):
    data_shape: tuple[_Batch, _Count]


class _Signature(BaseModel):
    inputs: tuple[_Input]
    outputs: tuple[_Output]


class _Stats(BaseModel):
    mean: tuple[_Mean, ...]
    std: tuple[_Std, ...]


class _Metadata(BaseModel):
    """The form of what stands beside the tensors; more entries than these do no harm."""

    model_config = ConfigDict(frozen=True)

    signature: _Signature
    class_to_idx: dict[_Name, _Count]
    rgb_stats: _Stats
    config: dict[_Name, Any]
    network: _Name | None


_JSON: TypeAdapter[Any] = TypeAdapter(Any)  # unlike the json module's, its parser bounds the depth


@dataclass(frozen=True)
class ClassifierCheckpoint:
    """What a checkpoint holds, checked at birth: a CheckpointError names the entry that is not as it should be.

    Attributes:
        path: File that it was read from.
        state: Tensors by their name in the network.
        class_to_idx: Index of each class in the network's output.
        signature: Shapes of inputs and outputs, {"inputs": [{"data_shape": [0, 3, H, W]}], "outputs": [...]}.
        rgb_stats: "mean" and "std" of each channel, for pixels in 0..1.
        config: Settings of the network that differ from, or repeat, its registered ones.
        network: Name of the network, where the file names it (birder's files do not).
        notes: Further entries that are written along, for others to read.
    """

    path: Path
    state: Mapping[str, Tensor]
    class_to_idx: dict[str, int]
    signature: Signature
    rgb_stats: RGBStats
    config: Mapping[str, Any]
    network: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_state(self)
        entries = {key: getattr(self, key) for key in _Metadata.model_fields}
        try:
            _Metadata.model_validate(entries)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key, *place = map(str, first["loc"])
            reason = f"{first['msg']} at {'.'.join(place)[:80]}" if place else first["msg"]
            raise _misformed(key, reason, self.path) from error
        indices = list(self.class_to_idx.values())
        if len(set(indices)) < len(indices) or max(indices, default=-1) >= self.num_classes:
            reason = f"{len(indices)} classes do not have an index each below {self.num_classes}"
            raise _misformed("class_to_idx", reason, self.path)
        channels = get_channels_from_signature(self.signature)
        if not len(self.rgb_stats["mean"]) == len(self.rgb_stats["std"]) == channels:
            raise _misformed("rgb_stats", f"{channels} channels have a mean and a std each", self.path)
        try:
            check_architecture(self.config, self.path)
        except ConfigError as error:
            hint = "load it with the software that wrote it"
            raise CheckpointError(error.problem, where=self.path, hint=hint) from error

    @property
    def num_classes(self) -> int:
        return int(self.signature["outputs"][0]["data_shape"][1])


def get_size_from_signature(signature: Signature) -> tuple[int, int]:
    """Return the (height, width) in pixels that the network was trained at."""
    height, width = signature["inputs"][0]["data_shape"][2:4]
    return int(height), int(width)


def get_channels_from_signature(signature: Signature) -> int:
    """Return the number of channels of the network's input."""
    return int(signature["inputs"][0]["data_shape"][1])


def make_signature(num_classes: int, size: tuple[int, int], channels: int = 3) -> Signature:
    """Return the signature of a classifier; 0 stands for the batch.

    Args:
        num_classes: Number of outputs.
        size: (height, width) of the input in pixels.
        channels: Channels of the input.
    """
    return {"inputs": [{"data_shape": [0, channels, *size]}], "outputs": [{"data_shape": [0, num_classes]}]}


def read_checkpoint(path: str | Path) -> ClassifierCheckpoint:
    """Read a classification checkpoint; its tensors stay on the CPU, and none of its code is run.

    Raises:
        CheckpointError: The file is missing, damaged, not a classification checkpoint of one of the two formats, or a
            pickle of anything but tensors and plain values.
    """
    path = Path(path)
    head = first_bytes(path)
    if is_safetensors(head):
        entries = _safetensors_entries(path)
    elif head.startswith((ZIP_MAGIC, PICKLE_MAGIC)):
        entries = _pt_entries(path)
    else:
        raise CheckpointError(f"this is not a checkpoint, but {_describe(head)}", where=path, hint=FETCH_AGAIN)
    return _checkpoint(entries, path)


def write_safetensors(checkpoint: ClassifierCheckpoint) -> None:
    """Write a checkpoint to its path, whole or not at all, as `.safetensors` with birder's metadata."""
    from safetensors.torch import save

    metadata = {
        "birder_version": FORMAT_VERSION,
        "task": TASK,
        **{key: json.dumps(getattr(checkpoint, key)) for key in (*METADATA_KEYS, "config")},
    }
    if checkpoint.network is not None:
        metadata["network"] = checkpoint.network
    metadata = {**checkpoint.notes, **metadata}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.state.items()}
    write_bytes(checkpoint.path, save(tensors, metadata))  # save_file would hide the file from other users


def _describe(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head.startswith(_LFS_MAGIC):
        return "a Git LFS pointer in place of the file (run `git lfs pull`)"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page"
    return "a text file" if head.isascii() and b"\0" not in head else "something else"


def _pt_entries(path: Path) -> dict[str, Any]:
    entries = read_pt(path)
    if not isinstance(entries, dict):
        raise CheckpointError(
            f"this holds a {type(entries).__name__}, not a checkpoint", where=path, hint="see save_pretrained"
        )
    return entries


def _safetensors_entries(path: Path) -> dict[str, Any]:
    state, metadata = read_safetensors(path)
    plain: dict[str, Any] = {key: metadata[key] for key in ("task", "network") if key in metadata}
    try:
        parsed = {key: _JSON.validate_json(metadata[key]) for key in (*METADATA_KEYS, "config") if metadata.get(key)}
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise CheckpointError(f"the file is damaged: its metadata ({reason})", where=path, hint=FETCH_AGAIN) from error
    return {"state": state, **plain, **parsed}


def _checkpoint(entries: dict[str, Any], path: Path) -> ClassifierCheckpoint:
    task = entries.get("task", TASK)
    if not isinstance(task, str) or task != TASK:
        problem = f"this is a checkpoint for {str(task)[:80]}, not for {TASK}"
        raise CheckpointError(problem, where=path, hint="give a classifier's checkpoint")
    missing = [key for key in ("state", *METADATA_KEYS) if key not in entries]
    if missing:
        raise CheckpointError(
            f"the checkpoint has no {', '.join(missing)}",
            where=path,
            hint="save it again with backbones.save_pretrained, which keeps classes, input size and colour statistics",
        )
    return ClassifierCheckpoint(
        path,
        entries["state"],
        entries["class_to_idx"],
        entries["signature"],
        entries["rgb_stats"],
        entries.get("config") or {},
        entries.get("network"),
    )


def _check_state(checkpoint: ClassifierCheckpoint) -> None:
    import torch

    state = checkpoint.state
    if not isinstance(state, Mapping) or not state:
        raise _misformed("state", "there are no tensors", checkpoint.path)
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
        raise _misformed("state", "not everything in it is a tensor with a name", checkpoint.path)


def _misformed(entry: str, reason: str, path: Path) -> CheckpointError:
    hint = "save it again with backbones.save_pretrained, or fetch it again"
    return CheckpointError(f"{entry} is not of the expected form: {reason}", where=path, hint=hint)
