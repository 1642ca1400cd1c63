"""Classifying images: the transform a network was validated with, one image, or a stream of many crops."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from backbones.checkpoints import RGBStats
from backbones.errors import ConfigError
from backbones.inference.images import ImageSource, open_image

if TYPE_CHECKING:
    from PIL import Image

    from backbones.base import Backbone

TTA_CROP = 0.8  # of each side; birder's test-time augmentation

Transform = Callable[..., Tensor]


@dataclass(frozen=True)
class ClassificationTransform:
    """Image to network input, as birder validates: resize, crop the centre, scale to 0..1, normalise.

    Attributes:
        size: (height, width) of the result in pixels.
        mean: Mean of each channel, for pixels in 0..1.
        std: Standard deviation of each channel.
        center_crop: Share of the resized image's sides that is kept, in (0, 1].
        simple_crop: Keep the aspect ratio and crop what stands out, instead of squashing the image to the size.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    center_crop: float = 1.0
    simple_crop: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.center_crop <= 1:
            raise ConfigError(
                f"center_crop must be in (0, 1], not {self.center_crop}", where="classification_transform"
            )

    def __call__(self, image: ImageSource) -> Tensor:
        """Return the image as a float32 tensor (channels, height, width)."""
        upright = open_image(image)
        resized = transforms.resize(
            upright, self._resized_size(upright), interpolation=InterpolationMode.BICUBIC, antialias=True
        )
        pixels = transforms.pil_to_tensor(transforms.center_crop(resized, list(self.size)))
        return transforms.normalize(transforms.to_dtype(pixels, torch.float32, scale=True), self.mean, self.std)

    def _resized_size(self, image: Image.Image) -> list[int]:
        height, width = (int(side / self.center_crop) for side in self.size)
        if not self.simple_crop:
            return [height, width]
        if image.width * height >= image.height * width:  # wider than the target: its height decides
            return [height, max(width, height * image.width // image.height)]
        return [max(height, width * image.height // image.width), width]


def classification_transform(
    size: tuple[int, int], rgb_stats: RGBStats, center_crop: float = 1.0, simple_crop: bool = False
) -> ClassificationTransform:
    """Return the transform that a classifier was validated with; it equals birder's inference preset on RGB images.

    With the defaults the image is squashed to the size, and nothing is cropped. Unlike birder's, the transform takes
    whatever `open_image` does: a path, a PIL image of any mode, an RGB array.

    Args:
        size: (height, width) in pixels; see `get_size_from_signature`.
        rgb_stats: The checkpoint's "mean" and "std", for pixels in 0..1.
        center_crop: Share of the resized image's sides that is kept, in (0, 1].
        simple_crop: Keep the aspect ratio, and crop what stands out.

    Raises:
        ConfigError: `center_crop` is out of range.
    """
    mean, std = tuple(rgb_stats["mean"]), tuple(rgb_stats["std"])
    return ClassificationTransform((size[0], size[1]), mean, std, center_crop, simple_crop)


@dataclass(frozen=True)
class ClassificationResult:
    """Outputs of a classifier for N images.

    Attributes:
        outputs: (N, classes) float32; probabilities, or logits where they were asked for.
        embeddings: (N, dimensions) float32, where they were asked for.
    """

    outputs: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float32] | None


def infer_image(
    net: Backbone,
    sample: ImageSource,
    transform: Transform,
    return_embedding: bool = False,
    tta: bool = False,
    return_logits: bool = False,
    device: torch.device | str | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """Classify one image.

    Args:
        net: The network; it is used in evaluation mode, without gradients, and handed back as it was.
        sample: Path, PIL image of any mode, or RGB array (height, width, 3) of uint8.
        transform: Image to input tensor; see `classification_transform`.
        return_embedding: Return the embedding too.
        tta: Average over five crops (four corners and the centre) of 0.8 of each side.
        return_logits: Return logits instead of probabilities.
        device: Where the input goes; by default to the network.

    Returns:
        Probabilities or logits (1, classes), and the embedding (1, dimensions) or None; both float32.

    Raises:
        MediaError: The image cannot be read.
        ConfigError: Both `tta` and `return_embedding` are asked for.
    """
    if tta and return_embedding:
        raise ConfigError("test-time augmentation has no single embedding", hint="ask for one of the two")
    with evaluating(net):
        inputs = _to_network(net, transform(open_image(sample))[None], device)
        return _infer(net, inputs, return_embedding=return_embedding, tta=tta, return_logits=return_logits)


def classify(
    net: Backbone,
    images: Iterable[ImageSource],
    transform: Transform,
    *,
    batch_size: int = 32,
    return_embedding: bool = False,
    return_logits: bool = False,
) -> ClassificationResult:
    """Classify many images, a batch at a time; never more than one batch of them is held.

    In mixed precision within `with torch.autocast(...)`.

    Args:
        net: The network; it is used in evaluation mode, without gradients, and handed back as it was.
        images: Paths, PIL images or RGB arrays; may be a generator.
        transform: Image to input tensor; see `classification_transform`.
        batch_size: Images in one pass through the network.
        return_embedding: Return embeddings too.
        return_logits: Return logits instead of probabilities.

    Returns:
        One row an image, in their order; no images give no rows.

    Raises:
        MediaError: An image cannot be read; the error names it.
        ConfigError: `batch_size` is less than 1.
    """
    if batch_size < 1:
        raise ConfigError(f"a batch holds at least one image, not {batch_size}", where="batch_size")
    outputs = [np.zeros((0, net.num_classes), np.float32)]
    embeddings = [np.zeros((0, net.embedding_size), np.float32)]
    with evaluating(net):
        for tensors in _batches(images, transform, batch_size):
            inputs = _to_network(net, tensors, None)
            output, embedding = _infer(net, inputs, return_embedding=return_embedding, return_logits=return_logits)
            outputs.append(output)
            if embedding is not None:
                embeddings.append(embedding)
    return ClassificationResult(np.concatenate(outputs), np.concatenate(embeddings) if return_embedding else None)


def _batches(images: Iterable[ImageSource], transform: Transform, batch_size: int) -> Iterator[Tensor]:
    remaining = iter(images)
    while batch := [transform(open_image(image)) for image in itertools.islice(remaining, batch_size)]:
        yield torch.stack(batch)


@contextlib.contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; the mode of every part is restored, also of parts frozen on their own."""
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def _to_network(net: Backbone, inputs: Tensor, device: torch.device | str | None) -> Tensor:
    parameter = next(net.parameters())
    return inputs.to(device or parameter.device, parameter.dtype)


def _infer(
    net: Backbone, inputs: Tensor, *, return_embedding: bool = False, tta: bool = False, return_logits: bool = False
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    embedding = None
    if return_embedding:
        embedding = net.embedding(inputs)
        views = net.classifier(embedding)[None]
    elif tta:
        views = torch.stack([net(view) for view in _five_crops(inputs)])
    else:
        views = net(inputs)[None]  # (views, N, classes)
    outputs = views if return_logits else F.softmax(views.float(), dim=-1)
    return _to_numpy(outputs.mean(dim=0)), None if embedding is None else _to_numpy(embedding)


def _five_crops(inputs: Tensor) -> list[Tensor]:
    height, width = inputs.shape[-2:]
    crops = transforms.five_crop(inputs, [int(height * TTA_CROP), int(width * TTA_CROP)])
    return [
        transforms.resize(crop, [height, width], interpolation=InterpolationMode.BICUBIC, antialias=True)
        for crop in crops
    ]


def _to_numpy(tensor: Tensor) -> npt.NDArray[np.float32]:
    return tensor.float().cpu().numpy()
