"""A small sound data set on disk, for each test to spoil in its own way."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

REAL_BIRDS = Path(__file__).parents[3] / "../shared/data/birds"


@pytest.fixture
def real_birds() -> Path:
    """The folder of real photos; the test is skipped where there is none."""
    if not REAL_BIRDS.exists():
        pytest.skip("the real photos are not here")
    return REAL_BIRDS


def draw_scene(seed: int, width: int = 96, height: int = 64) -> np.ndarray:
    """Smooth random blotches, RGB uint8 (H, W, 3): unlike for unlike seeds, alike after JPEG and resizing."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def save_jpeg(path: Path, pixels: np.ndarray) -> None:
    """Write RGB pixels as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


class CocoSet:
    """A COCO dictionary with its pictures: three scenes of 96 x 64, two boxes of `owl` and `tit`, one negative."""

    def __init__(self, folder: Path, first_seed: int = 0) -> None:
        self.folder = folder
        self.json = folder / "birds.json"
        self.images = folder / "images"
        names = ("a.jpg", "b.jpg", "cam/c.jpg")
        for offset, name in enumerate(names):
            save_jpeg(self.images / name, draw_scene(first_seed + offset))
        self.document = {
            "info": {"description": "made for a test"},
            "licenses": [{"id": 1, "name": "CC0"}],
            "images": [
                {"id": index, "file_name": name, "width": 96, "height": 64, "camera": f"cam {index}"}
                for index, name in enumerate(names, 1)
            ],
            "annotations": [
                {"id": 11, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 900.5, "iscrowd": 0},
                {"id": 12, "image_id": 2, "category_id": 2, "bbox": [1.5, 2, 45, 50.25], "area": 2261.25, "iscrowd": 0},
            ],
            "categories": [{"id": 1, "name": "owl"}, {"id": 2, "name": "tit"}],
        }

    def write(self) -> Path:
        """Write the JSON as it is now, and return its path."""
        self.json.write_text(json.dumps(self.document))
        return self.json

    @property
    def source(self) -> tuple[Path, Path]:
        """The JSON, written as it is now, and the folder of the pictures."""
        return self.write(), self.images


@pytest.fixture
def coco_set(tmp_path) -> CocoSet:
    """A sound set under tmp_path/train."""
    return CocoSet(tmp_path / "train")
