"""Files of tensors, `.pt` and `.safetensors`, as data: no code of theirs runs, and no claim of theirs takes memory.

What is inside is checked by those who read it; `fitted` compares the tensors with those of a network.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import CheckpointError
from backbones.files import open_regular, regular_size

if TYPE_CHECKING:
    from torch import Tensor

MAX_METADATA = 64 << 20  # bytes of a .safetensors' header; names of tensors and classes take one or two
ZIP_MAGIC, PICKLE_MAGIC = b"PK\x03\x04", b"\x80"  # torch.save since 1.6, and before
WHAT = "file of weights"
FETCH_AGAIN = "fetch the file again"
_ZIP_SLACK = 1 << 16  # bytes by which the parts of a stored zip may seem larger than the file
_SHOWN_TENSORS = 4


def first_bytes(path: Path) -> bytes:
    """The head of a file, to see of what kind it is.

    Raises:
        CheckpointError: It is no file.
    """
    with open_regular(path, what=WHAT, error=CheckpointError) as file:
        return file.read(64)


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins like this is one; its length may look like a pickle's first byte."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, on the CPU, and the metadata.

    Raises:
        CheckpointError: It is no file, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    size = regular_size(path, what=WHAT, error=CheckpointError)
    length = int.from_bytes(first_bytes(path)[:8], "little")
    if length > min(size - 8, MAX_METADATA):
        problem = f"the file is damaged: its header claims {length:,} of {size:,} bytes"
        raise CheckpointError(problem, where=path, hint=FETCH_AGAIN)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # copies: what is mapped changes with a file that is copied over, and Windows replaces no such file
            return {name: file.get_tensor(name).clone() for name in file.keys()}, metadata  # noqa: SIM118 (not a dict)
    except (SafetensorError, ValueError, TypeError, RuntimeError, OSError, MemoryError) as error:
        # also ValueError and TypeError: types of numbers that torch has not
        raise _damaged(error, path) from error


def read_pt(path: Path) -> Any:
    """What torch.save wrote: tensors and plain values, on the CPU.

    Raises:
        CheckpointError: It is no file, damaged, or a pickle of anything else, which is refused unrun.
    """
    import torch

    size = regular_size(path, what=WHAT, error=CheckpointError)
    try:
        if first_bytes(path).startswith(ZIP_MAGIC):
            with zipfile.ZipFile(path) as parts:
                claimed = sum(part.file_size for part in parts.infolist())
            if claimed > size + _ZIP_SLACK:  # torch never compresses
                raise zipfile.BadZipFile(f"its parts claim {claimed:,} of {size:,} bytes")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message advises weights_only=False: never pass that on
        found = re.search(r"GLOBAL (\w[\w.]*)", str(error))
        raise CheckpointError(
            f"its pickle holds more than tensors ({found[1] if found else 'or is damaged'}) and was refused, unrun",
            where=path,
            hint="load only files that you trust, saved as a state dict or as .safetensors",
        ) from None
    except Exception as error:  # on damaged bytes torch raises RuntimeError, OSError, EOFError, KeyError ...
        raise _damaged(error, path) from error


def fitted(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: object) -> dict[str, Tensor]:
    """The tensors of a file, in the types of a network's.

    Args:
        found: The file's.
        expected: The network's, maybe on the meta device.
        path: The file.

    Raises:
        CheckpointError: Names, shapes or kinds of numbers differ; they are listed.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    missing = [f"{name} {tuple(tensor.shape)}" for name, tensor in expected.items() if name not in found]
    extra = [f"{name} {shape}" for name, shape in shapes.items() if name not in expected]
    both = [(name, tensor) for name, tensor in expected.items() if name in found]
    misshapen = [
        f"{name} {shapes[name]} in place of {tuple(tensor.shape)}"
        for name, tensor in both
        if shapes[name] != tensor.shape
    ]
    mistyped = [
        f"{name} {found[name].dtype} in place of {tensor.dtype}"
        for name, tensor in both
        if not _fits(found[name], tensor)
    ]
    problems = [
        f"{len(names)} {kind} ({', '.join(names[:_SHOWN_TENSORS])}{', ...' if len(names) > _SHOWN_TENSORS else ''})"
        for kind, names in (
            ("missing", missing),
            ("extra", extra),
            ("of another shape", misshapen),
            ("of another type", mistyped),
        )
        if names
    ]
    if problems:
        problem = f"its tensors do not fit: {'; '.join(problems)}"
        raise CheckpointError(problem, where=path, hint="fetch, copy or save the file again")
    return {name: found[name].to(tensor.dtype) for name, tensor in both}


def _fits(found: Tensor, expected: Tensor) -> bool:
    import torch

    if found.layout is not torch.strided or found.device.type != "cpu":
        return False
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    if expected.dtype.is_floating_point:
        return found.dtype in kinds
    return found.dtype in (*kinds, expected.dtype)  # counts, in files that were halved as a whole


def _damaged(error: BaseException, path: Path) -> CheckpointError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return CheckpointError(f"the file is damaged, or not of its kind ({reason})", where=path, hint=FETCH_AGAIN)
