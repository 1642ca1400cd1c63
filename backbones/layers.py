"""Small layers that both families share. Tokens are channels-last, (B, H, W, C), from the stem to the head.

1 x 1 convolutions and linear layers are then the same matrix product, layer norms read contiguous memory, and a
depthwise convolution sees a channels-last image without a copy.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import stochastic_depth


class DepthwiseConv2d(nn.Conv2d):
    """Depthwise convolution of "same" size: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int, kernel_size: int) -> None:
        super().__init__(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class PointwiseConv2d(nn.Conv2d):
    """1 x 1 convolution as a matrix product: (..., C) -> (..., out). Its weight keeps the shape (out, C, 1, 1)."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.flatten(1), self.bias)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): drops the residual branch of whole images while training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return stochastic_depth(x, self.rate, mode="row", training=self.training)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def drop_path_rates(rate: float, depths: tuple[int, ...]) -> list[list[float]]:
    """Rates that rise linearly from 0 at the first block to `rate` at the last, as a list per stage."""
    total = max(1, sum(depths) - 1)
    blocks = iter(range(sum(depths)))
    return [[rate * next(blocks) / total for _ in range(depth)] for depth in depths]
