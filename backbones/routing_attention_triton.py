"""The forward pass of routed attention on CUDA, as one Triton kernel.

A program takes one region of queries of one head, reads the keys and values of the chosen regions where they lie in the
(B, H, W, C) map, and writes its outputs where they belong: nothing is gathered, permuted or kept. The logits of one
region, at most `MAX_TILE` keys wide, fit into registers, so that a plain softmax does.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

MIN_TILE = 16  # the least side of a tile that tl.dot takes
MAX_TILE = 1024


def supports(q: Tensor, routing: Tensor, rows: int, columns: int, num_heads: int) -> bool:
    """Whether the kernel takes these sizes: a head of 16 to 128 channels, and logits that fit."""
    tokens = (q.shape[1] // rows) * (q.shape[2] // columns)
    head_dim = q.shape[3] // num_heads
    power_of_two = head_dim & (head_dim - 1) == 0
    return power_of_two and MIN_TILE <= head_dim <= 128 and routing.shape[-1] * tokens <= MAX_TILE and tokens <= 128


def routed_attention(
    q: Tensor, k: Tensor, v: Tensor, routing: Tensor, rows: int, columns: int, num_heads: int, scale: float
) -> Tensor:
    """Attend from each region to the tokens of its chosen regions.

    Args:
        q: Queries, (B, H, W, C), any strides but 1 along C.
        k: Keys, as `q`.
        v: Values, as `q`.
        routing: Indices of the chosen regions, (B, rows * columns, K) int64.
        rows: Rows of regions.
        columns: Columns of regions.
        num_heads: Attention heads.
        scale: Factor on the logits.

    Returns:
        (B, H, W, C), contiguous.
    """
    batch, height, width, channels = q.shape
    region_h, region_w = height // rows, width // columns
    q, k, v = (x if x.stride(3) == 1 else x.contiguous() for x in (q, k, v))
    routing = routing.contiguous()
    out = torch.empty(v.shape, dtype=v.dtype, device=v.device)
    tokens, top_k = region_h * region_w, routing.shape[-1]
    _kernel[(rows * columns, batch * num_heads)](
        q,
        k,
        v,
        routing,
        out,
        *q.stride()[:3],
        *k.stride()[:3],
        *v.stride()[:3],
        *out.stride()[:3],
        num_heads,
        rows * columns,
        columns,
        region_h,
        region_w,
        top_k,
        scale,
        HEAD_DIM=channels // num_heads,
        QUERIES=max(MIN_TILE, triton.next_power_of_2(tokens)),
        KEYS=max(MIN_TILE, triton.next_power_of_2(top_k * tokens)),
    )
    return out


@triton.jit
def _kernel(  # type: ignore[no-untyped-def]  # Triton gives the parameters their types
    q_ptr,
    k_ptr,
    v_ptr,
    routing_ptr,
    out_ptr,
    q_batch,
    q_row,
    q_column,
    k_batch,
    k_row,
    k_column,
    v_batch,
    v_row,
    v_column,
    out_batch,
    out_row,
    out_column,
    num_heads,
    regions,
    region_columns,
    region_h,
    region_w,
    top_k,
    scale,
    HEAD_DIM: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):
    region = tl.program_id(0)
    batch = (tl.program_id(1) // num_heads).to(tl.int64)
    channel = (tl.program_id(1) % num_heads) * HEAD_DIM + tl.arange(0, HEAD_DIM)
    tokens = region_h * region_w

    query = tl.arange(0, QUERIES)
    is_query = (query < tokens)[:, None]
    y = (region // region_columns) * region_h + query // region_w
    x = (region % region_columns) * region_w + query % region_w
    q_at = batch * q_batch + (y * q_row + x * q_column)[:, None] + channel[None, :]
    q = tl.load(q_ptr + q_at, mask=is_query, other=0.0)  # (QUERIES, HEAD_DIM)

    key = tl.arange(0, KEYS)
    is_key = key < top_k * tokens
    chosen = tl.load(routing_ptr + (batch * regions + region) * top_k + key // tokens, mask=is_key, other=0)
    token = key % tokens
    y_key = (chosen // region_columns) * region_h + token // region_w
    x_key = (chosen % region_columns) * region_w + token % region_w
    k_at = batch * k_batch + (y_key * k_row + x_key * k_column)[:, None] + channel[None, :]
    k = tl.load(k_ptr + k_at, mask=is_key[:, None], other=0.0)  # (KEYS, HEAD_DIM)
    v_at = batch * v_batch + (y_key * v_row + x_key * v_column)[:, None] + channel[None, :]
    v = tl.load(v_ptr + v_at, mask=is_key[:, None], other=0.0)

    logits = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
    logits = tl.where(is_key[None, :], logits, float("-inf"))
    weights = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    weights = weights / tl.sum(weights, axis=1)[:, None]
    out = tl.dot(weights.to(v.dtype), v, input_precision="ieee")

    out_at = batch * out_batch + (y * out_row + x * out_column)[:, None] + channel[None, :]
    tl.store(out_ptr + out_at, out.to(out_ptr.dtype.element_ty), mask=is_query)
