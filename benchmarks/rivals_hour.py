"""Other tools' detectors for the CPU time that benchmarks.first_hour has: the same photos, core and measure.

    OMP_NUM_THREADS=1 python -m benchmarks.rivals_hour torchvision BIRDS OUTPUT [--minutes 60]
    OMP_NUM_THREADS=1 python -m benchmarks.rivals_hour birder BIRDS OUTPUT [--backbone regnet_y_200m]
    OMP_NUM_THREADS=1 python -m benchmarks.rivals_hour ultralytics BIRDS OUTPUT [--network yolo11n.yaml --side 640]

torchvision's is the reference's Faster R-CNN on MobileNetV3, birder's its Faster R-CNN; both from random weights, with
anchors from 16 pixels, in a plain loop of one process, that gets photos from our reader, mirrored, scaled and
recoloured, or, with --crops, the very crops that first_hour trains on. AdamW, warm-up, a cosine over the CPU time,
averaged weights: what ours has.
ultralytics' is a YOLO from random weights, trained by its own trainer with its own augmentation, optimiser and average;
it is no dependency (`pip install ultralytics` in an environment of its own), and its epochs follow from the CPU time.
Prints AP, AP50 and AP75 by pycocotools' protocol, and minutes of CPU time. The averaged weights are kept in OUTPUT.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator

from benchmarks.machine import describe
from detector.config import load_config
from detector.data.coco.reading import read_coco
from detector.data.config import AugmentationConfig, DataConfig
from detector.data.dataset import Item, Key, TrainingDataset
from detector.data.images import read_image
from detector.data.loader import EpochSampler
from detector.data.packed import Annotations
from detector.data.resizing import SizeRule, scale_boxes
from detector.evaluation.evaluation import evaluate_detections
from detector.models.prediction import image_tensor
from detector.training.config import Config
from detector.training.optimising.ema import averaged

SIDE = 640  # the long side of all pictures, as in first_hour
STRIDE = 32
WARM_UP = 0.05  # of the time
LOWEST = 0.01  # of the learning rate
DECAY = 0.995  # of the average
VARIED = DataConfig(augmentation=AugmentationConfig(scale=(0.6, 1.4)))  # of whole photos

Found = tuple[Tensor, Tensor]  # boxes, xyxy in pixels of the network's picture, and scores
FoundInPhoto = tuple[NDArray[np.float32], NDArray[np.float32]]  # the same in pixels of the photo


@dataclass(frozen=True)
class Rival:
    """A network of another tool.

    Args:
        net: It.
        losses: Network, images and targets (labels from 1) -> its losses by name.
        detect: Network and an image -> what it finds.
    """

    net: nn.Module
    losses: Callable[[nn.Module, Sequence[Tensor], list[dict[str, Tensor]]], dict[str, Tensor]]
    detect: Callable[[nn.Module, Tensor], Found]


def main() -> None:
    """Train, detect, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rival", choices=("torchvision", "birder", "ultralytics"))
    parser.add_argument("birds", type=Path, metavar="BIRDS", help="the data set")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="folder for the weights")
    parser.add_argument("--minutes", type=float, default=60, help="CPU time of the training (%(default)s)")
    parser.add_argument("--backbone", default="regnet_y_200m", help="birder's (%(default)s)")
    parser.add_argument("--network", default="yolo11n.yaml", help="ultralytics' (%(default)s)")
    parser.add_argument("--side", type=int, default=SIDE, help="pixels of the long side, ultralytics' (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=4, help="%(default)s")
    parser.add_argument("--bf16", action="store_true", help="as ours, on processors that compute in it")
    parser.add_argument("--lr", type=float, default=5e-4, help="%(default)s")
    parser.add_argument("--crops", action="store_true", help="what first_hour trains on, in place of whole photos")
    parser.add_argument("--rois", type=int, default=512, help="proposals an image to train on (%(default)s)")
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(1)
    rule = SizeRule(SIDE, SIDE)
    folder, images = args.birds / "annotations", args.birds / "images"
    if args.rival == "ultralytics":
        from benchmarks.rival_ultralytics import trained_yolo

        net, epochs, seconds = trained_yolo(args)
        figures = figures_of(read_coco([(folder / "val.json", images)])[0], net)
        told(args.rival, figures, f"{epochs} epochs with batches of {args.batch_size}", seconds)
        return
    rival = torchvision_rival(args.rois) if args.rival == "torchvision" else birder_rival(args.backbone, args.rois)
    data = load_config("first_hour", Config).data if args.crops else VARIED
    shown = TrainingDataset(read_coco([(folder / "train.json", images)])[0], rule, data.augmentation, seed=0)
    net, steps, seconds = trained(rival, shown, EpochSampler(shown, args.batch_size, data), args)
    args.output.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), args.output / f"{args.rival}.pt")
    figures = figures_of(read_coco([(folder / "val.json", images)])[0], detector_of(rival, net, rule))
    told(args.rival, figures, f"{steps} steps of {args.batch_size}", seconds)


def told(rival: str, figures: dict[str, float], length: str, seconds: float) -> None:
    """Print what came out."""
    print(describe(["torch", "torchvision", "birder", "ultralytics"]))
    print(f"{rival}: {'  '.join(f'{name} {value:.3f}' for name, value in figures.items())}")
    print(f"training: {length}, {seconds / 60:.1f} minutes of CPU time")


def torchvision_rival(rois: int) -> Rival:
    """Faster R-CNN on MobileNetV3-Large, as the reference scripts build it without weights, with smaller anchors."""
    net = fasterrcnn_mobilenet_v3_large_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=2,
        min_size=SIDE,
        max_size=SIDE,
        rpn_post_nms_top_n_test=300,
        box_batch_size_per_image=rois,
    )
    sizes = ((16, 32, 64, 128, 256),) * 3
    net.rpn.anchor_generator = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))

    def losses(net: nn.Module, images: Sequence[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        net.transform._skip_resize = True  # type: ignore[union-attr]  # done, and varied
        return dict(net([image / 255 for image in images], targets))

    def detect(net: nn.Module, image: Tensor) -> Found:
        [found] = net([image / 255])
        return found["boxes"], found["scores"]

    return Rival(net, losses, detect)


def birder_rival(backbone: str, rois: int) -> Rival:
    """birder's Faster R-CNN on one of its backbones, with random weights."""
    from birder.model_registry import registry

    size = (SIDE, SIDE)
    body: Any = registry.net_factory(backbone, 0, size=size)
    net: Any = registry.detection_net_factory("faster_rcnn", 1, body, size=size)
    net.set_dynamic_size()
    net.roi_heads.fg_bg_sampler.batch_size_per_image = rois
    finer = [[size // 2 for size in sizes] for sizes in net.rpn.anchor_generator.sizes]  # from 16 pixels
    net.rpn.anchor_generator = type(net.rpn.anchor_generator)(finer, net.rpn.anchor_generator.aspect_ratios)
    mean, std = (torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def batch(images: Sequence[Tensor]) -> tuple[Tensor, list[tuple[int, int]]]:
        """Normalised, and padded to the largest."""
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        height, width = (-(-max(sides) // STRIDE) * STRIDE for sides in zip(*sizes, strict=True))
        padded = torch.zeros(len(images), 3, height, width)
        for row, image in enumerate(images):
            padded[row, :, : image.shape[1], : image.shape[2]] = (image / 255 - mean) / std
        return padded, sizes

    def losses(net: nn.Module, images: Sequence[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        padded, sizes = batch(images)
        return dict(net(padded, targets, None, sizes)[1])

    def detect(net: nn.Module, image: Tensor) -> Found:
        padded, sizes = batch([image])
        [found] = net(padded, None, None, sizes)[0]
        return found["boxes"], found["scores"]

    return Rival(net, losses, detect)


def trained(
    rival: Rival, shown: TrainingDataset, batches: EpochSampler, args: argparse.Namespace
) -> tuple[nn.Module, int, float]:
    """Train for the CPU time that there is: the averaged weights, steps, and seconds."""
    net, limit = rival.net.train(), 60 * args.minutes
    average = averaged(net, DECAY)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.05)
    start, step, waiting = time.process_time(), 0, endless(batches)
    while (used := time.process_time() - start) < limit:
        share = used / limit
        rate = min(1.0, share / WARM_UP) * (LOWEST + (1 - LOWEST) * (1 + math.cos(math.pi * share)) / 2)
        for group in optimiser.param_groups:
            group["lr"] = args.lr * rate
        items = [shown[key] for key in next(waiting)]
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            total = sum(rival.losses(net, [item.image for item in items], [_target(item) for item in items]).values())
        assert isinstance(total, Tensor)
        if not torch.isfinite(total):
            raise SystemExit(f"the loss is {float(total)} at step {step}: try a lower --lr")
        total.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        optimiser.zero_grad()
        average.update_parameters(net)
        step += 1
        if step % 50 == 0:
            print(f"step {step}, {used / 60:.1f} minutes, loss {float(total):.3f}", flush=True)
    used = time.process_time() - start
    net.load_state_dict(average.module.state_dict())  # parts of birder's, copied, still call those of the first
    return net, step, used


def endless(sampler: EpochSampler) -> Iterator[list[Key]]:
    """Batch after batch, as ours come."""
    for epoch in count():
        sampler.start(epoch)
        yield from sampler


def _target(item: Item) -> dict[str, Tensor]:
    return {"boxes": item.target["boxes"], "labels": item.target["labels"] + 1}


def detector_of(rival: Rival, net: nn.Module, rule: SizeRule) -> Callable[[NDArray[np.uint8]], FoundInPhoto]:
    """What a network finds in a photo, in the photo's pixels."""
    net.eval()

    @torch.no_grad()
    def detect(photo: NDArray[np.uint8]) -> FoundInPhoto:
        size_wh = rule.size((photo.shape[1], photo.shape[0]))
        boxes, scores = rival.detect(net, image_tensor(rule.resize(photo, size_wh)).float())
        return scale_boxes(boxes.numpy(), size_wh, (photo.shape[1], photo.shape[0])), scores.numpy()

    return detect


def figures_of(truth: Annotations, detect: Callable[[NDArray[np.uint8]], FoundInPhoto]) -> dict[str, float]:
    """AP of what is found, by the protocol of pycocotools."""
    results = []
    for place in range(len(truth)):
        record = truth[place]
        photo = read_image(truth.path(place), (record.width, record.height))
        for box, score in zip(*detect(photo), strict=True):
            left, top, right, bottom = map(float, box)
            found = {"bbox": [left, top, right - left, bottom - top], "score": float(score)}
            results.append({"image_id": record.id, "category_id": truth.category_ids[0], **found})
    metrics = evaluate_detections(truth.to_coco_dict(), results).metrics.as_dict()
    return {name: float(metrics[name] or 0) for name in ("AP", "AP50", "AP75")}


if __name__ == "__main__":
    main()
