"""What every backbone offers: classification, embeddings, and feature maps for detectors, at any input size."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from backbones.layers import channels_last, is_exporting

SIZE_DIVISOR = 32  # the stride of the last stage; inputs are padded to a multiple of it
MIN_INPUT_SIZE = 32

# Without gradients on CPU, images go through in parts whose widest activation has at most this many bytes, so that
# malloc reuses their memory instead of asking the kernel for zeroed pages at every layer.
CPU_PART_BYTES = 32 * 2**20


class Stage(nn.Module):
    """`downsample`, then `blocks`: (B, H, W, C) tokens in, (B, H', W', C') tokens out."""

    def __init__(self, downsample: nn.Module) -> None:
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.Sequential()


class Backbone(nn.Module):
    """A four-stage classifier whose stages are feature maps at strides 4, 8, 16 and 32.

    A family fills in `stem`, `body` (its children are `stage1` .. `stage4`), `features` and `classifier`, under the
    names of birder's state dict. Stages pass tokens channels-last, (B, H, W, C); `features` sees (B, C, H, W).

    Args:
        name: The variant, as in `list_models()`.
        num_classes: Outputs of the classifier; 0 leaves the embedding as it is.
        input_size: Height and width that the classifier was trained at, pixels.
        in_channels: Channels of the input image.
        config: The variant's architecture, with birder's keys.
    """

    return_strides: tuple[int, ...] = (4, 8, 16, 32)
    return_channels: tuple[int, ...]
    stem: nn.Module
    body: nn.Sequential
    features: nn.Sequential
    classifier: nn.Module

    def __init__(
        self, name: str, num_classes: int, input_size: tuple[int, int], in_channels: int, config: dict[str, Any]
    ) -> None:
        super().__init__()
        self.name = name
        self.num_classes = num_classes
        self.input_size = input_size
        self.in_channels = in_channels
        self.config = config
        self.frozen_stages: int | None = None
        self.grad_checkpointing = False

    @property
    def embedding_size(self) -> int:
        """Length of the embedding."""
        return self.return_channels[-1]

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the classifier by a new one, initialised at random; 0 classes leave none."""
        self.num_classes = num_classes
        self.classifier = nn.Linear(self.embedding_size, num_classes) if num_classes else nn.Identity()
        if isinstance(self.classifier, nn.Linear):
            nn.init.trunc_normal_(self.classifier.weight, std=0.02)
            nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Classify.

        Args:
            x: Normalised images, (B, in_channels, H, W), H and W at least 32.

        Returns:
            Logits, (B, num_classes).
        """
        return self.classifier(self.embedding(x))

    def embedding(self, x: Tensor) -> Tensor:
        """Images, (B, in_channels, H, W) -> embeddings before the classifier, (B, embedding_size)."""
        return self.features(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """Images, (B, in_channels, H, W) -> the last stage's map, (B, C, ceil(H / 32), ceil(W / 32))."""
        return _concatenate([self._stages(part)[-1] for part in self._parts(x)])

    def detection_features(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the feature maps of all stages.

        The input is padded with zeros on the right and at the bottom to a multiple of 32 and the maps are cropped
        again. Padding takes part in attention, so features near it differ from those of an unpadded image.

        Args:
            x: Normalised images, (B, in_channels, H, W), H and W at least 32.

        Returns:
            `stage1` .. `stage4`: raw outputs, (B, return_channels[i], ceil(H / stride), ceil(W / stride)), in
            channels-last memory format.
        """
        height, width = x.shape[-2:]
        stages = zip(*[self._stages(part) for part in self._parts(x)], strict=True)
        return {
            f"stage{index + 1}": _concatenate(maps)[..., : -(-height // stride), : -(-width // stride)]
            for index, (maps, stride) in enumerate(zip(stages, self.return_strides, strict=True))
        }

    def freeze_stages(self, count: int) -> None:
        """Stop training the stem and the first `count` stages, their BatchNorm statistics and drop path included.

        Args:
            count: 0 freezes the stem alone, 4 everything up to the classifier's head.
        """
        if not 0 <= count <= len(self.body):
            raise ValueError(f"freeze_stages({count}): this backbone has stages 1 to {len(self.body)}")
        self.frozen_stages = count
        for module in self._frozen_modules():
            module.requires_grad_(False)
        self.train(self.training)

    def set_grad_checkpointing(self, enabled: bool = True) -> None:
        """Keep only the blocks' inputs for the backward and compute the rest again: less memory, more time."""
        self.grad_checkpointing = enabled

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile in place, with `torch.compile`'s arguments, below the split of CPU batches into parts."""
        self._stages = torch.compile(self._stages, *args, **kwargs)  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        # a copy runs its own weights: what was compiled is bound to this network's
        return {key: value for key, value in self.__dict__.items() if key != "_stages"}

    def train(self, mode: bool = True) -> "Backbone":
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages is None:
            return []
        return [self.stem, *list(self.body)[: self.frozen_stages]]

    def _parts(self, x: Tensor) -> Sequence[Tensor]:
        """Split a batch into the parts that go through the network together."""
        batch, _, height, width = x.shape
        if min(height, width) < MIN_INPUT_SIZE:
            raise ValueError(f"{height} x {width} images are too small: {self.name} needs at least 32 x 32 pixels")
        whole = self.training or torch.is_grad_enabled() or torch.compiler.is_compiling() or is_exporting()
        if x.device.type != "cpu" or whole or batch == 0:
            return (x,)
        widest = 4 * self.return_channels[0] * (height // 4) * (width // 4) * x.element_size()
        most = max(1, CPU_PART_BYTES // widest)
        return x.chunk(-(-batch // most))  # of one size as far as possible: a compiled network is compiled for it

    def _stages(self, x: Tensor) -> list[Tensor]:
        """The raw output of each stage on the padded image, (B, C, H, W)."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % SIZE_DIVISOR, 0, -height % SIZE_DIVISOR))
        tokens = channels_last(self.stem(x.contiguous(memory_format=torch.channels_last)))
        maps = []
        for stage in cast(Iterable[Stage], self.body):
            tokens = stage.downsample(tokens)
            for block in stage.blocks:
                if self.grad_checkpointing and torch.is_grad_enabled():
                    tokens = checkpoint(block, tokens, use_reentrant=False)
                else:
                    tokens = block(tokens)
            maps.append(tokens.permute(0, 3, 1, 2))
        return maps


def _concatenate(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(tuple(parts))
