"""RetinaNet v2: what a picture gives, and what it teaches, does not hang on the padding beside larger ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from detector.models.own_sizes import rows_by_size

SIZES = [(64, 160), (96, 60), (64, 160), (130, 70)]  # the third is of the first one's size


class PaddingBlind(nn.Module):
    """Maps of sums of pixels: padding, which is 0, changes none of them."""

    def __init__(self, channels: int, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.strides, self.out_channels = strides, channels
        self.mix = nn.Parameter(torch.randn(channels, 3) / 30)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        sums = {s: avg_pool2d(x, s, ceil_mode=True, divisor_override=s) for s in self.strides}
        return {str(s): torch.einsum("bchw,oc->bohw", each, self.mix) for s, each in sums.items()}


@pytest.fixture
def net(make_detector) -> nn.Module:
    model = make_detector(detector="retinanet", version="v2", categories=["a", "b"], score_threshold=0.0)
    for each in model.head.parameters():  # initial weights are so small that all logits are alike
        if each.ndim == 4:
            nn.init.kaiming_normal_(each)
    model.backbone = PaddingBlind(64, model.anchor_generator.strides)
    return model


def batch() -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    generator = torch.Generator().manual_seed(3)
    images = [torch.rand(3, *size, generator=generator) for size in SIZES]
    boxes = [torch.tensor([[2.0, 3, 40, 50]]), torch.zeros(0, 4), torch.tensor([[9.0, 9, 60, 60], [70, 5, 150, 60]])]
    boxes.append(torch.tensor([[5.0, 60, 65, 125]]))
    labels = [torch.arange(len(each)) % 2 for each in boxes]
    return images, [{"boxes": each, "labels": label} for each, label in zip(boxes, labels, strict=True)]


def test_no_images_have_no_sizes() -> None:
    assert rows_by_size([]) == {}


def test_sizes_are_those_that_pictures_have_alone() -> None:
    assert rows_by_size(batch()[0]) == {(64, 160): [0, 2], (96, 64): [1], (160, 96): [3]}


def test_logits_are_the_same_alone_and_padded_in_a_batch(net: nn.Module) -> None:
    seen: dict[str, list[Tensor]] = {"together": [], "alone": []}
    now = "together"
    net.head.register_forward_hook(lambda *call: seen[now].extend(call[2]["cls_logits"].detach()))
    images, targets = batch()
    net(images, targets)
    now = "alone"
    for image, target in zip(images, targets, strict=True):
        net([image], [target])
    order = [row for rows in rows_by_size(images).values() for row in rows]
    for row, logits in zip(order, seen["together"], strict=True):
        assert logits.std() > 0.1
        torch.testing.assert_close(logits, seen["alone"][row], rtol=1e-4, atol=1e-4)


def test_losses_and_gradients_are_the_means_of_the_pictures_alone(net: nn.Module) -> None:
    def gradients() -> list[Tensor]:
        taken = [each.grad.clone() for each in net.parameters()]
        net.zero_grad()
        return taken

    images, targets = batch()
    together = net(images, targets)
    sum(together.values()).backward()
    expected = gradients()
    alone = [net([image], [target]) for image, target in zip(images, targets, strict=True)]
    sum(sum(each.values()) / len(images) for each in alone).backward()
    assert list(together) == list(alone[0])
    for name, loss in together.items():
        torch.testing.assert_close(loss, sum(each[name] for each in alone) / len(images), rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_detections_of_a_real_network_are_those_of_the_pictures_alone(make_detector) -> None:
    model = make_detector(detector="retinanet", version="v2", score_threshold=0.005).eval()
    images, _ = batch()
    with torch.no_grad():
        together = model(images)
        for image, found in zip(images, together, strict=True):
            [expected] = model([image])
            assert len(found["boxes"])
            torch.testing.assert_close(found["scores"], expected["scores"], rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(found["boxes"], expected["boxes"], rtol=1e-4, atol=1e-3)
