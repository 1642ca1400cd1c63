"""The demo's detectors: their scenes, their training, and what one start is worth against the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.cli.demo_run import CONFIG

if TYPE_CHECKING:
    from detector.cli.demo_run import Demo

SMALLEST_BIRD = 20  # pixels; birds that can be told apart in pictures of the demo's size


def draw_data(demo: Demo) -> None:
    """Draw the scenes in the size that the detector sees them."""
    from detector.config import load_config
    from detector.training.config import Config

    side = load_config(CONFIG, Config).model.min_size
    counts = ("--train", demo.scenes, "--val", max(1, demo.scenes // 8))
    kind = ("--scenes", "species", "--smallest", SMALLEST_BIRD, "--size", side, side)
    demo.command("draw", demo.data, *counts, *kind, "--seed", demo.seed)


def train_detectors(demo: Demo) -> None:
    """Train twice, the same but for the backbone's first weights."""
    _train(demo, demo.detector, f"model.weights={demo.species}")
    _train(demo, demo.random_detector)


def _train(demo: Demo, output: Path, *settings: str) -> None:
    data: list[object] = []
    for split in ("train", "val"):
        data += [f"--{split}-annotations", demo.data / f"{split}.json", f"--{split}-images", demo.images]
    epochs = [] if demo.epochs is None else [f"train.epochs={demo.epochs}"]
    words = ("--output", output, "--set", f"train.seed={demo.seed}", *epochs, *settings)
    demo.command("train", CONFIG, *data, *words)


def evaluate_detectors(demo: Demo) -> None:
    """Evaluate both on the scenes that neither has seen."""
    for run, output in ((demo.detector, demo.evaluation), (demo.random_detector, demo.random_evaluation)):
        data = ("--annotations", demo.data / "val.json", "--images", demo.images)
        demo.command("evaluate", run / "best.safetensors", *data, "--output", output)


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
