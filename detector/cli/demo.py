"""`hoopoe demo`: trains a nano classifier on drawn birds, then names the birds in new pictures with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

TRAIN_PER_SPECIES, TEST_PER_SPECIES = 100, 8
NETWORK_SIZE, PICTURE_SIZE = (96, 96), 192  # pixels; the pictures shown are larger than what the network sees
RIGHT, WRONG = (46, 140, 70), (200, 40, 40)  # RGB of the frames
RGB_STATS = {"mean": [0.45, 0.45, 0.45], "std": [0.25, 0.25, 0.25]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `hoopoe demo`."""
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="folder to write to (%(default)s)")
    parser.add_argument("--model", default="biformer_nano", help="the network to train (%(default)s)")
    parser.add_argument("--epochs", type=int, default=7, help="passes over the drawn birds (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other birds (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Draw, train and save; then load, classify and show, as a user would."""
    from rich.console import Console

    console = Console()
    weights = args.output / "species.safetensors"
    pictures, sheet = args.output / "pictures", args.output / "contact_sheet.png"
    pictures.mkdir(parents=True, exist_ok=True)

    train(weights, args.model, args.epochs, args.seed, console)
    truth = draw_test_pictures(pictures, args.seed)
    show(weights, truth, sheet, console)
    some_picture = next(iter(truth))
    console.print(
        f"\nThe pictures are in {pictures}; {sheet} shows them all, a row a species, wrong names in red.\n"
        f"One at a time: hoopoe classify {some_picture} --model {weights}",
        soft_wrap=True,
        highlight=False,
    )
    return 0


def train(weights: Path, model: str, epochs: int, seed: int, console: Console) -> None:
    """Train a classifier of the invented species on drawn birds, and save it to `weights`."""
    import numpy as np
    import torch
    from rich.progress import track

    import backbones
    from detector.data.plumages import PLUMAGES
    from detector.data.synthetic import draw_portrait
    from detector.training.classifier import train_classifier

    rng = np.random.default_rng([seed, 0])
    torch.manual_seed(seed)
    transform = backbones.classification_transform(NETWORK_SIZE, RGB_STATS)
    labels = torch.arange(len(PLUMAGES)).repeat(TRAIN_PER_SPECIES)
    labels_shown = track(labels.tolist(), f"drawing {len(labels)} birds", console=console)
    images = torch.stack([transform(draw_portrait(rng, PLUMAGES[label], NETWORK_SIZE[0])) for label in labels_shown])

    net = backbones.create_model(model, num_classes=len(PLUMAGES), input_size=NETWORK_SIZE)
    losses = train_classifier(net, images, labels, epochs=epochs, seed=seed)
    for epoch, loss in enumerate(track(losses, f"training {model}", total=epochs, console=console), start=1):
        console.print(f"epoch {epoch:>2} of {epochs}: loss {loss:.3f}", highlight=False)
    class_to_idx = {plumage.name: index for index, plumage in enumerate(PLUMAGES)}
    backbones.save_pretrained(weights, net, class_to_idx=class_to_idx, rgb_stats=RGB_STATS)


def draw_test_pictures(folder: Path, seed: int) -> dict[Path, str]:
    """Draw birds that training has not seen; returns each picture's species."""
    import numpy as np
    from PIL import Image

    from detector.data.plumages import PLUMAGES
    from detector.data.synthetic import draw_portrait

    rng = np.random.default_rng([seed, 1])
    truth = {}
    for plumage in PLUMAGES:
        for number in range(1, TEST_PER_SPECIES + 1):
            path = folder / f"{plumage.name.replace(' ', '_')}_{number}.jpg"
            Image.fromarray(draw_portrait(rng, plumage, PICTURE_SIZE)).save(path, quality=90)
            truth[path] = plumage.name
    return truth


def show(weights: Path, truth: dict[Path, str], sheet: Path, console: Console) -> None:
    """Classify the pictures; print how many of each species were named rightly, and draw them all on one sheet."""
    from collections import Counter

    import numpy as np
    from PIL import Image
    from rich.table import Table

    import backbones
    from detector.plots.contact_sheet import contact_sheet

    net, class_to_idx, signature, rgb_stats = backbones.load_pretrained_model(weights, inference=True)
    transform = backbones.classification_transform(backbones.get_size_from_signature(signature), rgb_stats)
    names = sorted(class_to_idx, key=class_to_idx.__getitem__)

    tiles, captions = [], []
    named, mistaken = Counter[str](), {name: Counter[str]() for name in names}
    for path, species in truth.items():
        probabilities = backbones.infer_image(net, path, transform)[0][0]
        best = int(probabilities.argmax())
        right = names[best] == species
        named[species] += right
        mistaken[species].update({names[best]} - {species})
        tiles.append(framed(np.array(Image.open(path)), RIGHT if right else WRONG))
        captions.append(f"{names[best]} {probabilities[best]:.2f}")
    # a row a species
    Image.fromarray(contact_sheet(tiles, captions, tile_px=PICTURE_SIZE, columns=TEST_PER_SPECIES)).save(sheet)

    table = Table("species", "named rightly", "taken for")
    for name in names:
        table.add_row(name, f"{named[name]} of {TEST_PER_SPECIES}", ", ".join(mistaken[name]))
    console.print(table)
    console.print(
        f"{named.total()} of {len(truth)} birds that training has not seen are named rightly.", highlight=False
    )


def framed(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) with a frame of 4 pixels drawn over its edge."""
    out = picture.copy()
    out[:4] = out[-4:] = colour
    out[:, :4] = out[:, -4:] = colour
    return out
