"""Which photos of bursts a model sees: the rule by which nothing that may be an animal is passed over."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.annotation.decoding import DecodedFrame
from detector.annotation.sifting.bursts import Bursts
from detector.annotation.values import FrameFacts, FrameKey
from detector.types import MediaItem

START = datetime(2024, 5, 1, 6)
STILL = np.random.default_rng(0).integers(60, 190, (48, 64, 3), np.uint8)
BIRD = STILL.copy()
BIRD[10:16, 20:26] = 255
SCENES = {"still": STILL, "bird": BIRD, "black": np.zeros_like(STILL), "dim": (STILL * 0.8).astype(np.uint8)}


def item(number, folder="DCIM", media_type="photo"):
    path = f"{folder}/{number:03d}.jpg"
    return MediaItem("card", path, media_type, 1, Path("/card") / path)


def frame(scene):
    small = SCENES[scene]
    return DecodedFrame(FrameFacts(0, 0.0, (64, 48)), small=small)


class Camera:
    """Photos through the rule; a model finds something wherever there is a bird."""

    def __init__(self, shots):
        self.shots, self.bursts, self.seen = shots, Bursts(), {}
        for number, (_, _, folder) in enumerate(shots):
            self.bursts.begin(number, item(number, folder))

    def decode(self, number):
        scene, second, _ = self.shots[number]
        if scene is None:
            self.bursts.ended(number)
        else:
            moment = None if second is None else START + timedelta(seconds=second)
            self.bursts.decoded(FrameKey(number, 0), frame(scene), moment)
            self.bursts.ended(number)
        self.settle()

    def settle(self):
        for verdict in self.bursts.pop():
            self.seen[verdict.key.item] = verdict.seen
            if verdict.seen:
                scene = self.shots[verdict.key.item][0]
                self.bursts.found(verdict.key.item, empty=scene != "bird")

    def seen_in_order(self, order=None):
        for number in order or range(len(self.shots)):
            self.decode(number)
        readable = [number for number, shot in enumerate(self.shots) if shot[0] is not None]
        assert sorted(self.seen) == readable
        return [number for number in readable if self.seen[number]]


def burst(*scenes, seconds=1, folder="DCIM"):
    return [(scene, seconds * number, folder) for number, scene in enumerate(scenes)]


def test_no_photos_no_verdicts():
    assert Camera([]).seen_in_order() == []


def test_a_still_burst_is_seen_once():
    assert Camera(burst("still", "still", "still")).seen_in_order() == [0]


def test_all_photos_with_an_animal_and_after_one_are_seen():
    assert Camera(burst("still", "still", "bird", "bird", "still", "still")).seen_in_order() == [0, 2, 3, 4]


def test_a_flash_that_failed_hides_nothing():
    assert Camera(burst("black", "still", "black", "still")).seen_in_order() == [0, 1, 2, 3]
    assert Camera(burst("still", "dim", "dim")).seen_in_order() == [0]  # a cloud


@pytest.mark.parametrize(
    "shots",
    [
        burst("still", "still", seconds=6),  # another trigger
        [("still", None, "DCIM"), ("still", None, "DCIM")],
        [("still", 3, "DCIM"), ("still", 1, "DCIM")],  # the clock went back
        [("still", 0, "DCIM"), ("still", 1, "OTHER")],
        [(None, 0, "DCIM"), ("still", 1, "DCIM")],
    ],
)
def test_what_is_no_burst_is_seen(shots):
    readable = [number for number, shot in enumerate(shots) if shot[0] is not None]
    assert Camera(shots).seen_in_order() == readable


def test_a_slow_change_is_seen_as_it_is_compared_with_what_a_model_saw():
    """Each photo differs too little from the one before; the sum of it does not."""
    fading = {
        f"fade{step}": np.where(BIRD == 255, STILL + (255 - STILL.astype(int)) * step // 40, STILL)
        for step in range(40)
    }
    scenes = {name: picture.astype(np.uint8) for name, picture in fading.items()}
    SCENES.update(scenes)
    shots = [(name, number, "DCIM") for number, name in enumerate(scenes)]
    assert len(Camera(shots).seen_in_order()) > 1


def test_the_order_of_decoding_changes_nothing():
    shots = burst("still", "still", "bird", "still", "still")
    expected = Camera(shots).seen_in_order()
    for order in permutations(range(len(shots))):
        assert Camera(shots).seen_in_order(order) == expected


@given(st.lists(st.sampled_from(["still", "bird", None]), max_size=8), st.randoms(use_true_random=False))
def test_a_photo_is_passed_over_only_after_an_empty_one_like_it(scenes, random):
    shots = burst(*scenes)
    order = list(range(len(shots)))
    random.shuffle(order)
    seen = set(Camera(shots).seen_in_order(order))
    for number, scene in enumerate(scenes):
        if scene is not None and number not in seen:
            assert (scene, scenes[number - 1]) == ("still", "still")
    assert not Camera(shots).bursts._decided


def test_nothing_is_kept_of_photos_that_are_over():
    camera = Camera(burst("still", "still", "bird", None, "still"))
    camera.seen_in_order()
    assert camera.bursts._photos == {}
