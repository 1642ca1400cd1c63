"""Bi-level routing attention against a dense, masked reference in float64."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backbones import routing_attention
from backbones.routing_attention import bi_level_routing_attention, route

SCALE = 0.7


@dataclass(frozen=True)
class Case:
    """One drawn input: a map of `regions` of `tokens` each, its routing, and how the tensors lie in memory."""

    batch: int
    regions: tuple[int, int]
    tokens: tuple[int, int]
    heads: int
    head_dim: int
    top_k: int
    layout: str
    chunk_bytes: int
    seed: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        (rows, columns), (height, width) = self.regions, self.tokens
        return self.batch, rows * height, columns * width, self.heads * self.head_dim

    def qkv(self) -> Tensor:
        """(B, H, W, 3C) float64"""
        *map_shape, channels = self.shape
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randn(*map_shape, 3 * channels, dtype=torch.float64, generator=generator)

    def split(self, qkv: Tensor) -> list[Tensor]:
        """Q, K and V: strided views of one tensor, contiguous, or channels-first in memory."""
        parts = qkv.chunk(3, dim=-1)
        if self.layout == "split":
            return list(parts)
        if self.layout == "contiguous":
            return [part.contiguous() for part in parts]
        return [part.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1) for part in parts]

    def routing(self) -> Tensor:
        count = self.regions[0] * self.regions[1]
        scores = torch.rand(self.batch, count, count, generator=torch.Generator().manual_seed(self.seed))
        return scores.topk(min(self.top_k, count)).indices

    def attend(self, qkv: Tensor) -> Tensor:
        return bi_level_routing_attention(
            *self.split(qkv),
            self.regions,
            num_heads=self.heads,
            top_k=self.top_k,
            scale=SCALE,
            routing=self.routing(),
        )


def cases(largest: int) -> st.SearchStrategy[Case]:
    sides = st.tuples(st.integers(1, largest), st.integers(1, largest))
    return st.builds(
        Case,
        batch=st.integers(1, 2),
        regions=sides,
        tokens=sides,
        heads=st.integers(1, largest),
        head_dim=st.integers(1, 3),
        top_k=st.integers(1, 2 * largest),
        layout=st.sampled_from(["split", "contiguous", "channels-first"]),
        chunk_bytes=st.sampled_from([1, 500, routing_attention.CPU_CHUNK_BYTES]),
        seed=st.integers(0, 2**16),
    )


def dense_attention(case: Case, qkv: Tensor) -> Tensor:
    """All tokens attend to all, with minus infinity between regions that are not routed to each other."""
    batch, height, width, _ = case.shape
    rows = torch.arange(height) // case.tokens[0]
    columns = torch.arange(width) // case.tokens[1]
    region = (rows[:, None] * case.regions[1] + columns).flatten()  # (N,)
    routed = torch.zeros(batch, region.max() + 1, region.max() + 1).scatter(2, case.routing(), 1).bool()
    mask = routed[:, region][:, :, region].unsqueeze(1)  # (B, 1, N, N)
    q, k, v = qkv.view(batch, -1, 3, case.heads, case.head_dim).permute(2, 0, 3, 1, 4)
    logits = (q @ k.transpose(-1, -2) * SCALE).masked_fill(~mask, -torch.inf)
    return (logits.softmax(-1) @ v).transpose(1, 2).reshape(case.shape)


@pytest.fixture
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def test_no_images_give_no_output() -> None:
    empty = torch.zeros(0, 4, 4, 8, requires_grad=True)
    out = bi_level_routing_attention(empty, empty, empty, (2, 2), num_heads=2, top_k=1, scale=1.0)
    out.sum().backward()
    assert out.shape == (0, 4, 4, 8)


@settings(max_examples=60)
@given(case=cases(largest=4))
def test_output_and_gradients_equal_dense_masked_attention(case: Case) -> None:
    qkv = case.qkv().requires_grad_()
    weights = torch.randn(case.shape, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing_attention, "CPU_CHUNK_BYTES", case.chunk_bytes)
        out = case.attend(qkv)
        (gradient,) = torch.autograd.grad((out * weights).sum(), qkv)
    expected = dense_attention(case, qkv)
    (expected_gradient,) = torch.autograd.grad((expected * weights).sum(), qkv)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(gradient, expected_gradient)


@settings(max_examples=30)
@given(case=cases(largest=2))
def test_gradients_pass_gradcheck(case: Case) -> None:
    assert torch.autograd.gradcheck(case.attend, case.qkv().requires_grad_())


@settings(max_examples=30)
@given(case=cases(largest=4))
def test_routing_ranks_mean_keys_by_the_mean_query(case: Case) -> None:
    q, k, _ = case.split(case.qkv())
    (height, width), (rows, columns) = case.tokens, case.regions
    means = [
        torch.stack(
            [
                x[:, row * height : (row + 1) * height, column * width : (column + 1) * width].mean((1, 2))
                for row in range(rows)
                for column in range(columns)
            ],
            dim=1,
        )
        for x in (q, k)
    ]
    affinity = torch.einsum("bqc,bkc->bqk", *means)
    chosen = route(q, k, case.regions, case.top_k)
    top_k = min(case.top_k, rows * columns)  # fewer regions than top_k: all of them
    assert chosen.shape == (case.batch, rows * columns, top_k)
    best = affinity.sort(descending=True).indices[..., :top_k]
    assert torch.equal(chosen.sort().values, best.sort().values)


def test_absent_routing_is_computed() -> None:
    q, k, v = torch.randn(3, 2, 8, 8, 12, dtype=torch.float64)
    options = {"num_heads": 3, "top_k": 2, "scale": SCALE}
    routed = bi_level_routing_attention(q, k, v, (4, 2), routing=route(q, k, (4, 2), 2), **options)
    assert torch.equal(bi_level_routing_attention(q, k, v, (4, 2), **options), routed)


def test_regions_that_nobody_chose_get_no_gradient() -> None:
    q, k, v = torch.randn(3, 1, 4, 4, 8, requires_grad=True).unbind()
    routing = torch.full((1, 4, 1), 3)  # all four regions look at the last
    out = bi_level_routing_attention(q, k, v, (2, 2), num_heads=2, top_k=1, scale=SCALE, routing=routing)
    grad_q, grad_k, grad_v = torch.autograd.grad(out.square().sum(), (q, k, v))
    for grad in (grad_k, grad_v):
        assert grad[:, 2:, 2:].abs().min() > 0
        grad[:, 2:, 2:] = 0
        assert not grad.any()
    assert grad_q.abs().min() > 0


@pytest.mark.parametrize(("regions", "heads"), [((3, 2), 2), ((2, 3), 2), ((2, 2), 3)])
def test_indivisible_maps_are_refused(regions: tuple[int, int], heads: int) -> None:
    x = torch.zeros(1, 4, 4, 8)
    with pytest.raises(ValueError, match="does not divide"):
        bi_level_routing_attention(x, x, x, regions, num_heads=heads, top_k=1, scale=1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.usefixtures("two_threads")
def test_two_backward_passes_on_two_threads_are_bit_equal(dtype: torch.dtype) -> None:
    qkv = torch.randn(2, 48, 48, 3 * 64, dtype=dtype, requires_grad=True)
    runs = []
    for _ in range(2):
        q, k, v = qkv.chunk(3, dim=-1)
        out = bi_level_routing_attention(q, k, v, (12, 12), num_heads=2, top_k=4, scale=0.125)
        runs.append((out.detach(), *torch.autograd.grad(out.square().sum(), qkv)))
    (out, grad), (out_again, grad_again) = runs
    assert torch.equal(out, out_again)
    assert torch.equal(grad, grad_again)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_operator_keeps_its_contract_with_torch_compile(dtype: torch.dtype) -> None:
    q, k, v = torch.randn(2, 4, 8, 3 * 8, dtype=dtype, requires_grad=True).chunk(3, dim=-1)
    routing = route(q, k, (2, 4), 2)
    torch.library.opcheck(torch.ops.hoopoe.routed_attention.default, (q, k, v, routing, 2, 4, 2, SCALE))


def attention_and_gradients(qkv: Tensor, routing: Tensor) -> tuple[Tensor, Tensor]:
    qkv = qkv.detach().clone().requires_grad_()
    q, k, v = qkv.chunk(3, dim=-1)
    out = bi_level_routing_attention(q, k, v, (8, 8), num_heads=2, top_k=4, scale=0.125, routing=routing)
    return out.detach(), torch.autograd.grad(out.square().sum(), qkv)[0]


def relative_error(actual: Tensor, expected: Tensor) -> float:
    expected = expected.double().cpu()
    return ((actual.double().cpu() - expected).abs().max() / expected.abs().max()).item()


def test_bfloat16_is_close_to_float32() -> None:
    qkv = torch.randn(1, 32, 32, 3 * 64).bfloat16()
    routing = route(*qkv.float().chunk(3, dim=-1)[:2], (8, 8), 4)
    for actual, expected in zip(
        attention_and_gradients(qkv, routing), attention_and_gradients(qkv.float(), routing), strict=True
    ):
        assert actual.dtype == torch.bfloat16
        assert relative_error(actual, expected) < 0.02


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02), (torch.float16, 5e-3)])
def test_the_gpu_computes_what_the_cpu_does(dtype: torch.dtype, tolerance: float) -> None:
    qkv = torch.randn(2, 32, 32, 3 * 64).to(dtype)
    routing = route(*qkv.float().chunk(3, dim=-1)[:2], (8, 8), 4)
    expected = attention_and_gradients(qkv.float(), routing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
        actual = attention_and_gradients(qkv.cuda(), routing.cuda())
    for ours, reference in zip(actual, expected, strict=True):
        assert ours.dtype == dtype
        assert relative_error(ours, reference) <= tolerance


@pytest.mark.gpu
def test_two_backward_passes_on_the_gpu_are_bit_equal() -> None:
    qkv = torch.randn(2, 32, 32, 3 * 64, device="cuda")
    routing = route(*qkv.chunk(3, dim=-1)[:2], (8, 8), 4)
    runs = [attention_and_gradients(qkv, routing) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
