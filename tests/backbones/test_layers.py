"""The shared layers against torch's plain functions."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.ops import stochastic_depth

from backbones.biformer import FullAttention
from backbones.davit import ChannelAttention
from backbones.layers import (
    DepthwiseConv2d,
    DropPath,
    Linear,
    PointwiseConv2d,
    _Depthwise5x5,
    attention,
    channels_last,
    drop_path_rates,
    linear,
)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return ((actual.double() - expected.double()).abs().max() / expected.double().abs().max()).item()


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(0, 3, 24), (24,), (5, 24), (2, 3, 5, 24)])
def test_linear_without_gradients_equals_linear_with_them(shape: tuple[int, ...], bias: bool, gelu: bool) -> None:
    x, weight, offset = torch.randn(shape), torch.randn(40, 24) / 5, torch.randn(40) if bias else None
    expected = linear(x, weight, offset, gelu=gelu)  # with gradients: plain F.linear
    with torch.no_grad():
        actual = linear(x, weight, offset, gelu=gelu)
    assert actual.shape == (*shape[:-1], 40)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("grad", [False, True])
def test_linear_takes_strided_inputs(grad: bool) -> None:
    x, weight = torch.randn(2, 24, 7, 6).permute(0, 2, 3, 1), torch.randn(40, 24) / 5
    with torch.set_grad_enabled(grad):
        torch.testing.assert_close(linear(x, weight, None), torch.einsum("bhwc,oc->bhwo", x, weight))


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_linear_in_bfloat16_is_close_to_float32(grad: bool, gelu: bool) -> None:
    x, weight, bias = torch.randn(50, 24), torch.randn(40, 24) / 5, torch.randn(40)
    with torch.set_grad_enabled(grad):
        actual = linear(x.bfloat16(), weight.bfloat16(), bias.bfloat16(), gelu=gelu)
    assert actual.dtype == torch.bfloat16
    assert relative_error(actual, linear(x, weight, bias, gelu=gelu)) < 0.01


@pytest.mark.parametrize("grad", [False, True])
def test_linear_obeys_autocast(grad: bool) -> None:
    with torch.set_grad_enabled(grad), torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.randn(3, 8), torch.randn(4, 8), None).dtype == torch.bfloat16


@pytest.mark.parametrize("gelu", [False, True])
def test_linear_and_pointwise_convolution_are_what_they_are_named_after(gelu: bool) -> None:
    x = torch.randn(2, 6, 5, 24)
    activation: Callable[[Tensor], Tensor] = F.gelu if gelu else nn.Identity()
    dense, pointwise = Linear(24, 40, gelu=gelu), PointwiseConv2d(24, 40, gelu=gelu)
    torch.testing.assert_close(dense(x), activation(F.linear(x, dense.weight, dense.bias)))
    expected = F.conv2d(x.permute(0, 3, 1, 2), pointwise.weight, pointwise.bias).permute(0, 2, 3, 1)
    torch.testing.assert_close(pointwise(x), activation(expected))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_and_its_gradients_equal_sdpa(dtype: torch.dtype) -> None:
    q, k, v = torch.randn(2, 49, 3, 4, 16).permute(2, 0, 3, 1, 4).to(dtype).requires_grad_().unbind()
    out = attention(q, k, v)
    gradients = torch.autograd.grad(out.square().sum(), (q, k, v))
    wide = [x.detach().double().requires_grad_() for x in (q, k, v)]
    expected = F.scaled_dot_product_attention(*wide)
    expected_gradients = torch.autograd.grad(expected.square().sum(), wide)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    assert out.dtype == dtype
    for ours, reference in zip((out, *gradients), (expected, *expected_gradients), strict=True):
        assert relative_error(ours, reference) < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_full_attention_is_sdpa_plus_lepe(dtype: torch.dtype, tolerance: float) -> None:
    layer = FullAttention(64)
    nn.init.normal_(layer.qkv.weight, std=0.3)
    x = torch.randn(2, 5, 7, 64)
    q, k, v = (x @ layer.qkv.weight.flatten(1).T).chunk(3, dim=-1)
    heads = [part.reshape(2, 35, 8, 8).transpose(1, 2) for part in (q, k, v)]
    attended = F.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(x.shape)
    lepe = F.conv2d(v.permute(0, 3, 1, 2), layer.lepe.weight, layer.lepe.bias, padding=2, groups=64).permute(0, 2, 3, 1)
    expected = (attended + lepe) @ layer.proj.weight.flatten(1).T + layer.proj.bias
    assert relative_error(layer.to(dtype)(x.to(dtype)), expected) < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03), (torch.float16, 0.01)])
def test_channel_attention_is_sdpa_of_the_transposed_map(dtype: torch.dtype, tolerance: float) -> None:
    layer = ChannelAttention(64, num_heads=4)
    x = torch.randn(2, 5, 7, 64)
    q, k, v = layer.qkv(x).reshape(2, 35, 3, 4, 16).permute(2, 0, 3, 4, 1)  # (B, heads, D, N)
    # channels are the tokens: k asks v, and the answer is a mixture of q
    mixed = F.scaled_dot_product_attention(k, v, q, scale=16**-0.5)
    expected = layer.proj(mixed.permute(0, 3, 1, 2).reshape(x.shape))
    assert relative_error(layer.to(dtype)(x.to(dtype)), expected) < tolerance


def test_channel_attention_survives_logits_beyond_the_range_of_float16() -> None:
    """The first stage's map of a 1333 x 800 image has 66,800 tokens; the logits sum over them."""
    height, width, dim = 200, 334, 32
    layer = ChannelAttention(dim, num_heads=1)
    nn.init.normal_(layer.qkv.weight, std=0.2)
    nn.init.constant_(layer.qkv.bias, 3.0)
    x = torch.randn(1, height, width, dim)
    half = layer.half()
    with torch.no_grad():
        _, k, v = half.qkv(x.half()).flatten(0, 2).chunk(3, dim=-1)
        naive = (k * dim**-0.5).T @ v
        assert not naive.isfinite().all()
        out = half(x.half())
        assert out.dtype == torch.float16
        assert out.isfinite().all()
        assert relative_error(out, layer.float()(x)) < 0.01


@settings(max_examples=30)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 3),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    bias=st.booleans(),
    channels_last=st.booleans(),
)
def test_gradients_of_the_5x5_depthwise_convolution(
    batch: int, channels: int, height: int, width: int, bias: bool, channels_last: bool
) -> None:
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(batch, channels, height, width, dtype=torch.float64).to(memory_format=memory_format)
    weight = torch.randn(channels, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(channels, dtype=torch.float64, requires_grad=True) if bias else None
    inputs = (x.requires_grad_(), weight, offset)
    wanted = [tensor for tensor in inputs if tensor is not None]
    out = _Depthwise5x5.apply(*inputs)
    expected = F.conv2d(x, weight, offset, padding=2, groups=channels)
    cotangent = torch.randn_like(expected)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(
        torch.autograd.grad(out, wanted, cotangent), torch.autograd.grad(expected, wanted, cotangent)
    )


def test_the_5x5_depthwise_convolution_passes_gradcheck() -> None:
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_Depthwise5x5.apply, (x, weight, bias))


@pytest.mark.parametrize("trained", ["x", "weight", "bias"])
def test_the_5x5_depthwise_convolution_trains_one_of_its_inputs(trained: str) -> None:
    tensors = {"x": torch.randn(2, 3, 6, 5), "weight": torch.randn(3, 1, 5, 5), "bias": torch.randn(3)}
    tensors[trained].requires_grad_()
    (actual,) = torch.autograd.grad(_Depthwise5x5.apply(*tensors.values()).square().sum(), tensors[trained])
    expected = F.conv2d(*tensors.values(), padding=2, groups=3)
    torch.testing.assert_close(actual, torch.autograd.grad(expected.square().sum(), tensors[trained])[0])


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_depthwise_convolution_is_torchs(kernel_size: int, grad: bool) -> None:
    layer, x = DepthwiseConv2d(8, kernel_size), torch.randn(2, 6, 7, 8)
    with torch.set_grad_enabled(grad):
        out = layer(x)
    reference = nn.Conv2d(8, 8, kernel_size, padding=kernel_size // 2, groups=8)
    reference.load_state_dict(layer.state_dict())
    torch.testing.assert_close(out, reference(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_depthwise_convolution_obeys_autocast(kernel_size: int) -> None:
    layer, x = DepthwiseConv2d(8, kernel_size), torch.randn(2, 6, 7, 8)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    out.float().square().sum().backward()
    narrow = layer.weight.grad.clone()
    layer.zero_grad()
    layer(x).square().sum().backward()
    assert out.dtype == torch.bfloat16
    assert narrow.dtype == torch.float32
    assert relative_error(narrow, layer.weight.grad) < 0.03


def test_drop_path_drops_whole_images_and_scales_the_others() -> None:
    out = DropPath(0.25).train()(torch.ones(1000, 2, 3)).flatten(1)
    assert torch.equal(out, out[:, :1].expand_as(out))
    kept = out[:, 0] != 0
    torch.testing.assert_close(out[kept], torch.full_like(out[kept], 4 / 3))
    assert 0.7 < kept.double().mean() < 0.8
    x = torch.randn(3, 2)
    assert torch.equal(DropPath(0.9).eval()(x), x)
    assert torch.equal(DropPath(0.0).train()(x), stochastic_depth(x, 0.0, "row"))


def test_drop_path_rates_rise_from_nothing_to_the_rate_of_the_last_block() -> None:
    first, second, third = drop_path_rates(0.3, (1, 1, 2))
    assert (first, second, third) == ([0.0], pytest.approx([0.1]), pytest.approx([0.2, 0.3]))
    assert drop_path_rates(0.3, (1,)) == [[0.0]]


def test_channels_come_last_in_a_trace_of_any_size_too() -> None:
    trace = torch.jit.trace(channels_last, torch.randn(1, 3, 4, 5))
    for shape in ((0, 3, 4, 5), (2, 8, 1, 7), (1, 3, 6, 2)):
        x = torch.randn(shape)
        assert torch.equal(channels_last(x), x.permute(0, 2, 3, 1))
        assert torch.equal(trace(x), x.permute(0, 2, 3, 1))
