import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from detector.models.anchors import FASTER_RCNN_SIZES, RETINANET_SIZES, StrideAnchors

RATIOS = (0.5, 1.0, 2.0)


def make_maps(height: int, width: int, strides: tuple[int, ...], dtype: torch.dtype = torch.float32):
    images = ImageList(torch.zeros(2, 3, height, width), [(height, width)] * 2)
    return images, [torch.zeros(2, 1, -(-height // stride), -(-width // stride), dtype=dtype) for stride in strides]


@pytest.mark.parametrize(
    ("strides", "sizes"), [((4, 8, 16, 32, 64), FASTER_RCNN_SIZES), ((8, 16, 32, 64, 128), RETINANET_SIZES)]
)
def test_where_strides_divide_the_image_anchors_are_torchvisions(strides, sizes) -> None:
    inputs = make_maps(128, 256, strides)
    reference = AnchorGenerator(tuple(tuple(s * stride for s in sizes) for stride in strides), (RATIOS,) * len(strides))
    for ours, theirs in zip(StrideAnchors(strides, sizes, RATIOS)(*inputs), reference(*inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_faster_rcnn_sizes_are_torchvisions_defaults() -> None:
    assert [size * stride for stride in (4, 8, 16, 32, 64) for size in FASTER_RCNN_SIZES] == [32, 64, 128, 256, 512]


def test_retinanet_sizes_are_the_papers() -> None:
    assert [round(size * 8, 1) for size in RETINANET_SIZES] == [32.0, 40.3, 50.8]


def test_anchors_of_a_rounded_map_keep_its_true_stride() -> None:
    images, maps = make_maps(96, 96, (64,))  # 96 / 64 = 1.5 cells, rounded up to 2
    anchors, _ = StrideAnchors((64,), (4.0,), (1.0,))(images, maps)
    corner = [-128.0, -128.0, 128.0, 128.0]
    steps = [[0, 0], [64, 0], [0, 64], [64, 64]]
    assert anchors.tolist() == [[c + s for c, s in zip(corner, step * 2, strict=True)] for step in steps]
    theirs, _ = AnchorGenerator(((256,),), ((1.0,),))(images, maps)
    assert theirs[1].tolist() == [c + s for c, s in zip(corner, [48, 0, 48, 0], strict=True)]  # why the class exists


def test_anchors_of_a_map_larger_than_its_image_keep_their_true_stride() -> None:
    images, maps = make_maps(32, 64, (128,))
    anchors, _ = StrideAnchors((128,), (1.0,), (1.0,))(images, maps)
    assert anchors.tolist() == [[-64.0, -64.0, 64.0, 64.0]]


def test_anchors_are_float32_on_features_of_bfloat16() -> None:
    images, maps = make_maps(64, 1024, (4,), torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        anchors, _ = StrideAnchors((4,), (8.0,), (1.0,))(images, maps)
    assert anchors.dtype == torch.float32
    centres = (anchors[:, 0] + anchors[:, 2]).unique() / 2
    assert centres.tolist() == list(range(0, 1024, 4))  # bfloat16 knows no 516
