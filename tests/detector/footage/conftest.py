"""Small footage, made for each test: encoded photos and muxed videos."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detector.footage.cards import name_cards

FOOTAGE = Path(__file__).parents[3] / "../shared/data/footage"


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real footage; the test is skipped where there is none."""
    if not FOOTAGE.exists():
        pytest.skip("the real footage is not here")
    return FOOTAGE.resolve()


def real_media(media_type: str) -> list[Path]:
    """The real photos or videos, for parameters of tests; empty where there are none."""
    if not FOOTAGE.exists():
        return []
    return [item.file for item in name_cards([FOOTAGE])[0].media() if item.media_type == media_type]


def scene(seed: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """Smooth coloured blotches, RGB (H, W, 3): unlike for unlike seeds, alike after compression."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def numbered(number: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """A picture that says its number, below 1024, in two rows of five black and white squares; see `number_in`."""
    bits = np.array([number >> place & 1 for place in range(10)], np.uint8).reshape(2, 5) * 200 + 25
    return np.repeat(cv2.resize(bits, (width, height), interpolation=cv2.INTER_NEAREST)[..., None], 3, axis=2)


def number_in(image: NDArray[np.uint8]) -> int:
    """The number that a `numbered` picture says, after any compression."""
    squares = cv2.resize(image, (5, 2), interpolation=cv2.INTER_AREA).mean(axis=2).ravel() > 125
    return sum(1 << place for place, white in enumerate(squares) if white)


def write_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    codec: str = "libx264",
    *,
    pts: Sequence[int] | None = None,
    unit: Fraction = Fraction(1, 10),
    gop: int = 12,
    rotation: int | None = None,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """Encode and mux pictures as a video.

    Args:
        pts: Times of the frames in units; rising by one if not given.
        unit: In seconds.
        gop: Frames from one keyframe to the next.
        rotation: Degrees counter-clockwise by which the display matrix turns the picture.
        options: Of the encoder.
        container: Options of the container.
        tags: Its metadata.
    """
    quiet = {"log-level": "none"} if codec == "libx265" else {}
    with av.open(str(path), "w", options=container or {}) as output:
        output.metadata.update(tags or {})
        stream: Any = output.add_stream(codec, rate=1 / unit, options={**quiet, **(options or {})})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.gop_size = gop
        stream.codec_context.time_base = unit
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number if pts is None else pts[number]
            frame.time_base = unit
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def write_mjpeg_avi(path: Path, jpegs: Sequence[bytes], size_wh: tuple[int, int], rate: int = 5) -> Path:
    """Mux JPEG files as they are into an AVI, as cameras do that change their minds about the pixel format."""
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("mjpeg", rate=rate)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuvj420p"
        for number, data in enumerate(jpegs):
            packet = av.Packet(data)
            packet.stream = stream
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, rate)
            packet.is_keyframe = True
            output.mux(packet)
    return path
