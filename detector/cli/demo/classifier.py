"""The demo's species classifier: trained on the birds of the drawn scenes, and shown on those of others."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detector.cli.demo.run import Demo
    from detector.data.packed import Annotations

# a small network, and few epochs: what varies pictures much would cost more than it brings
SETTINGS = (
    *("train.lr=2e-3", "train.layer_decay=1", "train.ema_decay=0.99", "train.precision=fp32", "train.log_steps=100"),
    *("train.eval_epochs=7", "data.workers=0", "data.balance=0", "data.augmentation.shift=0.05"),
    *(f"data.augmentation.{kind}=0" for kind in ("colour", "night_ir", "blur", "noise", "jpeg")),
)
SHOWN_PER_SPECIES, TILE_PX, FRAME_PX = 8, 128, 4
RIGHT, WRONG = (46, 140, 70), (200, 40, 40)  # RGB of the frames


def train_species(demo: Demo) -> None:
    """Train a classifier on the backbone of the shipped detector; mammals are what it shall not know."""
    from detector.cli.demo.start import shipped_start
    from detector.training.classifier.outcome import CLASSIFIER

    data = [demo.data / "train.json", "--val", demo.data / "val.json", "--others", demo.mammals / "train"]
    settings = ["--set", f"train.seed={demo.seed}", f"train.epochs={demo.classifier_epochs}", *SETTINGS]
    demo.command("train-species", *data, "--init", shipped_start(), "--output", demo.classifier, *settings)
    shutil.copyfile(demo.classifier / CLASSIFIER, demo.species)


def show_species(demo: Demo) -> None:
    """Classify the birds of the scenes kept for evaluation; print how many are named rightly, and draw some."""
    import numpy as np
    from rich.table import Table

    from detector.species.classifier import SpeciesClassifier
    from detector.species.posterior import posterior
    from detector.training.classifier.crops import read_species_crops

    classifier, annotations = SpeciesClassifier.load(demo.species), _read(demo, "val")
    names = list(classifier.class_names)
    crops, categories = read_species_crops(annotations, classifier.size_hw)
    place_of = {name: place for place, name in enumerate(names)}  # a small demo may have drawn no bird of a species
    labels = np.array([place_of.get(name, -1) for name in annotations.category_names], np.int64)[categories]
    probabilities = posterior(classifier.logits(crops).logits, 1.0)
    said = probabilities.argmax(axis=1)

    table = Table("species", "named rightly", "mostly taken for")
    for label, name in enumerate(names):
        mistakes = np.bincount(said[(labels == label) & (said != label)], minlength=len(names))
        taken_for = [f"{names[other]} ({mistakes[other]})" for other in np.argsort(-mistakes)[:2] if mistakes[other]]
        right, birds = int(((labels == label) & (said == label)).sum()), int((labels == label).sum())
        table.add_row(name, f"{right} of {birds}", ", ".join(taken_for))
    demo.console.print(table)
    demo.say(f"{(said == labels).sum()} of {len(labels)} birds are named rightly")
    _draw_sheet(demo, annotations, labels, probabilities, names)


def _draw_sheet(
    demo: Demo,
    annotations: Annotations,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    names: list[str],
) -> None:
    """A row of birds for each species."""
    import numpy as np

    from detector.plots.contact_sheet import contact_sheet
    from detector.plots.files import save_image
    from detector.training.classifier.crops import read_species_crops

    tiles, captions = [], []
    larger, _ = read_species_crops(annotations, (TILE_PX, TILE_PX))
    for label in range(len(names)):
        rows = np.flatnonzero(labels == label)[:SHOWN_PER_SPECIES].tolist()
        for row in rows:
            best = int(probabilities[row].argmax())
            tiles.append(_framed(larger[row], RIGHT if best == label else WRONG))
            captions.append(f"{names[best]} {probabilities[row, best]:.2f}")
        missing = SHOWN_PER_SPECIES - len(rows)
        tiles += [np.full((TILE_PX, TILE_PX, 3), 250, np.uint8)] * missing
        captions += [""] * missing
    save_image(contact_sheet(tiles, captions, tile_px=TILE_PX, columns=SHOWN_PER_SPECIES), demo.sheet)


def _framed(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    out = picture.copy()
    out[:FRAME_PX] = out[-FRAME_PX:] = colour
    out[:, :FRAME_PX] = out[:, -FRAME_PX:] = colour
    return out


def _read(demo: Demo, split: str) -> Annotations:
    from detector.data.coco.reading import read_coco

    return read_coco([(demo.data / f"{split}.json", demo.images)])[0]
