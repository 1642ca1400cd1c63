"""A training step and inference of whole detectors, beside birder's own Faster R-CNN and RetinaNet.

    python -m benchmarks.training [--backbones biformer_s davit_tiny] [--detectors faster_rcnn retinanet] [--write]
    python -m benchmarks.training --device cuda --batch-size 16 --write

Both sides: the v2 heads (RPN of depth 2 and 4conv1fc; GroupNorm and GIoU), 256 channels, the same anchors per cell,
2000 proposals in training and 1000 in use, 512 sampled for the box head, random weights, no drop path. birder runs as
its training script does it: one padded batch tensor under autocast. A step is forward, backward, clipping and a fused
AdamW, on both sides. Rivals and precisions take turns, run by run; the median counts. bf16 is left out where the
processor does not compute in it. The shares of backbone, neck and head are of Hoopoe's forward pass in inference.
On CUDA a run ends when the device is done; fp32 convolutions are TF32 there, torch's default. --write puts the table
into benchmarks/results/training.md, or training_cuda.md.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.machine import computes_bf16, describe, take_turns, wait_for
from benchmarks.publishing import publish
from detector.models.building import build_detector
from detector.models.config import ModelConfig

CATEGORIES = 12  # more than one, so that a label of 1 is valid whether or not 0 is the background
BOXES = 8  # in each image
WINDOW_SIZE = (384, 384)  # the published classifiers'; DaViT's window is a 32nd of it


class Rival(NamedTuple):
    """A library at one precision."""

    library: str
    precision: str

    @property
    def name(self) -> str:
        """As the head of its column."""
        return f"{self.library} {self.precision}"


def rivals_on(device: torch.device) -> tuple[Rival, ...]:
    """Both libraries in all precisions that the device computes in."""
    precisions = ("fp32", "bf16") if device.type == "cuda" or computes_bf16() else ("fp32",)
    return tuple(Rival(library, precision) for library in ("hoopoe", "birder") for precision in precisions)


def build(library: str, backbone: str, detector: str, size: int) -> nn.Module:
    """A detector with random weights."""
    torch.manual_seed(0)
    if library == "hoopoe":
        names = tuple(f"species {number}" for number in range(CATEGORIES))
        config = ModelConfig.model_validate(
            {"detector": detector, "version": "v2", "backbone": backbone, "categories": names, "drop_path": 0.0}
            | {"backbone_size": WINDOW_SIZE, "batch_norm": "train"}
        )
        return build_detector(config)
    logging.disable(logging.INFO)  # birder logs every change of size
    from birder.model_registry import registry

    body: Any
    if backbone.startswith("davit"):
        body = registry.net_factory(backbone, 0, size=WINDOW_SIZE, config={"drop_path_rate": 0.0})
        body.set_dynamic_size()
    else:
        body = registry.net_factory(backbone, 0, size=(size, size), config={"drop_path_rate": 0.0})
    return registry.detection_net_factory(detector, CATEGORIES, body, size=(size, size))


def drawn_batch(images: int, size: int, device: torch.device) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Noise with boxes of 16 pixels to half a side."""
    generator = torch.Generator().manual_seed(0)
    pictures = [torch.rand(3, size, size, generator=generator) for _ in range(images)]
    targets = []
    for _ in range(images):
        sides = 16 + torch.rand(BOXES, 2, generator=generator) * (size / 2 - 16)
        corners = torch.rand(BOXES, 2, generator=generator) * (size - sides)
        targets.append(
            {"boxes": torch.cat([corners, corners + sides], 1), "labels": torch.ones(BOXES, dtype=torch.int64)}
        )
    on_device = [{key: value.to(device) for key, value in target.items()} for target in targets]
    return [picture.to(device) for picture in pictures], on_device


def caller(library: str, model: Any, batch: int, size: int, device: torch.device) -> Callable[..., Any]:
    """Calls a detector on a drawn batch, with targets or without: its losses in training, its detections in use."""
    pictures, targets = drawn_batch(batch, size, device)
    if library == "hoopoe":
        return lambda train: model(pictures, targets) if train else model(pictures)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], device=device)
    normalised = (torch.stack(pictures) - mean[:, None, None]) / std[:, None, None]
    sizes = [(size, size)] * batch
    return lambda train: model(normalised, targets if train else None, None, sizes)[1 if train else 0]


def stepper(rival: Rival, model: nn.Module, batch: int, size: int, device: torch.device) -> Callable[[], None]:
    """One training step."""
    call = caller(rival.library, model, batch, size, device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)

    def step() -> None:
        model.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=rival.precision == "bf16"):
            losses = call(True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        wait_for(device)

    return step


def predictor(rival: Rival, model: nn.Module, batch: int, size: int, device: torch.device) -> Callable[[], None]:
    """Detection in one batch."""
    call = caller(rival.library, model, batch, size, device)

    def detect() -> None:
        model.eval()
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=rival.precision == "bf16"):
            call(False)
        wait_for(device)

    return detect


def forward_shares(model: Any, detect: Callable[[], None], repeats: int, device: torch.device) -> dict[str, float]:
    """Shares of backbone, neck (norms and pyramid) and head (everything else) of Hoopoe's detection."""
    spent = {"body": 0.0, "pyramid": 0.0, "all": 0.0}
    with (
        timed_calls(model.backbone.body, "detection_features", spent, "body", device),
        timed_calls(model.backbone, "forward", spent, "pyramid", device),
        timed_calls(model, "forward", spent, "all", device),
    ):
        for _ in range(repeats):
            detect()
    body, pyramid, total = spent["body"], spent["pyramid"], spent["all"]
    return {"backbone": body / total, "neck": (pyramid - body) / total, "head": (total - pyramid) / total}


@contextmanager
def timed_calls(owner: Any, method: str, spent: dict[str, float], key: str, device: torch.device) -> Iterator[None]:
    """Add the seconds in a method to `spent[key]`."""
    original = getattr(owner, method)

    def timed(*args: Any, **kwargs: Any) -> Any:
        wait_for(device)
        start = time.perf_counter()
        result = original(*args, **kwargs)
        wait_for(device)
        spent[key] += time.perf_counter() - start
        return result

    setattr(owner, method, timed)
    try:
        yield
    finally:
        delattr(owner, method)  # the class's own is underneath


def measure(backbone: str, detector: str, args: argparse.Namespace) -> list[str]:
    """Rows of the table for one detector, printed as they come."""
    device = torch.device(args.device)
    rivals = rivals_on(device)
    precisions = [rival.precision for rival in rivals if rival.library == "hoopoe"]
    models = {library: build(library, backbone, detector, args.size).to(device) for library in ("hoopoe", "birder")}
    rows = []
    for task, prepare in (("step", stepper), ("inference", predictor)):
        runs = {rival: prepare(rival, models[rival.library], args.batch_size, args.size, device) for rival in rivals}
        medians = take_turns(runs, args.repeats)
        best = min((rival for rival in rivals if rival.library == "hoopoe"), key=medians.__getitem__)
        cells = [f"{1000 * medians[rival]:.0f}" for rival in rivals]
        factors = [f"{medians[Rival('birder', precision)] / medians[best]:.2f}" for precision in precisions]
        rows.append(f"| {detector} {backbone} | {task} | {' | '.join(cells)} | {' | '.join(factors)} |")
        print(rows[-1], flush=True)
        if task == "inference":
            shares = forward_shares(models["hoopoe"], runs[best], args.repeats, device)
            parts = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
            rows.append(f"| | shares of {best.name} | {parts}" + " |" * (len(rivals) + len(precisions) - 1))
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backbones", nargs="+", default=["biformer_s", "davit_tiny"])
    parser.add_argument("--detectors", nargs="+", default=["faster_rcnn", "retinanet"])
    parser.add_argument("--size", type=int, default=512, help="side of the images (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=2, help="images (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each that count (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--threads", type=int, help="of torch; by default its own choice")
    parser.add_argument("--write", action="store_true", help="write the table into benchmarks/results")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    rivals = rivals_on(device)
    precisions = [rival.precision for rival in rivals if rival.library == "hoopoe"]
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"

    lines = [
        "# Training step and inference of detectors",
        "",
        f"{args.size} x {args.size}, batch {args.batch_size}, {place}, median of {args.repeats} runs, milliseconds.",
        "",
        f"| detector | task | {' | '.join(rival.name for rival in rivals)} | "
        + " | ".join(f"hoopoe's best is birder {precision} x" for precision in precisions)
        + " |",
        "|---|---" + "|---" * (len(rivals) + len(precisions)) + "|",
    ]
    print("\n".join(lines), flush=True)
    for backbone in args.backbones:
        for detector in args.detectors:
            lines += measure(backbone, detector, args)
    lines += ["", describe(("torch", "torchvision", "birder")), "", "`python -m benchmarks.training --write`"]
    print("\n".join(lines[-3:]))
    publish(lines, "training.md" if device.type == "cpu" else f"training_{device.type}.md", args.write)


if __name__ == "__main__":
    main()
