"""Classification checkpoints in birder's two formats, `.pt` and `.safetensors`, read into one value and written back.

A `.pt` file is a pickled dict {state, birder_version, task, signature, class_to_idx, rgb_stats, [config]}. A
`.safetensors` file has the tensors as they are, and the rest as JSON strings in its metadata. Source: birder 0.8.4,
birder/common/fs_ops.py. The format is told from the content, so a renamed file loads.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import CheckpointError
from backbones.files import write_bytes

if TYPE_CHECKING:
    from torch import Tensor

Signature = dict[str, Any]
RGBStats = Mapping[str, Any]

TASK = "image_classification"
FORMAT_VERSION = "0.8.4"  # the version of birder whose format this is
METADATA_KEYS = ("signature", "class_to_idx", "rgb_stats")

_ZIP_MAGIC = b"PK\x03\x04"  # torch.save since 1.6
_PICKLE_MAGIC = b"\x80"  # torch.save before
_SAFETENSORS_MAX_HEADER = 100_000_000  # bytes; the format's own limit. The length may look like a pickle's first byte
_LFS_MAGIC = b"version https://git-lfs"
_FETCH_AGAIN = "fetch the file again"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, checked at birth: a CheckpointError names the entry that is not as it should be.

    Attributes:
        path: File that it was read from.
        state: Tensors by their name in the network.
        class_to_idx: Index of each class in the network's output.
        signature: Shapes of inputs and outputs, {"inputs": [{"data_shape": [0, 3, H, W]}], "outputs": [...]}.
        rgb_stats: "mean" and "std" of each channel, for pixels in 0..1.
        config: Settings of the network that differ from, or repeat, its registered ones.
        network: Name of the network, where the file tells it (birder's files do not).
    """

    path: Path
    state: Mapping[str, Tensor]
    class_to_idx: dict[str, int]
    signature: Signature
    rgb_stats: RGBStats
    config: Mapping[str, Any]
    network: str | None = None

    def __post_init__(self) -> None:
        for entry, holds in _CLAIMS.items():
            try:
                valid = holds(self)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                valid = False
            if not valid:
                problem = f"{entry} is not of the expected form: {str(getattr(self, entry))[:200]}"
                raise CheckpointError(problem, where=self.path, mend="see Checkpoint for what it should be")

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


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a classification checkpoint; its tensors stay on the CPU, and none of its code is run.

    Raises:
        CheckpointError: The file is missing, damaged, not a classification checkpoint of one of the two formats, or a
            pickle of anything but tensors and plain values.
    """
    path = Path(path)
    head = _first_bytes(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _SAFETENSORS_MAX_HEADER:
        entries = _read_safetensors(path)
    elif head.startswith((_ZIP_MAGIC, _PICKLE_MAGIC)):
        entries = _read_pt(path)
    else:
        raise CheckpointError(f"this is not a checkpoint, but {_describe(head)}", where=path, mend=_FETCH_AGAIN)
    return _checkpoint(entries, path)


def write_safetensors(checkpoint: Checkpoint) -> None:
    """Write a checkpoint to its path, whole or not at all, as `.safetensors` with birder's metadata."""
    from safetensors.torch import save

    metadata = {
        "birder_version": FORMAT_VERSION,
        "task": TASK,
        **{key: json.dumps(getattr(checkpoint, key)) for key in (*METADATA_KEYS, "config")},
    }
    if checkpoint.network is not None:
        metadata["network"] = checkpoint.network
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.state.items()}
    write_bytes(checkpoint.path, save(tensors, metadata))  # save_file would hide the file from other users


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else f"it cannot be opened ({error})"
        raise CheckpointError(reason, where=path, mend="check the path") from error


def _describe(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head.startswith(_LFS_MAGIC):
        return "a Git LFS pointer in place of the file (run `git lfs pull`)"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page"
    return "a text file" if head.isascii() and b"\0" not in head else "something else"


def _read_pt(path: Path) -> dict[str, Any]:
    import torch

    try:
        entries = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message advises weights_only=False: never pass that on
        found = re.search(r"GLOBAL (\w[\w.]*)", str(error))
        raise CheckpointError(
            f"its pickle holds more than tensors ({found[1] if found else 'or is damaged'}) and was refused, unrun",
            where=path,
            mend="load only files that you trust, saved as a state dict or as .safetensors",
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # on damaged bytes torch raises RuntimeError, OSError, EOFError, KeyError ...
        problem = f"the file is damaged, or not a checkpoint ({_first_line(error)})"
        raise CheckpointError(problem, where=path, mend=_FETCH_AGAIN) from error
    if not isinstance(entries, dict):
        raise CheckpointError(
            f"this holds a {type(entries).__name__}, not a checkpoint", where=path, mend="see save_pretrained"
        )
    return entries


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        plain = {key: metadata[key] for key in ("task", "network") if key in metadata}
        parsed = {key: json.loads(metadata[key]) for key in (*METADATA_KEYS, "config") if metadata.get(key)}
    except (SafetensorError, ValueError) as error:
        problem = f"the file is damaged ({_first_line(error)})"
        raise CheckpointError(problem, where=path, mend=_FETCH_AGAIN) from error
    return {"state": state, **plain, **parsed}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _checkpoint(entries: dict[str, Any], path: Path) -> Checkpoint:
    task = entries.get("task", TASK)
    if task != TASK:
        raise CheckpointError(
            f"this is a checkpoint for {task}, not for {TASK}", where=path, mend="give a classifier's checkpoint"
        )
    missing = [key for key in ("state", *METADATA_KEYS) if key not in entries]
    if missing:
        raise CheckpointError(
            f"the checkpoint has no {', '.join(missing)}",
            where=path,
            mend="save it again with backbones.save_pretrained, which keeps classes, input size and colour statistics",
        )
    return Checkpoint(
        path,
        entries["state"],
        entries["class_to_idx"],
        entries["signature"],
        entries["rgb_stats"],
        entries.get("config") or {},
        entries.get("network"),
    )


def _state_holds(checkpoint: Checkpoint) -> bool:
    import torch

    tensors = checkpoint.state.items()
    return bool(tensors) and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in tensors)


def _signature_holds(checkpoint: Checkpoint) -> bool:
    sides = get_size_from_signature(checkpoint.signature)
    return min(*sides, get_channels_from_signature(checkpoint.signature)) > 0 and checkpoint.num_classes >= 0


def _classes_hold(checkpoint: Checkpoint) -> bool:
    indices = list(checkpoint.class_to_idx.values())
    return len(set(indices)) == len(indices) and all(0 <= index < checkpoint.num_classes for index in indices)


def _rgb_stats_hold(checkpoint: Checkpoint) -> bool:
    mean, std = checkpoint.rgb_stats["mean"], checkpoint.rgb_stats["std"]
    return len(mean) == len(std) == get_channels_from_signature(checkpoint.signature) and min(std) > 0


def _config_holds(checkpoint: Checkpoint) -> bool:
    return isinstance(checkpoint.config, Mapping) and isinstance(checkpoint.network, str | None)


# in this order: each may rely on those before it
_CLAIMS = {
    "state": _state_holds,
    "signature": _signature_holds,
    "class_to_idx": _classes_hold,
    "rgb_stats": _rgb_stats_hold,
    "config": _config_holds,
}
