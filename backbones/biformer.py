"""BiFormer: Vision Transformer with Bi-Level Routing Attention (Zhu et al., CVPR 2023, arXiv:2303.08810).

Parameter names and numerics are birder's, whose published weights load strictly. From the paper's code these differ
where birder's do: the routing attention scales by dim ** -0.5 (not head_dim), stage 4 has 8 heads of any width and no
qkv bias, and the stem has no convolution bias. Regions have the size that 384-pixel training gives them, 8 x 8, 4 x 4
and 2 x 2 tokens at strides 4, 8 and 16, whatever the size of the image: each query sees 64 tokens at every stage.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from backbones.architecture import HEAD_WIDTH
from backbones.base import Backbone, Stage
from backbones.layers import DepthwiseConv2d, DropPath, PointwiseConv2d, attention, channels_last, drop_path_rates
from backbones.routing_attention import bi_level_routing_attention, route

TOP_K = (1, 4, 16)  # regions that a query sees in stages 1 to 3; stage 4 attends to everything
REGION_TOKENS = (8, 4, 2)  # tokens along the side of a region in stages 1 to 3
FULL_ATTENTION_HEADS = 8
MLP_RATIO = 3
LEPE_KERNEL = 5


class RoutingAttention(nn.Module):
    """Bi-level routing attention with locally enhanced positions (LePE): (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int, region_tokens: int, top_k: int) -> None:
        super().__init__()
        self.num_heads = dim // HEAD_WIDTH
        self.scale = dim**-0.5
        self.region_tokens = region_tokens
        self.top_k = top_k
        self.lepe = DepthwiseConv2d(dim, LEPE_KERNEL)
        self.qkv_linear = PointwiseConv2d(dim, 3 * dim)
        self.output_linear = PointwiseConv2d(dim, dim)

    def route(self, q: Tensor, k: Tensor, regions: tuple[int, int]) -> Tensor:
        """Regions to attend to, (B, R, K) int64."""
        return route(q, k, regions, self.top_k)

    def forward(self, x: Tensor) -> Tensor:
        _, height, width, channels = x.shape
        regions = (height // self.region_tokens, width // self.region_tokens)
        q, k, v = self.qkv_linear(x).split(channels, dim=-1)
        out = bi_level_routing_attention(
            q,
            k,
            v,
            regions,
            num_heads=self.num_heads,
            top_k=self.top_k,
            scale=self.scale,
            routing=self.route(q, k, regions),
        )
        return self.output_linear(out + self.lepe(v))


class FullAttention(nn.Module):
    """Attention of all tokens to all, with LePE: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = PointwiseConv2d(dim, 3 * dim, bias=False)
        self.proj = PointwiseConv2d(dim, dim)
        self.lepe = DepthwiseConv2d(dim, LEPE_KERNEL)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        qkv = self.qkv(x)
        heads = qkv.view(batch, height * width, 3, FULL_ATTENTION_HEADS, channels // FULL_ATTENTION_HEADS)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # (B, heads, H * W, D)
        out = attention(q, k, v).transpose(1, 2).reshape(x.shape)
        return self.proj(out + self.lepe(qkv[..., 2 * channels :]))


class Mlp(nn.Sequential):
    """1 x 1 convolution, GELU, 1 x 1 convolution, on (B, H, W, C)."""

    def __init__(self, dim: int) -> None:
        expand, project = PointwiseConv2d(dim, MLP_RATIO * dim, gelu=True), PointwiseConv2d(MLP_RATIO * dim, dim)
        super().__init__(OrderedDict([("0", expand), ("2", project)]))


class BiFormerBlock(nn.Module):
    """Positions by a 3 x 3 depthwise convolution, attention, MLP; all residual: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int, attn: nn.Module, drop_path: float) -> None:
        super().__init__()
        self.pos_embed = DepthwiseConv2d(dim, 3)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Downsample(nn.Sequential):
    """3 x 3 convolution of stride 2 and BatchNorm: (B, H, W, C) -> (B, H / 2, W / 2, 2C)."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__(nn.Conv2d(dim, out_dim, 3, stride=2, padding=1), nn.BatchNorm2d(out_dim))

    def forward(self, x: Tensor) -> Tensor:
        return channels_last(super().forward(x.permute(0, 3, 1, 2)))


class BiFormerStage(Stage):
    """`downsample`, then `blocks`."""

    def __init__(self, index: int, in_dim: int, dim: int, drop_paths: list[float]) -> None:
        super().__init__(Downsample(in_dim, dim) if index else nn.Identity())
        for rate in drop_paths:
            routed = index < len(TOP_K)
            attn = RoutingAttention(dim, REGION_TOKENS[index], TOP_K[index]) if routed else FullAttention(dim)
            self.blocks.append(BiFormerBlock(dim, attn, rate))


def _stem(in_channels: int, dim: int) -> nn.Sequential:
    """(B, in_channels, H, W) -> (B, dim, H / 4, W / 4)"""
    return nn.Sequential(
        nn.Sequential(
            nn.Conv2d(in_channels, dim // 2, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(dim // 2), nn.GELU()
        ),
        nn.Sequential(nn.Conv2d(dim // 2, dim, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(dim)),
    )


class BiFormer(Backbone):
    """BiFormer at any input size from 32 x 32 pixels.

    Args:
        name: The variant.
        num_classes: Outputs of the classifier.
        input_size: Height and width of the training images; kept as a note, the network is the same at any size.
        in_channels: Channels of the input image.
        config: `depths` and `embed_dims` of the four stages, `drop_path_rate` of the last block.
    """

    def __init__(
        self, name: str, num_classes: int, input_size: tuple[int, int], in_channels: int, config: dict[str, Any]
    ) -> None:
        super().__init__(name, num_classes, input_size, in_channels, config)
        dims: tuple[int, ...] = tuple(config["embed_dims"])
        rates = drop_path_rates(config["drop_path_rate"], tuple(config["depths"]))
        self.return_channels = dims
        self.stem = _stem(in_channels, dims[0])
        self.body = nn.Sequential()
        for index, dim in enumerate(dims):
            stage = BiFormerStage(index, dims[max(0, index - 1)], dim, rates[index])
            self.body.add_module(f"stage{index + 1}", stage)
        self.features = nn.Sequential(nn.BatchNorm2d(dims[-1]), nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
        self.apply(_init_weights)
        self.reset_classifier(num_classes)


@torch.no_grad()
def _init_weights(module: nn.Module) -> None:
    if isinstance(module, PointwiseConv2d):  # linear layers of the paper's code
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


VARIANTS: dict[str, dict[str, Any]] = {
    "biformer_nano": {"depths": (1, 1, 3, 1), "embed_dims": (32, 64, 128, 256), "drop_path_rate": 0.0},
    "biformer_t": {"depths": (2, 2, 8, 2), "embed_dims": (64, 128, 256, 512), "drop_path_rate": 0.1},
    "biformer_s": {"depths": (4, 4, 18, 4), "embed_dims": (64, 128, 256, 512), "drop_path_rate": 0.15},
    "biformer_b": {"depths": (4, 4, 18, 4), "embed_dims": (96, 192, 384, 768), "drop_path_rate": 0.4},
}
