"""A gate that passes over pictures of a fixed camera in which nothing has moved since the ones before."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.footage.light import shrink

LONG_SIDE = 320  # pixels of the pictures compared: a bird of 1 % of the width is 3 pixels wide
SHADING = 41  # pixels; what changes more smoothly than this is light, not movement
MIN_DIFFERENCE = 8.0  # grey levels of 255 that a pixel must differ by to be different ...
NOISES = 7.0  # or this many of the noise's deviations, measured in the picture itself
DEVIATIONS = 4.0  # a pixel that is restless, such as a waving leaf, must differ by this many of its deviations
NORMAL_MAD = 1.4826  # from the median absolute value to the deviation of normal noise
MIN_PIXELS = 3  # different pixels within 3 x 3 that count as movement
ADAPTATION = 0.1  # share of each picture that goes into the background ...
ADAPTATION_MOVED = 0.02  # ... where it differs: what came to stay counts as moved for a while
NEW_SCENE_NOISE = 5.0  # grey levels that most pixels differ by, and ...
ALIKE_CONTRAST, ALIKE_LIKENESS = 1.5, 0.7  # of two pictures of one scene: strength of details, least correlation
NEW_SCENE_LIKENESS = 0.3  # ... the highest correlation, in another scene: infrared light, a turned camera


class MotionGate:
    """Compares each picture of a camera or video with a running background (Wren et al. 1997, Pfinder).

    Mean and deviation of each pixel are followed, after slow changes of brightness and contrast are taken out.
    """

    def __init__(self) -> None:
        self._mean: NDArray[np.float32] = np.zeros((0, 0), np.float32)  # before the first picture
        self._variance = self._mean

    def moved(self, image: NDArray[np.uint8]) -> bool:
        """Whether something in a picture has moved since the ones before; always true of the first.

        Args:
            image: RGB (H, W, 3) of uint8; the pictures of one camera, in the order of time.
        """
        details = _details(image)
        if self._mean.shape != details.shape:
            self._start(details)
            return True
        details *= _contrast(self._mean) / _contrast(details)
        difference = details - self._mean
        noise = NORMAL_MAD * float(np.median(np.abs(difference)))
        if noise > NEW_SCENE_NOISE and _likeness(details, self._mean) < NEW_SCENE_LIKENESS:
            self._start(_details(image))
            return True
        least = np.maximum(max(MIN_DIFFERENCE, NOISES * noise), DEVIATIONS * np.sqrt(self._variance))
        different = np.abs(difference) > least
        self._follow(difference, different, least)
        neighbours = cv2.boxFilter(different.astype(np.float32), -1, (3, 3), normalize=False)
        return bool(neighbours.max() >= MIN_PIXELS)

    def _follow(
        self, difference: NDArray[np.float32], different: NDArray[np.bool_], least: NDArray[np.float32]
    ) -> None:
        """Let the background become more like the picture; one loud difference makes no pixel restless."""
        share = np.where(different, np.float32(ADAPTATION_MOVED), np.float32(ADAPTATION))
        self._mean += share * difference
        self._variance += share * (np.minimum(np.abs(difference), least) ** 2 - self._variance)

    def _start(self, details: NDArray[np.float32]) -> None:
        self._mean = details
        self._variance = np.zeros_like(details)


def show_alike(image: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two pictures show one scene in one light: neither is black, white or blurred where the other is not.

    The gate takes contrast out, so that to it a black picture is like any other.

    Args:
        image: RGB (H, W, 3) of uint8.
        other: Likewise.
    """
    if image.shape != other.shape:
        return False
    one, two = _details(image), _details(other)
    ratio = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    return max(ratio) <= ALIKE_CONTRAST * min(ratio) and _likeness(one, two) >= ALIKE_LIKENESS


def _details(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The small grey picture without its shading (H, W)."""
    grey = cv2.cvtColor(shrink(image, LONG_SIDE), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(grey - cv2.blur(grey, (SHADING, SHADING)), np.float32)


def _contrast(details: NDArray[np.float32]) -> np.float32:
    """How strong the details are, whatever a few pixels do; at least a level, so that noise is not blown up."""
    return np.maximum(np.median(np.abs(details)), np.float32(1.0))


def _likeness(details: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Their correlation, -1 to 1; 0 where there are no details."""
    norm = float(np.linalg.norm(details) * np.linalg.norm(others))
    return float(np.vdot(details, others)) / norm if norm else 0.0
