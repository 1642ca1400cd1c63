"""The demo's data and detectors: drawing, training, and what one start is worth against the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.cli.demo.run import CONFIG

if TYPE_CHECKING:
    from detector.cli.demo.run import Demo


SIDE_PX = 192  # of the scenes; the detector sees them at half of that
MAMMALS = 200  # for the classifier to learn from, and as many to calibrate on
MAMMALS_STREAM = 8  # of random numbers, beside those of scenes and card


def draw_training_data(demo: Demo) -> None:
    """Draw scenes to train on, and others to evaluate on; and mammals, which are no birds."""
    import numpy as np

    from detector.plots.files import save_image
    from detector.training.classifier.crops import draw_mammal_crops

    counts = ("--train", demo.scenes, "--val", max(1, demo.scenes // 8))
    demo.command("draw", demo.data, "--scenes", "demo", "--size", SIDE_PX, SIDE_PX, *counts, "--seed", demo.seed)
    rng = np.random.default_rng([demo.seed, MAMMALS_STREAM])
    for split in ("train", "val"):
        for number, crop in enumerate(draw_mammal_crops(rng, MAMMALS, (SIDE_PX, SIDE_PX)), start=1):
            save_image(crop, demo.mammals / split / f"mammal_{number:03}.png")


def train_detectors(demo: Demo) -> None:
    """Train and evaluate twice, the same but for the first weights.

    The first one's backbone is the classifier, its pyramid and heads are the shipped detector's: from nothing, these
    take longer than a demo to learn where a bird ends.
    """
    from detector.cli.demo.start import detector_from_classifier, shipped_start

    detector_from_classifier(shipped_start(), demo.species, demo.start)
    demo.say("One starts with the classifier as its backbone, and with shipped heads; the other with random weights.")
    demo.together(
        {
            "from the classifier": _commands(demo, demo.detector, demo.evaluation, "--init", demo.start),
            "from nothing": _commands(demo, demo.random_detector, demo.random_evaluation),
        }
    )


def _commands(demo: Demo, run: Path, evaluation: Path, *start: object) -> list[list[object]]:
    val = ["--annotations", demo.data / "val.json", "--images", demo.images]
    data: list[object] = []
    for split in ("train", "val"):
        data += [f"--{split}-annotations", demo.data / f"{split}.json", f"--{split}-images", demo.images]
    epochs = [] if demo.epochs is None else [f"train.epochs={demo.epochs}"]
    settings = ["--set", f"train.seed={demo.seed}", *epochs]
    return [
        ["train", CONFIG, *data, "--output", run, *start, *settings],
        ["evaluate", run / "best.safetensors", *val, "--output", evaluation, "--workers", 0],
    ]


def compare_detectors(demo: Demo) -> None:
    """Print the figures of both side by side."""
    from rich.table import Table

    ours, random = (
        json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        for folder in (demo.evaluation, demo.random_evaluation)
    )
    table = Table("", "from the classifier", "from nothing")
    for name, figure, one, other in (
        ("a bird, whatever the species", "AP50", ours["class_agnostic"], random["class_agnostic"]),
        ("a bird, whatever the species", "AP", ours["class_agnostic"], random["class_agnostic"]),
        ("mean of the species", "AP50", ours, random),
        ("mean of the species", "AP", ours, random),
        *((name, "AP", figures, random["per_class"][name]) for name, figures in ours["per_class"].items()),
    ):
        table.add_row(f"{figure} {name}", _shown(one, figure), _shown(other, figure))
    demo.console.print(table)


def _shown(figures: dict[str, Any], name: str) -> str:
    return "-" if figures[name] is None else f"{figures[name]:.3f}"
