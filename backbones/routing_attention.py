"""Bi-level routing attention (Zhu et al., BiFormer, CVPR 2023, section 3.2), fast on CPU and on GPU.

Each region of queries attends to the tokens of the `top_k` regions whose mean keys match its mean query best. A literal
implementation expands K and V for every query region and pays for it twice: in the gather, and in the element by
element scatter of its backward. Here

- K and V are laid out head by head and region by region, so that the gather copies whole rows;
- one image at a time goes through gather and attention on CPU, so that the gathered rows stay in cache;
- the backward gathers again instead of keeping the rows, and sums the gradients of repeated rows as sorted segments:
  no atomics, so two runs give the same bits.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Gathered bytes of K (and as many of V) that one step of the CPU variant works on; a few MiB stay in the L2/L3 cache.
CPU_CHUNK_BYTES = 4 * 2**20


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
    return _routed_attention(q, k, v, routing, regions[0], regions[1], num_heads, scale)


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
    return affinity.topk(min(top_k, affinity.shape[-1]), dim=-1, sorted=False).indices


def _region_means(x: Tensor, regions: tuple[int, int]) -> Tensor:
    """(B, H, W, C) -> (B, R, C)"""
    size = (x.shape[1] // regions[0], x.shape[2] // regions[1])
    return F.avg_pool2d(x.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1).flatten(1, 2)


# An operator of its own: torch.compile takes it whole instead of unrolling its loop over images.
@torch.library.custom_op("hoopoe::routed_attention", mutates_args=())
def _routed_attention(
    q: Tensor, k: Tensor, v: Tensor, routing: Tensor, rows: int, columns: int, num_heads: int, scale: float
) -> Tensor:
    out = v.new_empty(v.shape)
    for part in _image_chunks(q, routing, rows, columns):
        q_p, k_p, v_p = (_to_heads(x[part], rows, columns, num_heads) for x in (q, k, v))
        gathered = _gathered_rows(routing[part], num_heads)
        weights = _weights(q_p, _gather(k_p, gathered), scale)
        out_p = torch.bmm(weights, _gather(v_p, gathered))
        _from_heads(out_p, out[part], rows, columns, num_heads)
    return out


@_routed_attention.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, routing: Tensor, rows: int, columns: int, num_heads: int, scale: float):
    return v.new_empty(v.shape)


@torch.library.custom_op("hoopoe::routed_attention_backward", mutates_args=())
def _routed_attention_backward(
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
    grad_q, grad_k, grad_v = (x.new_empty(x.shape) for x in (q, k, v))
    for part in _image_chunks(q, routing, rows, columns):
        q_p, k_p, v_p, grad_p = (_to_heads(x[part], rows, columns, num_heads) for x in (q, k, v, grad))
        gathered = _gathered_rows(routing[part], num_heads)
        k_g = _gather(k_p, gathered)
        weights = _weights(q_p, k_g, scale)
        segments = _Segments(gathered, k_p.shape[0])

        grad_v_p = segments.sum(torch.bmm(weights.transpose(1, 2), grad_p))
        grad_weights = torch.bmm(grad_p, _gather(v_p, gathered).transpose(1, 2))
        # softmax backward, with the scale of the logits
        grad_logits = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype).mul_(scale)
        grad_k_p = segments.sum(torch.bmm(grad_logits.transpose(1, 2), q_p))
        grad_q_p = torch.bmm(grad_logits, k_g)

        for part_grad, whole in ((grad_q_p, grad_q), (grad_k_p, grad_k), (grad_v_p, grad_v)):
            _from_heads(part_grad, whole[part], rows, columns, num_heads)
    return grad_q, grad_k, grad_v


@_routed_attention_backward.register_fake
def _(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    routing: Tensor,
    rows: int,
    columns: int,
    num_heads: int,
    scale: float,
):
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)


def _setup_context(ctx, inputs, output) -> None:
    q, k, v, routing, *ctx.geometry = inputs
    ctx.save_for_backward(q, k, v, routing)


def _backward(ctx, grad: Tensor):
    q, k, v, routing = ctx.saved_tensors
    grads = _routed_attention_backward(grad, q, k, v, routing, *ctx.geometry)
    return *grads, None, None, None, None, None


_routed_attention.register_autograd(_backward, setup_context=_setup_context)


def _image_chunks(q: Tensor, routing: Tensor, rows: int, columns: int) -> list[slice]:
    """Slices of the batch that are worked on in one step."""
    batch, height, width, channels = q.shape
    if q.device.type != "cpu":
        return [slice(0, batch)]
    gathered_tokens = routing.shape[1] * routing.shape[2] * (height // rows) * (width // columns)
    step = max(1, CPU_CHUNK_BYTES // (gathered_tokens * channels * q.element_size()))
    return [slice(start, start + step) for start in range(0, batch, step)]


def _to_heads(x: Tensor, rows: int, columns: int, num_heads: int) -> Tensor:
    """(B, H, W, C) -> (B * heads * R, T, D), contiguous: T tokens a region, D channels a head."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, rows, height // rows, columns, width // columns, num_heads, channels // num_heads)
    x = x.permute(0, 5, 1, 3, 2, 4, 6)
    return x.reshape(-1, (height // rows) * (width // columns), channels // num_heads)


def _from_heads(x: Tensor, out: Tensor, rows: int, columns: int, num_heads: int) -> None:
    """(B * heads * R, T, D) -> (B, H, W, C), written into `out`."""
    batch, height, width, channels = out.shape
    region = (height // rows, width // columns)
    grid = out.view(batch, rows, region[0], columns, region[1], num_heads, channels // num_heads)
    grid.copy_(x.view(batch, num_heads, rows, columns, *region, -1).permute(0, 2, 4, 3, 5, 1, 6))


def _gathered_rows(routing: Tensor, num_heads: int) -> Tensor:
    """Routing, (B, R, K) -> the rows of `_to_heads` to gather, (B * heads * R * K)."""
    batch, regions, _ = routing.shape
    first = torch.arange(0, batch * num_heads * regions, regions, device=routing.device)
    return (routing.unsqueeze(1) + first.view(batch, num_heads, 1, 1)).flatten()


def _gather(x: Tensor, gathered: Tensor) -> Tensor:
    """(N, T, D) -> (N, K * T, D): the tokens of the chosen regions, one after the other."""
    count, _, dim = x.shape
    return x.flatten(1).index_select(0, gathered).view(count, -1, dim)


def _weights(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """(N, T, D), (N, K * T, D) -> (N, T, K * T)"""
    return torch.bmm(q * scale, k.transpose(1, 2)).softmax(dim=-1)


class _Segments:
    """The transpose of `_gather`: sums the rows that came from the same region, in a fixed order.

    `embedding_bag` over the sorted rows sums in fp32 also for bf16, in parallel over the regions, without atomics.
    """

    def __init__(self, gathered: Tensor, count: int) -> None:
        self.order = gathered.sort(stable=True).indices
        sizes = torch.bincount(gathered, minlength=count)
        self.starts = sizes.cumsum(0) - sizes
        self.count = count

    def sum(self, x: Tensor) -> Tensor:
        """(N, K * T, D) -> (N, T, D)"""
        dim = x.shape[-1]
        rows = x.view(self.order.numel(), -1)  # (N * K, T * D)
        return F.embedding_bag(self.order, rows, self.starts, mode="sum").view(self.count, -1, dim)
