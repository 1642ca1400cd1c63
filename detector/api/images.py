"""What counts as a picture: a path, a PIL image, an RGB array or a tensor; and what is said of anything else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PIL
from torch import Tensor

from backbones.errors import MediaError
from backbones.inference.images import open_image
from detector.base.checks import described, expect, given_path
from detector.data.images import read_image

Image = str | os.PathLike[str] | PIL.Image | NDArray[np.uint8] | Tensor
"""A picture: the path of a file; a PIL image of any mode; an array (height, width, 3), RGB, uint8; or a tensor
(3, height, width), RGB, uint8 or float in 0..1, on any device."""

_KINDS = (str, os.PathLike, PIL.Image, np.ndarray, Tensor)
_WHAT = "a picture (a path, a PIL image, an RGB array or a tensor)"


def is_one(images: object) -> bool:
    """Whether it is one picture, and not several.

    Raises:
        MediaError: It is neither.
    """
    if isinstance(images, _KINDS):
        return True
    usable = isinstance(images, Iterable) and not isinstance(images, Mapping | bytes | bytearray)
    if not usable:
        raise _wrong(f"{_WHAT} or a list of them is expected, not {described(images)}", "picture", _advice(images))
    return False


def rgb_array(image: object, where: str = "picture") -> NDArray[np.uint8]:
    """A picture as RGB (height, width, 3) of uint8, upright.

    Args:
        image: See `Image`.
        where: Which picture it is, for errors; a file is named by its path.

    Raises:
        MediaError: It is no picture, or cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        return _from_path(given_path(image, "a picture's path", where=where, error=MediaError))
    if isinstance(image, PIL.Image):
        return np.array(open_image(image))
    if isinstance(image, np.ndarray):
        return _from_array(image, where)
    if isinstance(image, Tensor):
        return _from_tensor(image, where)
    expect(image, _KINDS, _WHAT, where=where, hint=_advice(image), error=MediaError)
    raise AssertionError("unreachable: all kinds of pictures were tried")


def rgb_arrays(images: Iterable[object]) -> Iterable[NDArray[np.uint8]]:
    """Pictures one after the other, each read when it is asked for."""
    return (rgb_array(image, f"picture {place}") for place, image in enumerate(images))


def _from_path(path: Path) -> NDArray[np.uint8]:
    if path.is_dir():
        raise _wrong("this is a folder, not a picture", path, f"give its files: sorted(Path('{path}').glob('*.jpg'))")
    if str(path).startswith(("http:", "https:")):
        raise _wrong("pictures are read from files, not from the web", path, "download it first")
    return read_image(path)


def _from_array(array: NDArray[np.uint8], where: str) -> NDArray[np.uint8]:
    if array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8 and array.size:
        return array if array.flags.writeable else array.copy()  # torch warns of those that are not
    hint = "convert it first"
    if array.ndim == 4:
        hint = "of a stack of pictures give list(stack)"
    elif array.ndim == 2:
        hint = "of a grey picture give numpy.stack([grey] * 3, axis=2)"
    elif array.ndim == 3 and array.shape[2] == 4:
        hint = "leave out the alpha channel: array[:, :, :3]"
    elif array.ndim == 3 and array.shape[0] == 3:
        hint = "channels come last: array.transpose(1, 2, 0)"
    elif array.dtype.kind == "f":
        hint = "of floats in 0..1 give (array * 255).round().astype('uint8')"
    raise _wrong(
        f"an RGB array (height, width, 3) of uint8 is expected, not {array.shape} of {array.dtype}", where, hint
    )


def _from_tensor(tensor: Tensor, where: str) -> NDArray[np.uint8]:
    shape = tuple(tensor.shape)
    if tensor.ndim != 3 or shape[0] != 3 or not tensor.numel():
        hint = "convert it first"
        if tensor.ndim == 4:
            hint = "of a batch of pictures give list(batch)"
        elif tensor.ndim == 3 and shape[2] == 3:
            hint = "channels come first: tensor.permute(2, 0, 1)"
        raise _wrong(f"a tensor (3, height, width) is expected, not {shape}", where, hint)
    values = tensor.detach().cpu()
    if values.dtype == torch.uint8:
        return values.permute(1, 2, 0).contiguous().numpy()
    if not values.is_floating_point():
        raise _wrong(
            f"a tensor of uint8, or of floats in 0..1, is expected, not {values.dtype}", where, "use .to(uint8)"
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also NaN
        hint = "give it before it is normalised, as uint8 or divided by 255"
        raise _wrong(f"floats in 0..1 are expected, not {low:.3g} to {high:.3g}", where, hint)
    return (values.float() * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _advice(image: object) -> str:
    if isinstance(image, bytes | bytearray):
        return "of a file's bytes give PIL.Image.open(io.BytesIO(data))"
    return "such as 'photo.jpg'"


def _wrong(problem: str, where: object, hint: str) -> MediaError:
    return MediaError(problem, where=where, hint=hint)
