"""Groups of layers: all that multiplies is of one, also where a BatchNorm was folded into it."""

import pytest
import torch
from torch import nn

from detector.conversion.cutting import cut
from detector.conversion.layers import group_of
from detector.conversion.writing import PRODUCTS, openvino_model
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.detector import Detector
from tests.detector.runtimes.nano_models import SMALL

pytest.importorskip("openvino")


@pytest.mark.parametrize(("backbone", "stems"), [("biformer_nano", 2), ("resnet18", 1)])
def test_every_product_is_of_a_group(backbone, stems):
    config = ModelConfig(backbone=backbone, backbone_config=SMALL.get(backbone, {}), fpn_channels=64)
    net = build_detector(config).eval()
    for norm in (each for each in net.modules() if isinstance(each, nn.BatchNorm2d)):
        torch.nn.init.normal_(norm.bias)  # where there is none, less is folded
    products = [op for op in openvino_model(cut(Detector.of(net))["dense"]).get_ops() if op.get_type_name() in PRODUCTS]
    names = [op.get_friendly_name() for op in products]
    groups = [group_of(name) for name in names]
    assert len(set(names)) == len(names)
    assert None not in groups
    assert set(groups) == {"stem", "stage1", "stage2", "stage3", "stage4", "fpn", "head"}
    assert groups.count("stem") == stems
