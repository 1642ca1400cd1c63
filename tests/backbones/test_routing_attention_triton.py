"""The Triton kernel against the plain path: in Triton's interpreter everywhere, compiled where there is a GPU."""

import os
import subprocess
import sys

import pytest
import torch

from backbones import routing_attention

pytest.importorskip("triton")

# regions, tokens of a region, heads, top_k: those of stages 1 to 3, and an odd one whose tiles are padded
GEOMETRIES = [((2, 3), (8, 8), 2, 1), ((3, 3), (4, 4), 4, 4), ((4, 5), (2, 2), 8, 16), ((3, 2), (3, 5), 2, 3)]

INTERPRETED = """
import torch
from backbones import routing_attention, routing_attention_triton
torch.manual_seed(0)
for regions, tokens, heads, top_k in {geometries}:
    size = (regions[0] * tokens[0], regions[1] * tokens[1], heads * 32)
    q, k, v = torch.randn(2, *size[:2], 3 * size[2]).split(size[2], dim=-1)
    routing = routing_attention.route(q, k, regions, top_k)
    assert routing_attention_triton.supports(q, routing, *regions, heads)
    ours = routing_attention_triton.routed_attention(q, k, v, routing, *regions, heads, 0.2)
    plain = torch.ops.hoopoe.routed_attention(q, k, v, routing, *regions, heads, 0.2)
    assert ours.shape == plain.shape and (ours - plain).abs().max() < 1e-5, (regions, (ours - plain).abs().max())
print("agreed")
"""


@pytest.mark.slow
def test_kernel_agrees_with_the_plain_path_in_the_interpreter():
    script = INTERPRETED.format(geometries=GEOMETRIES)
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "agreed", done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("regions", "tokens", "heads", "top_k"), GEOMETRIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_kernel_agrees_with_the_plain_path_on_cuda(regions, tokens, heads, top_k, dtype, tolerance):
    torch.manual_seed(0)
    channels = heads * 32
    qkv = torch.randn(2, regions[0] * tokens[0], regions[1] * tokens[1], 3 * channels).to(dtype)
    q, k, v = qkv.split(channels, dim=-1)
    routing = routing_attention.route(q, k, regions, top_k)
    plain = torch.ops.hoopoe.routed_attention(q.float(), k.float(), v.float(), routing, *regions, heads, 0.2)
    q, k, v = qkv.cuda().split(channels, dim=-1)
    ours = torch.ops.hoopoe.routed_attention(q, k, v, routing.cuda(), *regions, heads, 0.2)
    assert (ours.float().cpu() - plain).abs().max() < tolerance
