import itertools
from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

import backbones
from backbones.errors import ConfigError
from detector.models.building import build_detector, config_of
from detector.models.config import ModelConfig

DETECTORS = list(itertools.product(("faster_rcnn", "retinanet"), ("v1", "v2")))
KINDS = [(*kind, backbone) for kind in DETECTORS for backbone in ("davit_nano", "biformer_nano")]
RATIOS = ((0.5, 1.0, 2.0),) * 5


def make_batch(label: int = 0, widths: Sequence[int] = (128, 128)) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Two images 128 high, one of them without boxes."""
    generator = torch.Generator().manual_seed(1)
    images = [torch.rand(3, 128, width, generator=generator) for width in widths]
    boxes = torch.tensor([[10.0, 12.0, 58.0, 70.0], [60.0, 50.0, 90.0, 120.0]])
    targets = [
        {"boxes": boxes, "labels": torch.full((2,), label)},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    return images, targets


class HandWiredPyramid(nn.Module):
    """What DESIGN.md says, written down once more."""

    def __init__(self, stages: tuple[int, ...], extra: nn.Module) -> None:
        super().__init__()
        self.body = backbones.create_model("davit_nano", 0)
        self.body.features = nn.Sequential()
        widths = [self.body.return_channels[stage - 1] for stage in stages]
        self.norms = nn.ModuleDict({f"stage{s}": nn.LayerNorm(w) for s, w in zip(stages, widths, strict=True)})
        self.fpn = FeaturePyramidNetwork(widths, 64, extra)
        self.out_channels = 64

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.body.detection_features(x)
        return self.fpn({name: norm(maps[name].movedim(1, -1)).movedim(-1, 1) for name, norm in self.norms.items()})


def hand_wired(detector: str, version: str) -> nn.Module:
    """torchvision's own detector for two categories, as in its own builders but for GroupNorm."""
    size = {"min_size": 128, "max_size": 128, "_skip_resize": True}  # resizing would draw a random number
    if detector == "faster_rcnn":
        heads = {
            "v1": (1, TwoMLPHead(64 * 49, 32)),
            "v2": (2, FastRCNNConvFCHead((64, 7, 7), [64] * 4, [32], partial(nn.GroupNorm, 32))),
        }
        depth, box_head = heads[version]
        return FasterRCNN(
            HandWiredPyramid((1, 2, 3, 4), LastLevelMaxPool()),
            rpn_anchor_generator=AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), RATIOS),
            rpn_head=RPNHead(64, 3, depth),
            rpn_pre_nms_top_n_train=100,
            rpn_post_nms_top_n_train=100,
            box_roi_pool=MultiScaleRoIAlign(["stage1", "stage2", "stage3", "stage4"], 7, 2),
            box_head=box_head,
            box_predictor=FastRCNNPredictor(32, 3),
            **size,
        )
    extra = LastLevelP6P7(256, 64)
    sizes = tuple(tuple(4 * stride * 2 ** (octave / 3) for octave in range(3)) for stride in (8, 16, 32, 64, 128))
    head = RetinaNetHead(64, 9, 2, partial(nn.GroupNorm, 32) if version == "v2" else None)
    if version == "v2":
        head.regression_head._loss_type = "giou"
    return RetinaNet(
        HandWiredPyramid((2, 3, 4), extra),
        2,
        anchor_generator=AnchorGenerator(sizes, RATIOS),
        head=head,
        detections_per_img=100,
        score_thresh=0.005,
        **size,
    )


@pytest.mark.parametrize("widths", [(128, 128), (96, 128)])  # the second batch is padded
@pytest.mark.parametrize(("detector", "version"), DETECTORS)
def test_losses_and_detections_equal_hand_wired_torchvision(
    detector: str, version: str, widths: tuple[int, int], make_detector
) -> None:
    threshold = {"faster_rcnn": 0.05, "retinanet": 0.005}[detector]
    ours = make_detector(
        detector=detector, version=version, categories=["a", "b"], score_threshold=threshold, max_detections=100
    )
    theirs = hand_wired(detector, version)
    theirs.load_state_dict(ours.state_dict())  # strict: the names are torchvision's too

    background = 1 if detector == "faster_rcnn" else 0
    # RetinaNet v2's norms do not see padding, as torchvision's do
    same = (detector, version) != ("retinanet", "v2") or len(set(widths)) == 1
    if same:
        torch.manual_seed(7)
        our_losses = ours(*make_batch(1, widths))
        torch.manual_seed(7)
        their_losses = theirs(*make_batch(1 + background, widths))
        assert our_losses.keys() == their_losses.keys()
        for name, loss in our_losses.items():
            torch.testing.assert_close(loss, their_losses[name], rtol=1e-6, atol=0)

    images, _ = make_batch(widths=widths)
    theirs.eval()
    with torch.no_grad():
        by_torchvision = theirs(images) if same else [theirs([image])[0] for image in images]
        for found, expected in zip(ours.eval()(images), by_torchvision, strict=True):
            assert len(found["boxes"]) > 0
            torch.testing.assert_close(found["labels"] + background, expected["labels"])
            torch.testing.assert_close(found["scores"], expected["scores"], rtol=1e-6, atol=0)
            torch.testing.assert_close(found["boxes"], expected["boxes"], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("detector", "version", "backbone"), KINDS)
def test_rf_detr_1093_no_parameter_is_unused(detector: str, version: str, backbone: str, make_detector) -> None:
    model = make_detector(detector=detector, version=version, backbone=backbone)
    sum(model(*make_batch()).values()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_mmdetection_2153_plain_ddp_trains_two_steps(make_detector) -> None:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(make_detector(detector="retinanet", backbone="biformer_nano"))
        for _ in range(2):  # unused parameters show in the second step
            sum(model(*make_batch()).values()).backward()
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(("detector", "version"), DETECTORS)
def test_vision_2144_images_without_boxes_train_without_nan(detector: str, version: str, make_detector) -> None:
    model = make_detector(detector=detector, version=version)
    images, targets = make_batch()
    losses = model(images, [targets[1], targets[1]])
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(("detector", "version", "backbone"), KINDS)
def test_vision_2222_boxes_scores_and_losses_are_float32_under_autocast(
    detector: str, version: str, backbone: str, make_detector
) -> None:
    model = make_detector(detector=detector, version=version, backbone=backbone, score_threshold=0.001)
    with torch.autocast("cpu", torch.bfloat16):
        features = model.backbone(torch.rand(1, 3, 128, 128))
        losses = model(*make_batch())
        sum(losses.values()).backward()
        model.eval()
        found = model(make_batch()[0])
    assert all(level.dtype == torch.bfloat16 for name, level in features.items() if name not in ("p6", "p7"))
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert all(image["boxes"].dtype == image["scores"].dtype == torch.float32 for image in found)
    assert all(len(image["boxes"]) and image["boxes"].isfinite().all() for image in found)


@pytest.mark.parametrize("dims", [(32, 64, 128, 256), (32, 64, 96, 128)])
@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_vision_1308_levels_and_anchors_follow_the_backbone(
    detector: str, dims: tuple[int, ...], make_detector
) -> None:
    model = make_detector(detector=detector, backbone="biformer_nano", backbone_config={"embed_dims": list(dims)})
    levels = list(model.backbone(torch.rand(1, 3, 96, 96)).values())
    anchors = model.anchor_generator if detector == "retinanet" else model.rpn.anchor_generator
    assert model.backbone.body.return_channels == dims
    assert [-(-96 // stride) for stride in anchors.strides] == [level.shape[-1] for level in levels]
    sum(model(*make_batch()).values()).backward()


def test_p6_comes_from_the_normed_stage_4_also_where_channels_equal_the_pyramids(make_detector) -> None:
    model = make_detector(detector="retinanet", fpn_channels=256)  # davit_nano's stage 4 has 256 channels too
    inputs = []
    model.backbone.fpn.extra_blocks.p6.register_forward_hook(lambda _, args, __: inputs.append(args[0]))
    image = torch.rand(1, 3, 64, 64)
    model.backbone(image)
    stage4 = model.backbone.body.detection_features(image)["stage4"]
    torch.testing.assert_close(inputs[0], model.backbone.norms["stage4"](stage4))


def test_pooling_knows_its_strides_whatever_image_comes_first(make_detector) -> None:
    def losses(*first_sizes: int) -> list[Tensor]:
        model = make_detector()
        for size in first_sizes:
            target = {"boxes": torch.tensor([[1.0, 1.0, 20.0, 20.0]]), "labels": torch.tensor([0])}
            model([torch.rand(3, size, size)], [target])
        torch.manual_seed(3)
        return list(model(*make_batch()).values())

    torch.testing.assert_close(losses(33), losses())  # torchvision would take 33 / 16 for stride 2, and keep it


def test_labels_are_zero_based_on_both_sides(make_detector) -> None:
    model = make_detector(categories=["only"])
    with torch.no_grad():
        model.eval()
        found = model(make_batch()[0])
    assert {label for image in found for label in image["labels"].tolist()} == {0}
    images, targets = make_batch()
    model.train()
    model(images, targets)
    assert targets[0]["labels"].tolist() == [0, 0]  # the caller's labels stay as they are


def test_images_of_bytes_are_the_same_as_floats(make_detector) -> None:
    model = make_detector().eval()
    image = torch.randint(0, 256, (3, 96, 96), dtype=torch.uint8)
    with torch.no_grad():
        [ours], [expected] = model([image]), model([image / 255])
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-3)  # pixels; 255 is taken out elsewhere


@pytest.mark.parametrize(("policy", "trains"), [("auto", True), ("train", True), ("frozen", False)])
def test_batch_norm_of_a_random_backbone(policy: str, trains: bool, make_detector) -> None:
    model = make_detector(backbone="biformer_nano", batch_norm=policy)
    assert batch_norm_trains(model) == trains


@pytest.mark.parametrize(("policy", "trains"), [("auto", False), ("train", True), ("frozen", False)])
def test_batch_norm_of_a_pretrained_backbone(policy: str, trains: bool, make_detector, classifier) -> None:
    model = make_detector(backbone="biformer_nano", weights=classifier, batch_norm=policy)
    assert batch_norm_trains(model) == trains


def batch_norm_trains(model: nn.Module) -> bool:
    """Whether a training step reaches statistics and parameters; all or none of them must agree."""
    norms = [module for module in model.backbone.body.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    model.eval()
    model.train()
    sum(model(*make_batch()).values()).backward()
    changed = {not torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True)}
    learned = {norm.weight.grad is not None for norm in norms}
    assert changed == learned
    return changed == {True}


@pytest.fixture
def classifier(tmp_path) -> str:
    """Weights of a classifier of other colours, in a file."""
    torch.manual_seed(5)
    net = backbones.create_model("biformer_nano", 3, input_size=(96, 128))
    path = tmp_path / "species.safetensors"
    colours = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    backbones.save_pretrained(path, net, class_to_idx={"a": 0, "b": 1, "c": 2}, rgb_stats=colours)
    return str(path)


def test_weights_bring_parameters_colours_and_size(make_detector, classifier) -> None:
    model = make_detector(backbone="biformer_nano", weights=classifier, drop_path=0.3)
    source = backbones.load_pretrained_model(classifier).net.state_dict()
    body = model.backbone.body.state_dict()
    assert all(torch.equal(tensor, source[name]) for name, tensor in body.items())
    assert {name.split(".")[0] for name in source.keys() - body.keys()} == {"features", "classifier"}
    config = config_of(model)
    assert (config.rgb_mean, config.rgb_std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert config.backbone_size == (96, 128)
    assert model.transform.image_mean == [0.1, 0.2, 0.3]
    assert model.backbone.body.body[-1].blocks[-1].drop_path.rate == pytest.approx(0.3)


def test_a_resolved_configuration_needs_its_weights_no_more(make_detector, classifier, tmp_path) -> None:
    model = make_detector(backbone="biformer_nano", weights=classifier)
    (tmp_path / "species.safetensors").unlink()
    again = build_detector(config_of(model), load_weights=False)
    again.load_state_dict(model.state_dict())
    assert config_of(again) == config_of(model)
    assert again.backbone.batch_norm_frozen


def test_weights_of_another_backbone_are_refused(make_detector, classifier) -> None:
    with pytest.raises(ConfigError, match=r"weights of biformer_nano, not of davit_nano.*set model.backbone"):
        make_detector(weights=classifier)


def test_frozen_stages_and_stem_get_no_gradient_and_all_others_do(make_detector) -> None:
    model = make_detector(detector="retinanet", freeze_stages=2)
    sum(model(*make_batch()).values()).backward()
    body = model.backbone.body
    frozen = {*body.stem.parameters(), *body.body.stage1.parameters(), *body.body.stage2.parameters()}
    assert {parameter for parameter in model.parameters() if parameter.grad is None} == frozen


def test_grad_checkpointing_changes_no_gradient(make_detector) -> None:
    gradients = []
    for checkpointing in (False, True):
        model = make_detector(detector="retinanet", grad_checkpointing=checkpointing)
        sum(model(*make_batch()).values()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"min_size": 900, "max_size": 800}, "max_size"),
        ({"categories": ["a", "a"]}, "named twice"),
        ({"categories": []}, "at least 1"),
        ({"fpn_channels": 100}, "multiple of 32"),
        ({"rgb_std": [0.0, 1.0, 1.0]}, "greater than 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ModelConfig.model_validate(changes)


def test_bf16_gradients_of_an_image_narrower_than_the_coarsest_cell_are_those_of_fp32(make_detector) -> None:
    model = make_detector(detector="retinanet")
    target = {"boxes": torch.tensor([[5.0, 5.0, 30.0, 40.0]]), "labels": torch.tensor([0])}
    gradients = []
    for enabled in (False, True):
        rubbish = [torch.full((size,), 1e30) for size in (64, 1024, 4096, 65536) for _ in range(8)]
        del rubbish  # what memory nobody has written may hold
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses = model([torch.full((3, 90, 50), 0.3)], [target])
        sum(losses.values()).backward()
        gradients.append(model.backbone.fpn.extra_blocks.p7.weight.grad.clone())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.05)
