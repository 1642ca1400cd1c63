"""Small layers that both families share. Tokens are channels-last, (B, H, W, C), from the stem to the head.

1 x 1 convolutions and linear layers are then the same matrix product, layer norms read contiguous memory, and a
depthwise convolution sees a channels-last image without a copy.
"""

import functools
import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import stochastic_depth


def is_exporting() -> bool:
    """Whether the network is being written down for another runtime, which knows plain operators alone."""
    return torch.jit.is_tracing() or torch.compiler.is_exporting()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """`x @ weight.T + bias`, with GELU after it if asked for: (..., C) -> (..., out).

    Without gradients on CPU, oneDNN's product with the activation in its epilogue saves a pass over memory, and is
    10 to 20 % faster than MKL's in fp32.
    """
    if _use_onednn(x, weight):
        activation = "gelu" if gelu else "none"
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "none")
    x = F.linear(x, weight, bias)
    return F.gelu(x) if gelu else x


def _use_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype
        and x.shape[-1] == weight.shape[1]  # oneDNN's own message would help nobody
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()  # inductor fuses by itself, and refuses this call
        and not is_exporting()
        and not torch.is_autocast_enabled("cpu")
        and x.dtype in _onednn_dtypes()
    )


@functools.cache
def _onednn_dtypes() -> tuple[torch.dtype, ...]:
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return ()
    bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # false before AVX-512
    return (torch.float32, torch.bfloat16) if bf16 else (torch.float32,)


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
    """Linear layer on the last dimension, with GELU after it if asked for: (..., C) -> (..., out)."""

    def __init__(self, in_features: int, out_features: int, *, gelu: bool = False) -> None:
        super().__init__(in_features, out_features)
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias, gelu=self.gelu)


class PointwiseConv2d(nn.Conv2d):
    """1 x 1 convolution as a matrix product: (..., C) -> (..., out). Its weight keeps the shape (out, C, 1, 1)."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True, gelu: bool = False) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1, bias=bias)
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight.flatten(1), self.bias, gelu=self.gelu)


class DepthwiseConv2d(nn.Conv2d):
    """Depthwise convolution of "same" size: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, dim: int, kernel_size: int) -> None:
        super().__init__(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)
        if self.kernel_size == (5, 5) and x.device.type == "cpu" and torch.is_grad_enabled():
            dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
            out = _Depthwise5x5.apply(
                x.to(dtype), self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype)
            )
        else:
            out = super().forward(x)
        return channels_last(out)


def channels_last(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W, C)"""
    if not torch.jit.is_tracing() or torch.onnx.is_in_onnx_export():
        return x.permute(0, 2, 3, 1)
    # of three dimensions: OpenVINO would give the result of four a layout in which it and all that follows is slow,
    # and takes this one out, with the convolution's own, where sizes are known
    return x.flatten(2).transpose(1, 2).reshape(x.shape[0], x.shape[2], x.shape[3], x.shape[1])


class _Depthwise5x5(torch.autograd.Function):
    """5 x 5 depthwise convolution whose weight gradient comes from four overlapping 3 x 3 ones.

    oneDNN has a fast kernel for the latter alone: 3 to 15 times less time on CPU (bf16 gains most).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        grad_x = _convolution_backward(grad, x, weight, padding=2)[0] if needs_x else None
        grad_weight = None
        if needs_weight:
            height, width = x.shape[-2:]
            padded = F.pad(x, (2, 2, 2, 2))
            corner = weight[..., :3, :3].contiguous()
            grad_weight = torch.empty_like(weight)
            for row, column in itertools.product((0, 2), (0, 2)):
                shifted = padded[..., row : row + height + 2, column : column + width + 2]
                part = _convolution_backward(grad, shifted, corner, padding=0)[1]
                grad_weight[..., row : row + 3, column : column + 3] = part
        return grad_x, grad_weight, grad.sum((0, 2, 3)) if needs_bias else None


def _convolution_backward(grad: Tensor, x: Tensor, weight: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """Gradients of a depthwise convolution: by its input if padded, by its weight if not."""
    mask = [padding > 0, padding == 0, False]
    grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [1, 1], [padding, padding], [1, 1], False, [0, 0], len(weight), mask
    )
    return grad_x, grad_weight


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
