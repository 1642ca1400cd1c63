"""The gate lets movement through and passes over light, noise, and what never moves."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.footage.motion import MotionGate
from detector.footage.video import Video
from tests.detector.footage.conftest import scene


def views(count: int, *, noise: float = 3.0, seed: int = 0) -> list[np.ndarray]:
    """The same textured scene `count` times (240, 320, 3), with noise and JPEG."""
    chance = np.random.default_rng(seed)
    base = scene(seed, 320, 240).astype(float) * 0.6 + 40 + chance.normal(0, 12, (240, 320, 1))
    return [compressed(base + chance.normal(0, noise, base.shape)) for _ in range(count)]


def compressed(image: np.ndarray) -> np.ndarray:
    data = cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def gate(images: list[np.ndarray]) -> list[bool]:
    motion = MotionGate()
    return [motion.moved(image) for image in images]


def test_the_first_picture_always_counts() -> None:
    assert gate([np.zeros((480, 640, 3), np.uint8)]) == [True]


@pytest.mark.parametrize("noise", [0.0, 3.0, 8.0])
def test_noise_is_no_movement(noise: float) -> None:
    assert gate(views(30, noise=noise)) == [True] + [False] * 29


def test_changes_of_light_are_no_movement() -> None:
    images = [
        compressed(view * (1 + 0.25 * np.sin(time / 4)) + 15 * np.sin(time / 3)) for time, view in enumerate(views(30))
    ]
    assert gate(images) == [True] + [False] * 29


def test_a_bird_of_two_percent_of_the_width_is_seen_in_every_picture_that_has_it() -> None:
    images = views(30)
    for time in range(10, 20):
        x, y = 20 + 25 * (time - 10), 50 + 4 * time
        images[time][y : y + 5, x : x + 6] = (15, 15, 20)
    moved = gate(images)
    assert all(moved[10:20])
    assert not any(moved[1:10])
    assert sum(moved[20:]) <= 2


def test_what_came_to_stay_counts_for_a_while_and_then_no_more() -> None:
    images = views(90)
    for image in images[10:]:
        image[100:120, 150:170] = (20, 20, 20)
    moved = gate(images)
    assert all(moved[10:16])
    assert not any(moved[-20:])


def test_another_scene_starts_anew() -> None:
    day, night = views(5, seed=1), views(5, seed=2)
    assert gate(day + night) == [True, *[False] * 4] * 2


def test_another_size_starts_anew() -> None:
    small = [view[:200] for view in views(2)]
    assert gate([*views(2), *small]) == [True, False, True, False]


def test_real_flying_birds_are_let_through(footage: Path) -> None:
    motion = MotionGate()
    moved = [
        motion.moved(frame.image) for frame in Video(footage / "flying_birds_thermal_ir/IR_BIRD_044.mp4").read(2.0)
    ]
    assert all(moved)
