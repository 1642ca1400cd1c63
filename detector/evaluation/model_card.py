"""The text of a model card: what a detector is, how good it is on what, and what nobody has tested.

Mitchell and others 2019, https://doi.org/10.1145/3287560.3287596.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from detector.evaluation.bootstrap import DRAWS, Estimate
from detector.evaluation.false_boxes import FalseBoxes
from detector.evaluation.slices import CardFigures
from detector.models.detector import Detector
from detector.models.onnx.network import OnnxConfig

FEW_BIRDS = 20  # below, a figure says little: one bird is 5 % of the recall and more
ROWS_SHOWN = 100  # of a table; the least known are told under Limits in any case
NAMES_SHOWN = 20
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Machine:
    """Where an evaluation ran.

    Args:
        device: Name of the GPU, or of the processor's kind.
        threads: Of torch on the CPU.
        torch: Its version.
        precision: Of convolutions and matrix products.
    """

    device: str
    threads: int
    torch: str
    precision: str

    @classmethod
    def of(cls, detector: Detector) -> Machine:
        """This machine, as the detector uses it."""
        kind = torch.backends.cpu.get_cpu_capability()
        name = f"CPU ({platform.machine()}, {kind}, {os.cpu_count()} cores)"
        if detector.device.type == "cuda":
            name = torch.cuda.get_device_name(detector.device)
        return cls(name, torch.get_num_threads(), torch.__version__, detector.precision)


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from.

    Args:
        detector: The detector.
        machine: Where it was evaluated.
        data: The content of its run's data.json; empty where that is not at hand.
        figures: On the set it was evaluated on; None: on none.
        images_per_second: Of that evaluation, the reading of pictures included.
        seen_with: The options of that evaluation by which more was found than by default; None: there were none.
        false_boxes: Found on pictures without birds, by what these are: "of this set", "of others".
    """

    detector: Detector
    machine: Machine
    data: Mapping[str, Any]
    figures: CardFigures | None = None
    images_per_second: float | None = None
    seen_with: str | None = None
    false_boxes: Mapping[str, FalseBoxes] = field(default_factory=dict)


def model_card(facts: CardFacts) -> str:
    """A card in Markdown. Names of files, cameras and classes are data: none of them ends a table or begins a link."""
    parts = (_model(facts.detector), _training_data(facts), _figures(facts), _speed(facts), _use(), _limits(facts))
    return "\n\n".join("\n".join(part) for part in (*parts, _licence(facts.detector))) + "\n"


def escaped(text: object) -> str:
    """A name as Markdown shows it: on one line, every character that means something made plain."""
    line = "".join(char if char.isprintable() else " " for char in str(text))
    line = re.sub(r"([\\`*_\[\]#|~$@:]|(?<=www)\.)", r"\\\1", line, flags=re.IGNORECASE)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _model(detector: Detector) -> Iterator[str]:
    config = detector.meta.config
    yield f"# Model card: {escaped(detector.name)}"
    yield ""
    if isinstance(config, OnnxConfig):
        yield f"- Detector: {escaped(detector.runtime)}, in a file of another program"
        yield f"- Input: {config.rule.width} x {config.rule.height} pixels"
    else:
        yield from _own_network(detector)
    yield f"- Categories: {names_listed(detector.categories)}"
    if detector.sha256 is not None:
        yield f"- SHA-256 of its file: {detector.sha256}"
    versions = ", ".join(f"{escaped(name)} {escaped(version)}" for name, version in detector.meta.versions.items())
    yield f"- Made with {versions}"


def _own_network(detector: Detector) -> Iterator[str]:
    config = detector.meta.config
    parameters = sum(weights.numel() for weights in detector.net.parameters())
    weights = "not named: random, or those of another detector" if config.weights is None else escaped(config.weights)
    yield f"- Detector: {config.detector} {config.version}, backbone {escaped(config.backbone)}"
    yield f"- Weights that its backbone started from: {weights}"
    yield f"- Input: RGB, {config.size_rule}"
    yield f"- Parameters: {parameters / 1e6:.2f} million"


def _training_data(facts: CardFacts) -> Iterator[str]:
    known = facts.detector.meta.training_data
    train = facts.data.get("train", {})
    report = train.get("report", {})
    yield "## Training data"
    yield ""
    if not known and not train:
        yield "The detector's file does not say."
        return
    yield f"- Pictures: {known.get('images', report.get('images'))}"
    yield f"- Boxes: {known.get('boxes', report.get('boxes'))}"
    yield f"- Fingerprint of the annotations: {known.get('fingerprint', train.get('fingerprint'))}"
    if not train:
        yield "- Sources and categories: in data.json of its run, which is not beside the detector"
        return
    yield f"- Pictures without a bird: {report.get('negatives')}"
    blanks = facts.data.get("negatives")
    if isinstance(blanks, Mapping) and isinstance(blanks.get("report"), Mapping):
        yield f"- Further pictures without birds, taught as background: {blanks['report'].get('images')}"
    # a path says where its author works: the names are enough
    names = [f"{_name(each['annotations'])} with pictures of {_name(each['images'])}" for each in train["files"]]
    yield f"- Sources: {names_listed(names)}"
    lost = {
        "boxes cut off at the frame": report.get("boxes_clipped", 0),
        "boxes that could not be used": report.get("boxes_dropped", 0),
        "pictures because of such boxes": report.get("images_dropped", 0),
        "boxes of categories mapped to nothing": report.get("boxes_unmapped", 0),
        "pictures that cannot be read": len(train.get("left_out", {})),
    }
    said = [f"{count} {what}" for what, count in lost.items() if count]
    yield f"- Changed or left out: {', '.join(said) or 'nothing'}"
    yield ""
    yield from card_table(("class", "boxes to train on"), [(name, str(n)) for name, n in train["categories"].items()])


def _figures(facts: CardFacts) -> Iterator[str]:
    figures = facts.figures
    yield "## Figures"
    yield ""
    if figures is None:
        yield "It was evaluated on no set: nobody knows how good it is."
        return
    of = f" of {figures.cameras} cameras" if figures.cameras else ""
    yield f"On {figures.images} pictures{of} with {figures.birds} annotated birds."
    if not figures.birds:
        yield "No bird was there to find, so that there is no figure."
        return
    if facts.seen_with:
        yield f"Pictures were seen with `{facts.seen_with}`: figures and speed hold with this alone."
    kind = "cameras" if figures.by_camera else "pictures"
    yield (
        f"In brackets: 95 % intervals, the percentiles of {DRAWS} draws of {kind} with replacement; of pictures in a "
        "part that has birds of one camera only. They say how much the figure depends on the pictures of this set, not "
        "what other places bring. One of no width (none found, or all) says nothing. A dash: nothing to measure."
    )
    if figures.by_camera and figures.cameras < FEW_BIRDS:
        yield f"With {figures.cameras} cameras, intervals come out too narrow."
    yield ""
    rows = [
        (name, estimate_text(figures.whole[key]))
        for name, key in (
            ("AP (mean over IoU 0.50 to 0.95)", "AP"),
            ("AP50 (IoU 0.50)", "AP50"),
            ("AR (mean recall over the same IoUs)", "AR"),
            (f"Recall at score {figures.threshold:.2f}, where F1 is best", "recall"),
        )
    ]
    for of, boxes in facts.false_boxes.items():
        what = f"False boxes a picture at score {boxes.score:.2f}, on {boxes.images} pictures {of} without birds"
        rows.append((what, f"{boxes.per_image:.3f}"))
    yield from card_table(("figure", "value"), rows)
    for title, slices in figures.slices.items():
        yield ""
        yield f"### By {title}"
        yield ""
        present = [each for each in slices if each.birds or title != "class"]
        cells = [
            (each.name, str(each.images), str(each.birds), estimate_text(each.ap50), estimate_text(each.recall))
            for each in present
        ]
        pictures = "pictures" if title in ("light", "camera") else "pictures with such birds"
        yield from card_table((title, pictures, "birds", "AP50", f"recall at {figures.threshold:.2f}"), cells)


def _speed(facts: CardFacts) -> Iterator[str]:
    machine = facts.machine
    yield "## Speed on this machine"
    yield ""
    if facts.images_per_second is None:
        yield "Not measured."
        return
    threads = f", {machine.threads} threads" if machine.device.startswith("CPU") else ""
    yield (
        f"{facts.images_per_second:.1f} pictures/s, reading included: {escaped(machine.device)}{threads}, "
        f"torch {escaped(machine.torch)}, {machine.precision}."
    )


def _use() -> Iterator[str]:
    yield "## Intended use"
    yield ""
    yield (
        "To find birds of the categories above in photos and videos like those it was trained on, for counts and lists "
        "that a person reviews. Scores are no probabilities unless they were calibrated. Not for decisions that nobody "
        "looks over, and not to watch people."
    )


def _limits(facts: CardFacts) -> Iterator[str]:
    """What the data say nothing, or too little, about."""
    yield "## Limits"
    yield ""
    train = facts.data.get("train", {}).get("categories", {})
    rare = [f"{name} ({count})" for name, count in train.items() if count < FEW_BIRDS]
    if rare:
        yield f"- Fewer than {FEW_BIRDS} boxes to learn from: {names_listed(rare)}"
    if facts.figures is None:
        yield "- Everything is untested."
        return
    for title, slices in facts.figures.slices.items():
        untested = [f"{each.name} ({each.birds})" for each in slices if each.birds < FEW_BIRDS]
        if untested:
            yield f"- Untested, with fewer than {FEW_BIRDS} birds, by {title}: {names_listed(untested)}"
    if "camera" not in facts.figures.slices:
        yield "- The set names no cameras: how it does at a place that it has not seen is untested."
    else:
        yield "- A camera that is in the training data too says little about a new place."
    yield "- Other places, seasons, cameras and species than in the data are untested."


def _licence(detector: Detector) -> Iterator[str]:
    yield "## Licence"
    yield ""
    known = detector.meta.training_data
    yield f"- These weights: {_stated(known.get('licence'), 'train.licence')}"
    yield f"- The weights it started from: {_stated(None)}"
    yield f"- The training pictures and boxes: {_stated(known.get('data_licence'), 'data.licence')}"


def _stated(licence: object, key: str | None = None) -> str:
    if licence:
        return escaped(licence)
    return NOT_STATED + (f" (`--set {key}=...`)" if key else "")


def card_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, its first column names (data), the others numbers."""
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for name, *cells in rows[:ROWS_SHOWN]:
        yield f"| {' | '.join((escaped(name), *cells))} |"
    if len(rows) > ROWS_SHOWN:
        yield ""
        yield f"{len(rows) - ROWS_SHOWN} more are not shown; metrics.json has all."


def estimate_text(estimate: Estimate, *, signed: bool = False) -> str:
    """A figure with its interval."""
    if estimate.value is None:
        return "-"
    sign = "+" if signed else ""
    if estimate.low is None:
        return f"{estimate.value:{sign}.3f}"
    return f"{estimate.value:{sign}.3f} ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"


def names_listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(escaped(name) for name in names[:NAMES_SHOWN]) + more


def _name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
