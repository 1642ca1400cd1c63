"""The demo's species classifier: trained on the birds of the drawn scenes, and shown on those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detector.cli.demo.run import Demo
    from detector.data.packed import Annotations

VIEWS = 2  # crops of each bird
SHOWN_PER_SPECIES, TILE_PX, FRAME_PX = 8, 128, 4
RIGHT, WRONG = (46, 140, 70), (200, 40, 40)  # RGB of the frames


def train_species(demo: Demo) -> None:
    """Train a classifier on the backbone of the shipped detector, and save it; mammals are what it shall not know."""
    import numpy as np
    import torch
    from PIL import Image

    import backbones
    from detector.base.reporting import track
    from detector.cli.demo.start import classifier_from_detector, shipped_start
    from detector.data.images import read_image
    from detector.training.classifier.crops import read_species_crops
    from detector.training.classifier.loop import ClassifierRecipe, normalised, train_classifier

    annotations = _read(demo, "train")
    names = annotations.category_names
    torch.manual_seed(demo.seed)
    net, rgb_stats = classifier_from_detector(shipped_start(), len(names))
    crops, labels = read_species_crops(annotations, net.input_size, views=VIEWS, seed=demo.seed)
    paths, size_wh = sorted((demo.mammals / "train").iterdir()), net.input_size[::-1]
    pictures = [Image.fromarray(read_image(path)).resize(size_wh, Image.Resampling.BICUBIC) for path in paths]
    mammals = np.stack([np.asarray(picture) for picture in pictures])
    demo.say(f"{len(crops)} crops of {len(crops) // VIEWS} birds in {len(annotations)} scenes; {len(mammals)} mammals")

    images, outliers = normalised(crops, rgb_stats), normalised(mammals, rgb_stats)
    epochs, known = demo.classifier_epochs, torch.from_numpy(labels)
    losses = train_classifier(net, images, known, ClassifierRecipe(epochs, seed=demo.seed), outliers)
    progress = track(losses, f"training {net.name}", "epochs", epochs)
    for epoch, loss in enumerate(progress, start=1):
        demo.say(f"epoch {epoch} of {epochs}: loss {loss:.3f}")
    class_to_idx = {name: index for index, name in enumerate(names)}
    backbones.save_pretrained(demo.species, net, class_to_idx=class_to_idx, rgb_stats=rgb_stats)


def show_species(demo: Demo) -> None:
    """Classify the birds of the scenes kept for evaluation; print how many are named rightly, and draw some."""
    import numpy as np
    import torch
    from rich.table import Table

    import backbones
    from detector.training.classifier.crops import read_species_crops
    from detector.training.classifier.loop import normalised

    net, class_to_idx, signature, rgb_stats = backbones.load_pretrained_model(demo.species, inference=True)
    annotations, size = _read(demo, "val"), backbones.get_size_from_signature(signature)
    names = sorted(class_to_idx, key=class_to_idx.__getitem__)
    crops, labels = read_species_crops(annotations, size)
    with torch.inference_mode():
        batches = normalised(crops, rgb_stats).split(64)
        probabilities = np.concatenate([net(batch).softmax(1).numpy() for batch in batches if len(batch)])
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
