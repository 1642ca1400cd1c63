"""Bi-level routing attention (Zhu et al., BiFormer, CVPR 2023, section 3.2), fast on CPU and on GPU.

Each region of queries attends to the tokens of the `top_k` regions whose mean keys match its mean query best. A literal
implementation expands K and V for every query region and pays for it twice: in the gather, and in the element by
element scatter of its backward. Here

- K and V are laid out head by head and region by region, so that the gather copies whole rows;
- gather and attention go through the regions in steps on CPU, so that the gathered rows stay in cache;
- the backward gathers again instead of keeping the rows, and sums the gradients of repeated rows as sorted segments:
  no atomics, so two runs give the same bits.
"""

import importlib.util
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from backbones.layers import is_exporting

# Gathered bytes of K (and as many of V) in one step on CPU: they fit the cache, and malloc reuses their memory.
CPU_CHUNK_BYTES = 3 * 2**20
DEVICES = ("cpu", "cuda", "xpu", "mps")
TRITON_INSTALLED = importlib.util.find_spec("triton") is not None


def bi_level_routing_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    regions: tuple[int, int],
    *,
    num_heads: int,
    top_k: int,
    scale: float,
    routing: Tensor | None = None,
) -> Tensor:
    """Attend from each region of queries to the tokens of its `top_k` best regions.

    Args:
        q: Queries, (B, H, W, C), float. May be a strided view, as `k` and `v`.
        k: Keys, (B, H, W, C).
        v: Values, (B, H, W, C).
        regions: Rows and columns of regions; they divide H and W.
        num_heads: Attention heads; divides C.
        top_k: Regions to attend to; more than there are means all of them.
        scale: Factor on the logits before the softmax.
        routing: Indices of the regions to attend to, (B, R, K) int64, with R = rows * columns numbered in raster
            order; computed from `q` and `k` when absent.

    Returns:
        (B, H, W, C), same dtype as `v`.

    Raises:
        ValueError: The map is not divisible into the regions, or the channels into the heads.
    """
    _, height, width, channels = q.shape
    if height % regions[0] or width % regions[1] or channels % num_heads:
        raise ValueError(
            f"a {height} x {width} map of {channels} channels does not divide into "
            f"{regions[0]} x {regions[1]} regions and {num_heads} heads"
        )
    if routing is None:
        routing = route(q, k, regions, top_k)
    if is_exporting():
        return plain_routed_attention(q, k, v, routing, *regions, num_heads, scale)
    out: Tensor = torch.ops.hoopoe.routed_attention(q, k, v, routing, *regions, num_heads, scale)
    return out


def plain_routed_attention(
    q: Tensor, k: Tensor, v: Tensor, routing: Tensor, rows: int, columns: int, num_heads: int, scale: float
) -> Tensor:
    """`hoopoe::routed_attention` in operators that every runtime knows; all regions at once."""
    q_h, k_h, v_h = (_to_heads(x, rows, columns, num_heads) for x in (q, k, v))
    chosen = _chosen_rows(routing, num_heads)
    weights = _weights(q_h, _gather(k_h, chosen), scale)
    return _from_heads(torch.bmm(weights, _gather(v_h, chosen)), v.shape, rows, columns, num_heads)


@torch.no_grad()
def route(q: Tensor, k: Tensor, regions: tuple[int, int], top_k: int) -> Tensor:
    """Choose the regions that each region attends to, by the dot product of mean query and mean key (not trained).

    Args:
        q: Queries, (B, H, W, C).
        k: Keys, (B, H, W, C).
        regions: Rows and columns of regions.
        top_k: Regions to choose; clamped to the number of regions.

    Returns:
        (B, R, min(top_k, R)) int64, in no particular order.
    """
    affinity = _region_means(q, regions) @ _region_means(k, regions).transpose(1, 2)  # (B, R, R)
    return affinity.topk(_at_most(affinity.shape[-1], top_k), dim=-1, sorted=False).indices


def _at_most(regions: int, top_k: int) -> int:
    if not torch.jit.is_tracing():
        return min(top_k, regions)
    # a comparison in Python would be taken down as its result for the example's size
    smaller: int = torch.minimum(torch.as_tensor(regions), torch.tensor(top_k))  # type: ignore[assignment]
    return smaller


def _region_means(x: Tensor, regions: tuple[int, int]) -> Tensor:
    """(B, H, W, C) -> (B, R, C)"""
    size = (x.shape[1] // regions[0], x.shape[2] // regions[1])
    if is_exporting():  # a pool must have a constant size elsewhere, and only means over one dimension are fast
        batch, channels = x.shape[0], x.shape[3]
        lines = x.reshape(batch * regions[0], size[0], regions[1] * size[1] * channels).mean(dim=1)
        means = lines.reshape(batch * regions[0] * regions[1], size[1], channels).mean(dim=1)
        return means.reshape(batch, regions[0] * regions[1], channels)
    return F.avg_pool2d(x.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1).flatten(1, 2)


# An operator of its own: torch.compile takes it whole instead of unrolling its loop. The variants:
# - forward on CUDA: one Triton kernel that gathers nothing, where Triton is installed and the sizes suit it;
# - forward elsewhere, and every backward: gather and plain products, in steps that stay in cache on CPU.
# (Defined by schema: `torch.library.custom_op` would import the whole compiler at the first call.)
torch.library.define(
    "hoopoe::routed_attention",
    "(Tensor q, Tensor k, Tensor v, Tensor routing, int rows, int columns, int num_heads, float scale) -> Tensor",
    tags=torch.Tag.needs_fixed_stride_order,
)
torch.library.define(
    "hoopoe::routed_attention_backward",
    "(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor routing, int rows, int columns, int num_heads, float scale)"
    " -> (Tensor, Tensor, Tensor)",
    tags=torch.Tag.needs_fixed_stride_order,
)


@torch.library.impl("hoopoe::routed_attention", DEVICES)
def _forward(
    q: Tensor, k: Tensor, v: Tensor, routing: Tensor, rows: int, columns: int, num_heads: int, scale: float
) -> Tensor:
    if q.is_cuda and TRITON_INSTALLED:
        from backbones import routing_attention_triton as kernel

        if kernel.supports(q, routing, rows, columns, num_heads):
            return kernel.routed_attention(q, k, v, routing, rows, columns, num_heads, scale)
    q_h, k_h, v_h = (_to_heads(x, rows, columns, num_heads) for x in (q, k, v))
    chosen = _chosen_rows(routing, num_heads)
    out_h = torch.empty_like(q_h)
    for part in _chunks(len(q_h), _gathered_bytes(routing, k_h), q.device):
        weights = _weights(q_h[part], _gather(k_h, chosen[part]), scale)
        torch.bmm(weights, _gather(v_h, chosen[part]), out=out_h[part])
    return _from_heads(out_h, v.shape, rows, columns, num_heads)


@torch.library.register_fake("hoopoe::routed_attention")
def _(q: Tensor, k: Tensor, v: Tensor, *_others: Any) -> Tensor:
    return v.new_empty(v.shape)


@torch.library.impl("hoopoe::routed_attention_backward", DEVICES)
def _backward(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    routing: Tensor,
    rows: int,
    columns: int,
    num_heads: int,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    q_h, k_h, v_h, grad_h = (_to_heads(x, rows, columns, num_heads) for x in (q, k, v, grad))
    chosen = _chosen_rows(routing, num_heads)
    grad_q, grad_k, grad_v = (torch.empty_like(x) for x in (q_h, k_h, v_h))
    regions = routing.shape[1]
    # no row of K or V is shared between heads or images: each head of each image is summed on its own
    for heads in _chunks(len(q_h) // regions, regions * _gathered_bytes(routing, k_h), q.device):
        part = slice(heads.start * regions, heads.stop * regions)
        local = chosen[part] - part.start
        k_g = _gather(k_h[part], local)
        weights = _weights(q_h[part], k_g, scale)
        segments = _Segments(local)
        grad_v[part] = segments.sum(torch.bmm(weights.transpose(1, 2), grad_h[part]))
        grad_weights = torch.bmm(grad_h[part], _gather(v_h[part], local).transpose(1, 2))
        grad_logits = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype).mul_(scale)
        grad_k[part] = segments.sum(torch.bmm(grad_logits.transpose(1, 2), q_h[part]))
        torch.bmm(grad_logits, k_g, out=grad_q[part])
    return (
        _from_heads(grad_q, q.shape, rows, columns, num_heads),
        _from_heads(grad_k, k.shape, rows, columns, num_heads),
        _from_heads(grad_v, v.shape, rows, columns, num_heads),
    )


@torch.library.register_fake("hoopoe::routed_attention_backward")
def _(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, *_others: Any) -> tuple[Tensor, Tensor, Tensor]:
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    q, k, v, routing, *ctx.geometry = inputs
    ctx.save_for_backward(q, k, v, routing)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grads = torch.ops.hoopoe.routed_attention_backward(grad, *ctx.saved_tensors, *ctx.geometry)
    return *grads, None, None, None, None, None


torch.library.register_autograd("hoopoe::routed_attention", _differentiate, setup_context=_save_for_backward)


def _gathered_bytes(routing: Tensor, k_h: Tensor) -> int:
    """Bytes of K gathered for one region of one head."""
    return routing.shape[-1] * k_h.shape[1] * k_h.shape[2] * k_h.element_size()


def _chunks(count: int, bytes_each: int, device: torch.device) -> list[slice]:
    """Slices of the work that stay in cache on CPU; all of it at once elsewhere."""
    step = max(1, CPU_CHUNK_BYTES // bytes_each if device.type == "cpu" else count)
    return [slice(start, min(count, start + step)) for start in range(0, count, step)]


def _to_heads(x: Tensor, rows: int, columns: int, num_heads: int) -> Tensor:
    """(B, H, W, C) -> (B * heads * R, T, D), contiguous: T tokens a region, D channels a head."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, rows, height // rows, columns, width // columns, num_heads, channels // num_heads)
    return x.permute(0, 5, 1, 3, 2, 4, 6).reshape(-1, x.shape[2] * x.shape[4], x.shape[6])


def _from_heads(x: Tensor, shape: torch.Size, rows: int, columns: int, num_heads: int) -> Tensor:
    """(B * heads * R, T, D) -> (B, H, W, C)"""
    batch, height, width, _ = shape
    x = x.view(batch, num_heads, rows, columns, height // rows, width // columns, x.shape[-1])
    return x.permute(0, 2, 4, 3, 5, 1, 6).reshape(shape)


def _chosen_rows(routing: Tensor, num_heads: int) -> Tensor:
    """Routing, (B, R, K) -> the rows of `_to_heads` that each region of each head gathers, (B * heads * R, K)."""
    batch, regions, top_k = routing.shape
    first = torch.arange(0, batch * num_heads * regions, regions, device=routing.device)
    return (routing.unsqueeze(1) + first.view(batch, num_heads, 1, 1)).view(-1, top_k)


def _gather(x: Tensor, chosen: Tensor) -> Tensor:
    """(N, T, D), (M, K) -> (M, K * T, D): the tokens of the chosen regions, one after the other."""
    return x.flatten(1).index_select(0, chosen.flatten()).view(chosen.shape[0], -1, x.shape[-1])


def _weights(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """(M, T, D), (M, K * T, D) -> (M, T, K * T)"""
    return torch.bmm(q * scale, k.transpose(1, 2)).softmax(dim=-1)


class _Segments:
    """The transpose of `_gather`: sums what was gathered from the same region, in a fixed order.

    `embedding_bag` over the sorted rows sums in fp32 also for bf16, in parallel over the regions, without atomics.
    """

    def __init__(self, chosen: Tensor) -> None:
        chosen_rows = chosen.flatten()
        self.count = len(chosen)
        self.order = chosen_rows.sort(stable=True).indices
        sizes = torch.bincount(chosen_rows, minlength=self.count)
        self.starts = sizes.cumsum(0) - sizes

    def sum(self, x: Tensor) -> Tensor:
        """(N, K * T, D) -> (N, T, D)"""
        rows = x.reshape(len(self.order), -1)  # (N * K, T * D)
        return F.embedding_bag(self.order, rows, self.starts, mode="sum").view(self.count, -1, x.shape[-1])
