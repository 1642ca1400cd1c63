"""DaViT: Dual Attention Vision Transformers (Ding et al., ECCV 2022, arXiv:2204.03645).

Blocks alternate between attention among the tokens of a window and attention among the channels of the whole map.
Parameter names and numerics are birder's, whose published weights load strictly: windows of input size / 32 tokens a
side (12 at 384 pixels), kept at every other size; windows that reach over the edge are padded with zeros, unmasked.
"""

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbones.base import SIZE_DIVISOR, Backbone, Stage
from backbones.layers import DepthwiseConv2d, DropPath, Linear, attention, channels_last, drop_path_rates

MLP_RATIO = 4


class ConvPosEnc(nn.Module):
    """Positions by a residual 3 x 3 depthwise convolution: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = DepthwiseConv2d(dim, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.proj(x)


class WindowAttention(nn.Module):
    """Attention among the tokens of each window: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int, num_heads: int, window: tuple[int, int]) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window = window
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        win_h, win_w = self.window
        x = F.pad(x, (0, 0, 0, -width % win_w, 0, -height % win_h))
        rows, columns = x.shape[1] // win_h, x.shape[2] // win_w
        # (B, H, W, C) -> (B * windows, tokens, C)
        x = x.view(batch, rows, win_h, columns, win_w, channels).transpose(2, 3).reshape(-1, win_h * win_w, channels)
        qkv = self.qkv(x).view(-1, win_h * win_w, 3, self.num_heads, channels // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B * windows, heads, tokens, D)
        x = attention(q, k, v).transpose(1, 2).reshape(-1, win_h * win_w, channels)
        x = self.proj(x)
        # (B * windows, tokens, C) -> (B, H, W, C)
        x = x.view(batch, rows, columns, win_h, win_w, channels).transpose(2, 3)
        return x.reshape(batch, rows * win_h, columns * win_w, channels)[:, :height, :width]


class ChannelAttention(nn.Module):
    """Attention among the channels of each head, over all tokens: (B, H, W, C) -> (B, H, W, C).

    The logits sum over all tokens and grow with the map, beyond fp16's range on large images: fp16 goes through fp32.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        qkv = self.qkv(x).view(batch, height * width, 3, self.num_heads, channels // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).contiguous()  # (B, heads, N, D)
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.float32 if q.dtype == torch.float16 else q.dtype
            logits = k.to(dtype).transpose(-1, -2) @ v.to(dtype) * self.scale  # (B, heads, D, D)
            out = q @ logits.softmax(dim=-1).to(q.dtype).transpose(-1, -2)  # (B, heads, N, D)
        return self.proj(out.transpose(1, 2).reshape(x.shape))


class Mlp(nn.Sequential):
    """Linear, GELU, linear, on (B, H, W, C). The layers are named as in torchvision's MLP."""

    def __init__(self, dim: int) -> None:
        expand, project = Linear(dim, MLP_RATIO * dim, gelu=True), Linear(MLP_RATIO * dim, dim)
        super().__init__(OrderedDict([("0", expand), ("3", project)]))


class DaViTBlock(nn.Module):
    """Positions, attention, positions, MLP; all residual: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int, attn: nn.Module, drop_path: float) -> None:
        super().__init__()
        self.cpe1 = ConvPosEnc(dim)
        self.norm1 = nn.LayerNorm(dim)
        self.attn = attn
        self.cpe2 = ConvPosEnc(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cpe1(x)
        x = x + self.drop_path(self.attn(self.norm1(x)))
        x = self.cpe2(x)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Downsample(nn.Module):
    """LayerNorm and 2 x 2 convolution of stride 2: (B, H, W, C) -> (B, H / 2, W / 2, 2C)."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv2d(dim, out_dim, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return channels_last(self.conv(self.norm(x).permute(0, 3, 1, 2)))


class DaViTStage(Stage):
    """`downsample`, then `blocks`: window and channel attention in turn."""

    def __init__(self, in_dim: int, dim: int, num_heads: int, window: tuple[int, int], drop_paths: list[float]) -> None:
        super().__init__(Downsample(in_dim, dim) if in_dim != dim else nn.Identity())
        for rate in drop_paths:
            self.blocks.append(DaViTBlock(dim, WindowAttention(dim, num_heads, window), rate))
            self.blocks.append(DaViTBlock(dim, ChannelAttention(dim, num_heads), rate))


class Stem(nn.Module):
    """7 x 7 convolution of stride 4 and LayerNorm: (B, in_channels, H, W) -> (B, C, H / 4, W / 4)."""

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, dim, 7, stride=4, padding=3)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(channels_last(self.conv(x))).permute(0, 3, 1, 2)


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DaViT(Backbone):
    """DaViT at any input size from 32 x 32 pixels.

    Args:
        name: The variant.
        num_classes: Outputs of the classifier.
        input_size: Height and width of the training images: they decide the window, unless `config` does.
        in_channels: Channels of the input image.
        config: `depths`, `dims` and `heads` of the four stages, `drop_path_rate` of the last block, and optionally
            `window_size` (height and width in tokens).
    """

    def __init__(
        self, name: str, num_classes: int, input_size: tuple[int, int], in_channels: int, config: dict[str, Any]
    ) -> None:
        super().__init__(name, num_classes, input_size, in_channels, config)
        dims: tuple[int, ...] = tuple(config["dims"])
        window = config.get("window_size") or (input_size[0] // SIZE_DIVISOR, input_size[1] // SIZE_DIVISOR)
        rates = drop_path_rates(config["drop_path_rate"], tuple(config["depths"]))
        self.return_channels = dims
        self.window_size = (window[0], window[1])
        self.stem = Stem(in_channels, dims[0])
        self.body = nn.Sequential()
        for index, dim in enumerate(dims):
            stage = DaViTStage(dims[max(0, index - 1)], dim, config["heads"][index], self.window_size, rates[index])
            self.body.add_module(f"stage{index + 1}", stage)
        self.features = nn.Sequential(nn.AdaptiveAvgPool2d(1), ChannelNorm(dims[-1]), nn.Flatten(1))
        self.apply(_init_weights)
        self.reset_classifier(num_classes)


@torch.no_grad()
def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


VARIANTS: dict[str, dict[str, Any]] = {
    "davit_nano": {"depths": (1, 1, 1, 1), "dims": (32, 64, 128, 256), "heads": (1, 2, 4, 8), "drop_path_rate": 0.0},
    "davit_tiny": {"depths": (1, 1, 3, 1), "dims": (96, 192, 384, 768), "heads": (3, 6, 12, 24), "drop_path_rate": 0.1},
    "davit_small": {
        "depths": (1, 1, 9, 1),
        "dims": (96, 192, 384, 768),
        "heads": (3, 6, 12, 24),
        "drop_path_rate": 0.2,
    },
    "davit_base": {
        "depths": (1, 1, 9, 1),
        "dims": (128, 256, 512, 1024),
        "heads": (4, 8, 16, 32),
        "drop_path_rate": 0.4,
    },
}
