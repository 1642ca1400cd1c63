"""Pictures with birds at known places, and whether a COCO file says where they are: the oracle of the mutations.

It is independent of the readers: it knows where the birds were drawn.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detector.data.coco.reading import read_coco
from detector.data.dataset import EvaluationDataset
from detector.data.resizing import SizeRule

WIDTH, HEIGHT, PICTURES = 160, 120, 24
NAMES = ("owl", "tit")


@dataclass(frozen=True)
class Bird:
    """A bird that was drawn: left, top, width, height in pixels."""

    name: str
    box: tuple[float, float, float, float]


Truth = dict[str, list[Bird]]


def draw_set(folder: Path) -> Truth:
    """Pictures with birds at known places, one of ten without."""
    rng = np.random.default_rng(0)
    truth: Truth = {}
    (folder / "cam").mkdir(parents=True)
    for number in range(PICTURES):
        name = f"cam/{number:02}.png" if number % 4 == 0 else f"{number:02}.png"
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
        birds = []
        for _ in range(0 if number % 10 == 0 else int(rng.integers(1, 4))):
            w, h = rng.integers(12, 60), rng.integers(12, 50)
            x, y = rng.integers(0, WIDTH - w + 1), rng.integers(0, HEIGHT - h + 1)
            birds.append(Bird(NAMES[int(rng.integers(2))], (float(x), float(y), float(w), float(h))))
        truth[name] = birds
    return truth


def overlap(one, other):
    """Intersection, and area of each, of two boxes given as left, top, width, height."""
    sides = [max(0.0, min(one[n] + one[n + 2], other[n] + other[n + 2]) - max(one[n], other[n])) for n in (0, 1)]
    return sides[0] * sides[1], one[2] * one[3], other[2] * other[3]


def is_same(one, other):
    shared, a, b = overlap(one, other)
    return shared / (a + b - shared) > 0.97


def check(path: Path, images: Path, truth: Truth) -> int:
    """Hold a COCO file, read as training and evaluation read it, against what was drawn; how many pictures it has."""
    annotations, _ = read_coco([(path, images)])
    data = EvaluationDataset(annotations, SizeRule(HEIGHT, WIDTH))
    assert len(set(map(annotations.file_names.__getitem__, range(len(annotations))))) == len(annotations)
    for place in range(len(annotations)):
        item = data[place]  # reads the picture, and refuses a wrong size
        scale = item.image.shape[2] / WIDTH
        boxes = [tuple(box) for box in item.target["boxes"].numpy() / scale]
        boxes = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes]
        ignored = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in item.target["ignored"].numpy() / scale]
        found = [annotations.category_names[label] for label in item.target["labels"].tolist()]
        name = str(annotations.file_names[place]).removeprefix("./")
        for bird in truth[name]:
            same = [label for label, box in zip(found, boxes, strict=True) if is_same(bird.box, box)]
            inside = any(overlap(bird.box, region)[0] > 0.97 * overlap(bird.box, region)[1] for region in ignored)
            assert bird.name in same or inside, f"the {bird.name} of {name} at {bird.box} became background"
        for box in boxes:
            assert any(is_same(bird.box, box) for bird in truth[name]), f"there is no bird in {name} at {box}"
    return len(annotations)
