"""Throughput of the training loader, beside birder's.

    python -m benchmarks.loader [--photos DIR] [--workers 2] [--batch-size 8] [--rounds 5]

Both read the same photos with the same number of workers: decode, mirror half of them, resize to a short side of 512
(long side at most 853), and end with what a network takes: a padded, normalised float32 batch in this process. birder's
loader is put together as its training script does it, with its own data set, transforms and collator; its workers send
that batch, ours send bytes, and the rest is done here, inside the measured time. They take turns, one pass over all
photos each; the first pass of each starts its workers and does not count, the median of the others does. The table is
printed, and written to benchmarks/results/loader.md with --write.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.machine import describe
from benchmarks.publishing import publish
from detector.data.coco.reading import read_coco
from detector.data.config import AugmentationConfig, DataConfig
from detector.data.dataset import TrainingDataset
from detector.data.loader import Batch, EpochSampler, to_device, training_loader
from detector.data.resizing import SizeRule
from detector.models.transform import NormalizeAndPad

PHOTOS = Path(__file__).parents[1] / "../shared/data/birds"
OUTPUT = "loader.md"
SHORT_SIDE, LONG_SIDE, MULTIPLE = 512, 853, 32  # pixels; batches are padded to the multiple
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def hoopoe_pass(photos: Path, batch_size: int, workers: int) -> Callable[[int], tuple[int, float]]:
    """A function that reads every photo once, given the number of the pass; returns images and seconds."""
    annotations, _ = read_coco([(photos / "annotations/train.json", photos / "images")])
    augmentation = AugmentationConfig.off().model_copy(update={"flip": 0.5})
    config = DataConfig(workers=workers, augmentation=augmentation)
    dataset = TrainingDataset(annotations, SizeRule(SHORT_SIDE, LONG_SIDE), augmentation, seed=0)
    loader = training_loader(dataset, batch_size, config)

    def read(number: int) -> tuple[int, float]:
        assert isinstance(loader.batch_sampler, EpochSampler)
        loader.batch_sampler.start(number)
        start = time.perf_counter()
        images = sum(len(finished(batch)) for batch in loader)
        return images, time.perf_counter() - start

    return read


def finished(batch: Batch) -> Tensor:
    """Bytes to the padded, normalised batch (B, 3, H, W), as the detectors do it."""
    images, _ = to_device(batch, "cpu")
    return NormalizeAndPad(MEAN, STD, first_label=1)(images)[0].tensors


def birder_pass(photos: Path, batch_size: int, workers: int) -> Callable[[int], tuple[int, float]]:
    """The same of birder."""
    from birder.data.collators.detection import DetectionCollator
    from birder.data.datasets.coco import CocoTraining
    from birder.data.transforms.detection import training_preset

    transforms = training_preset(
        (SHORT_SIDE, SHORT_SIDE), "birder", 0, {"mean": MEAN, "std": STD}, dynamic_size=True, max_size=LONG_SIDE
    )
    dataset = CocoTraining(
        photos / "images", str(photos / "annotations/train.json"), transforms=transforms, normalize_empty_targets=True
    )
    loader: DataLoader = DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        prefetch_factor=2,
        collate_fn=DetectionCollator(0, size_divisible=MULTIPLE),
        persistent_workers=True,
    )

    def read(_: int) -> tuple[int, float]:
        start = time.perf_counter()
        images = sum(len(batch[0]) for batch in loader)
        return images, time.perf_counter() - start

    return read


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="folder with images/ and annotations/train.json")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, help="photos a batch (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="passes of each that count (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    args = parser.parse_args()

    passes = {
        "birder": birder_pass(args.photos, args.batch_size, args.workers),
        "Hoopoe": hoopoe_pass(args.photos, args.batch_size, args.workers),
    }
    rates: dict[str, list[float]] = {name: [] for name in passes}
    images = 0
    for number in range(args.rounds + 1):
        for name, read in passes.items():
            images, seconds = read(number)
            if number:
                rates[name].append(images / seconds)
                print(f"round {number}: {name} {rates[name][-1]:.1f} images/s", flush=True)

    medians = {name: statistics.median(values) for name, values in rates.items()}
    lines = [
        "# Training loader",
        "",
        f"{images} photos a pass, short side {SHORT_SIDE}, batches of {args.batch_size}, {args.workers} workers, "
        f"median of {args.rounds} passes (lowest to highest).",
        "",
        "| loader | images/s | times birder |",
        "|---|---|---|",
        *(
            f"| {name} | {medians[name]:.1f} ({min(values):.1f} to {max(values):.1f}) "
            f"| {medians[name] / medians['birder']:.2f} |"
            for name, values in rates.items()
        ),
        "",
        describe(("birder", "torch", "torchvision", "pillow", "opencv-python-headless")),
        "",
        "`python -m benchmarks.loader --write`",
    ]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
