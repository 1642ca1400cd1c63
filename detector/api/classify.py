"""`load_classifier`, `classify` and `classify_stream`: which species a picture of one bird shows."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from backbones.errors import ConfigError
from detector.api.checks import Source, checked_whole
from detector.api.images import Image, is_one, rgb_array
from detector.base.checks import expect, given_path
from detector.base.devices import Asked
from detector.species.classifier import SpeciesClassifier
from detector.species.classifier import load_classifier as load_any
from detector.species.crops import cut_crops


@dataclass(frozen=True, eq=False, repr=False)
class Classification:
    """What a classifier says about one picture.

    Attributes:
        logits: float32 (classes,).
        class_names: In the order of the logits.
    """

    logits: NDArray[np.float32]
    class_names: tuple[str, ...]

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Softmax of the logits, (classes,)."""
        return torch.softmax(torch.from_numpy(self.logits), dim=0).numpy()

    @property
    def name(self) -> str:
        """The likeliest class."""
        return self.class_names[int(self.logits.argmax())]

    @property
    def probability(self) -> float:
        """Of the likeliest class."""
        return float(self.probabilities.max())

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, the likeliest first."""
        checked_whole(count, "count")
        probabilities = self.probabilities
        best = probabilities.argsort()[::-1][:count].tolist()
        return [(self.class_names[index], float(probabilities[index])) for index in best]

    def __repr__(self) -> str:
        return f"Classification({self.name} {self.probability:.2f})"


def load_classifier(
    source: Source, device: torch.device | str | None = None, precision: Asked = "auto"
) -> SpeciesClassifier:
    """Load a classifier of species, in evaluation mode.

    Args:
        source: A published name, a `.pt` or `.safetensors` file in birder's format, or a folder of `export-model`.
        device: Where it runs: cpu, cuda, cuda:1 ...; by default a GPU where there is one.
        precision: "bf16" runs convolutions and matrix products in bfloat16, "fp16" in float16 (GPUs); "auto" takes bf16
            where the device computes in it.

    Raises:
        CheckpointError: The file cannot be used, or is not a classifier of RGB images.
        DownloadError: The published file cannot be fetched.
        ConfigError: No weights of this name are published, or the device cannot be used.

    Example:
        >>> birds = hp.load_classifier("davit_tiny_il-all")
        >>> len(birds.class_names) > 1
        True
    """
    given_path(source, "the name of a classifier", where="load_classifier")
    return load_any(os.fspath(source), device, precision)


@overload
def classify(  # type: ignore[overload-overlap]  # a str is also an iterable
    birds: SpeciesClassifier, images: Image, *, batch_size: int = ...
) -> Classification: ...
@overload
def classify(birds: SpeciesClassifier, images: Iterable[Image], *, batch_size: int = ...) -> list[Classification]: ...
def classify(
    birds: SpeciesClassifier, images: Image | Iterable[Image], *, batch_size: int = 32
) -> Classification | list[Classification]:
    """Name the species in pictures that show one bird each and are cropped to it; whole scenes are for `rerank`.

    Args:
        birds: From `load_classifier`.
        images: One picture, or several; what counts as one is as for `predict`.
        batch_size: Pictures in one pass through the network.

    Returns:
        One `Classification` for one picture, a list for several.

    Raises:
        MediaError: Something is no picture, or cannot be read; it is named.

    Example:
        >>> birds = hp.load_classifier("davit_tiny_il-all")
        >>> said = hp.classify(birds, "bird.jpg")
        >>> said.name in birds.class_names
        True
        >>> len(said.top(3))
        3
    """
    if is_one(images):
        return next(classify_stream(birds, [rgb_array(images)], batch_size=1))
    return list(classify_stream(birds, images, batch_size=batch_size))  # type: ignore[arg-type]


def classify_stream(
    birds: SpeciesClassifier, images: Iterable[Image], *, batch_size: int = 64
) -> Iterator[Classification]:
    """Name the species in a stream of pictures that are cropped to one bird each, however long it is.

    Never more than one batch is held, and results come in the order of the pictures, as soon as their batch is full.

    Args:
        birds: From `load_classifier`.
        images: Pictures as for `predict`; usually a generator of arrays.
        batch_size: Pictures in one pass through the network.

    Yields:
        A `Classification` a picture.

    Raises:
        MediaError: Something is no picture, or cannot be read; its place in the stream is named.

    Example:
        >>> birds = hp.load_classifier("davit_tiny_il-all")
        >>> crops = (numpy.zeros((50, 40, 3), "uint8") for _ in range(5))
        >>> sum(said.probability > 0 for said in hp.classify_stream(birds, crops, batch_size=2))
        5
    """
    expect(birds, SpeciesClassifier, "a classifier", where="birds", hint="load it with load_classifier(...)")
    size = checked_whole(batch_size, "batch_size")
    if is_one(images):
        raise ConfigError("a stream of pictures is expected, not one picture", where="images", hint="use classify")
    return _classified(birds, enumerate(images), size)


def _classified(birds: SpeciesClassifier, images: Iterator[tuple[int, Image]], size: int) -> Iterator[Classification]:
    while batch := [_squashed(birds, image, place) for place, image in itertools.islice(images, size)]:
        logits = birds.logits(np.stack(batch), batch_size=size).logits
        yield from (Classification(row, birds.class_names) for row in logits)


def _squashed(birds: SpeciesClassifier, image: Image, place: int) -> NDArray[np.uint8]:
    """A whole picture as the classifier sees it, (*size_hw, 3)."""
    pixels = rgb_array(image, f"picture {place}")
    whole = np.array([[0, 0, pixels.shape[1], pixels.shape[0]]], np.float32)
    crop: NDArray[np.uint8] = cut_crops(pixels, whole, birds.size_hw)[0]
    return crop
