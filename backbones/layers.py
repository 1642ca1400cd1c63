"""Small layers that both families share. Tokens are channels-last, (B, H, W, C), from the stem to the head.

1 x 1 convolutions and linear layers are then the same matrix product, layer norms read contiguous memory, and a
depthwise convolution sees a channels-last image without a copy.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import stochastic_depth


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """`x @ weight.T + bias`, with GELU after it if asked for: (..., C) -> (..., out).

    Without gradients on CPU, oneDNN's product with the activation in its epilogue saves a pass over memory, and is
    10 to 20 % faster than MKL's in fp32.
    """
    if _use_onednn(x):
        activation = "gelu" if gelu else "none"
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "none")
    x = F.linear(x, weight, bias)
    return F.gelu(x) if gelu else x


def _use_onednn(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot product attention: (B, heads, N, D) -> (B, heads, N, D).

    In bf16 on CPU two plain products beat the fused kernel, forward by 1.3 and backward by up to 4 times.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(q, k, v)
    shape = q.shape
    q, k, v = (x.reshape(-1, *x.shape[2:]) for x in (q, k, v))
    weights = torch.bmm(q * shape[-1] ** -0.5, k.transpose(1, 2)).softmax(dim=-1)
    return torch.bmm(weights, v).view(shape)


class Linear(nn.Linear):
    """Linear layer on the last dimension: (..., C) -> (..., out)."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class PointwiseConv2d(nn.Conv2d):
    """1 x 1 convolution as a matrix product: (..., C) -> (..., out). Its weight keeps the shape (out, C, 1, 1)."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight.flatten(1), self.bias)


class DepthwiseConv2d(nn.Conv2d):
    """Depthwise convolution of "same" size: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int, kernel_size: int) -> None:
        super().__init__(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


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
