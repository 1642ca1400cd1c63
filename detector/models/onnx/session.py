"""ONNX files that may be anybody's, opened with care and run by ONNX Runtime."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from backbones.errors import CheckpointError, ConfigError
from detector.base.content_hash import sha256_of
from detector.base.devices import chosen_device
from detector.runtimes.onnx_file import COPY, EXTERNAL, parsed, tensors
from detector.runtimes.part import runtime_module

LARGEST_INPUT = 3 << 28  # values: pictures of 16,384 x 16,384
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


@dataclass(frozen=True)
class ImageInput:
    """The input that takes pictures: (batch, 3, height, width); None where a size is open.

    Attributes:
        name: Of the input.
        dtype: Of its values.
        shape: Batch, channels, height, width.
    """

    name: str
    dtype: type[Any]
    shape: tuple[int | None, ...]

    @property
    def batch(self) -> int | None:
        """How many pictures it takes at once; None: any number."""
        return self.shape[0]

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height; None: they are open."""
        height, width = self.shape[2:]
        return None if height is None or width is None else (width, height)


class ImageSession(Protocol):
    """What runs a network on pictures.

    Attributes:
        file: Of the network, for errors.
        input: That takes pictures.
        outputs: Their names.
    """

    file: Path
    input: ImageInput
    outputs: tuple[str, ...]

    def run(self, pictures: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Outputs by name, float32, of pictures (B, 3, H, W) that are normalised."""


class Session:
    """An ONNX file with its network loaded.

    Args:
        file: The file; weights that lie in files beside it are loaded too, if they are in its folder.
        device: Where it runs; None: on a GPU where this ONNX Runtime can use one.

    Raises:
        CheckpointError: It is missing, damaged, no detector's, or its weights lie elsewhere.
        ConfigError: ONNX Runtime is not installed, or cannot use the device.
    """

    def __init__(self, file: Path, device: torch.device | str | None = None) -> None:
        self.file = file
        runtime = runtime_module("onnxruntime")
        model = parsed(file)
        beside = sorted({_beside(file, tensor) for tensor in tensors(model) if tensor.data_location == EXTERNAL})
        self.sha256 = _joint_hash([file, *beside])
        said = {each.key: each.value for each in model.metadata_props}
        self.metadata = {key: value for key, value in said.items() if isinstance(value, str)}  # bytes: damaged
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        providers = _providers(runtime, device)
        options.log_severity_level = 4  # errors are raised
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints what it also raises
                self._session: Any = runtime.InferenceSession(str(file), options, providers)
        except Exception as error:  # its classes of errors share no base but this
            raise _damaged(file, error) from error
        self.input, self._sizes_input = _image_input(file, self._session.get_inputs())
        self.outputs: tuple[str, ...] = tuple(each.name for each in self._session.get_outputs())

    def run(self, pictures: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Outputs by name, float32, of pictures (B, 3, H, W) that are normalised."""
        fed: dict[str, NDArray[Any]] = {self.input.name: pictures.astype(self.input.dtype, copy=False)}
        if self._sizes_input is not None:  # boxes come in pixels of what is told as the original's size
            size_wh = (pictures.shape[3], pictures.shape[2])
            fed[self._sizes_input] = np.tile(np.array(size_wh, np.int64), (len(pictures), 1))
        try:
            values = self._session.run(None, fed)
        except Exception as error:
            raise _damaged(self.file, error) from error
        found = zip(self.outputs, values, strict=True)
        return {name: np.asarray(each, np.float32) for name, each in found if isinstance(each, np.ndarray)}

    def outputs_of_nothing(self, size_wh: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
        """Outputs for a black picture of this width and height, or for as many as it takes at once."""
        return self.run(np.zeros((self.input.batch or 1, 3, size_wh[1], size_wh[0]), np.float32))


def _damaged(file: Path, error: Exception) -> CheckpointError:
    said = " ".join(str(error).split())[:200]
    return CheckpointError(f"ONNX Runtime cannot run it ({said})", where=file, hint=COPY)


def _beside(file: Path, tensor: Any) -> Path:
    """The file that holds a tensor's values, in the folder of its model.

    Raises:
        CheckpointError: It is missing, too short, or lies elsewhere.
    """
    entries = [(entry.key, entry.value) for entry in tensor.external_data]
    said = {key: value for key, value in entries if isinstance(value, str)}  # bytes: damaged
    name, folder = said.get("location", ""), file.absolute().parent
    path = folder / name
    inside = (
        name and "\0" not in name and not Path(name).is_absolute() and ".." not in Path(name.replace("\\", "/")).parts
    )
    if not inside or not path.resolve().is_relative_to(folder.resolve()):
        problem = f"its weights are said to lie outside its folder, in '{name:.100}'"
        raise CheckpointError(problem, where=file, hint="do not use it, or export the model again into one folder")
    if not path.is_file():
        raise CheckpointError(f"its weights, {name:.100}, are missing", where=file, hint="copy them beside it")
    start, length = (said.get(key, "0") for key in ("offset", "length"))
    numbers = all(re.fullmatch("[0-9]{1,18}", each) for each in (start, length))
    if not numbers or int(start) + int(length) > path.stat().st_size:
        raise CheckpointError(f"its weights, {name:.100}, are cut short", where=file, hint="copy them again")
    return path


def _joint_hash(files: list[Path]) -> str:
    hashes = [sha256_of(file) for file in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _providers(runtime: Any, device: torch.device | str | None) -> list[str]:
    able = "CUDAExecutionProvider" in runtime.get_available_providers() and torch.cuda.is_available()
    wanted = None if device is None or str(device) == "auto" else chosen_device(device)
    if wanted is not None and wanted.type != "cpu" and not (wanted.type == "cuda" and able):
        problem = f"this ONNX Runtime cannot use {wanted}"
        raise ConfigError(problem, where="device", hint="use cpu, or install onnxruntime-gpu for CUDA")
    gpu = able and (wanted is None or wanted.type == "cuda")
    return [*(["CUDAExecutionProvider"] if gpu else []), "CPUExecutionProvider"]


def _image_input(file: Path, inputs: list[Any]) -> tuple[ImageInput, str | None]:
    """The input for pictures, and the name of one for their sizes."""
    pictures = [each for each in inputs if each.type in _TYPES and len(each.shape) == 4]
    others = [each for each in inputs if each not in pictures]
    sizes = next((each.name for each in others if each.type == "tensor(int64)" and len(each.shape) == 2), None)
    if len(pictures) != 1 or len(others) > (sizes is not None):
        said = ", ".join(f"{each.name} {list(each.shape)} of {each.type}" for each in inputs) or "nothing"
        problem = f"a detector takes pictures (batch, 3, height, width); this takes {said[:300]}"
        raise CheckpointError(problem, where=file, hint="export the detector without anything before it")
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in pictures[0].shape)
    if shape[1] not in (3, None):
        problem = f"it takes pictures of {shape[1]} channels, {list(shape)}"
        raise CheckpointError(problem, where=file, hint="export it for pictures (batch, 3, height, width)")
    if math.prod(side or 1 for side in shape) > LARGEST_INPUT:
        problem = f"it takes pictures of {list(shape)}, which no machine holds"
        raise CheckpointError(problem, where=file, hint="export it for a smaller batch or size")
    return ImageInput(pictures[0].name, _TYPES[pictures[0].type], shape), sizes


def text_value(metadata: Mapping[str, str], key: str) -> str:
    """What a file's metadata says of something, in small letters; "" for nothing."""
    return metadata.get(key, "").strip().lower()
