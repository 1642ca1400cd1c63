"""Birds cut out of annotated pictures, to look at, and drawn mammals beside them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.data.images import read_image
from detector.data.packed import LabelledImages
from detector.species.crops import crop_boxes, cut_crops
from detector.synthetic.mammals import draw_mammal_scene


def read_species_crops(
    annotations: LabelledImages, size_hw: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Cut every annotated bird out of its picture; crowds are left out.

    Args:
        annotations: Pictures with boxes.
        size_hw: Height and width of the crops.

    Returns:
        Crops uint8 (N, height, width, 3), RGB, and labels int64 (N,), in the order of the annotations.

    Raises:
        MediaError: A picture cannot be read.
    """
    crops, labels = [np.empty((0, *size_hw, 3), np.uint8)], [np.empty(0, np.int64)]
    for index in range(len(annotations)):
        record = annotations[index]
        if record.is_crowd.all():  # or no bird at all
            continue
        size_wh = (record.width, record.height)
        image = read_image(record.path, size_wh)
        boxes, species = record.boxes_xyxy[~record.is_crowd], record.labels[~record.is_crowd]
        crops.append(cut_crops(image, crop_boxes(boxes, size_wh), size_hw))
        labels.append(species)
    return np.concatenate(crops), np.concatenate(labels)


def draw_mammal_crops(rng: Generator, count: int, size_wh: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Draw mammals and cut them out as annotation does.

    Args:
        rng: The source of everything that varies.
        count: How many.
        size_wh: Width and height of the pictures that they are cut out of.

    Returns:
        RGB pictures of various sizes.
    """
    crops = []
    for _ in range(count):
        image, box = draw_mammal_scene(rng, size_wh)
        left, top, right, bottom = np.rint(crop_boxes(box, size_wh)[0]).astype(int).tolist()
        crops.append(image[top:bottom, left:right])
    return crops
