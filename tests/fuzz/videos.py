"""The boundary where videos come in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.fuzz.harness import Boundary

KINDS = (("mp4", "libx264", "yuv420p"), ("avi", "mjpeg", "yuvj420p"), ("mkv", "libx264", "yuv420p"))


def make_videos(folder: Path) -> Sequence[bytes]:
    import av

    scenes = np.random.default_rng(3).integers(0, 256, (12, 32, 48, 3), np.uint8)
    contents = []
    for kind, codec, pixels in KINDS:
        path = folder / f"whole.{kind}"
        with av.open(str(path), "w") as container:
            container.metadata["creation_time"] = "2024-05-03T06:00:00Z"
            stream = container.add_stream(codec, rate=6)
            stream.width, stream.height, stream.pix_fmt = 48, 32, pixels
            for scene in scenes:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(scene, format="rgb24")))
            container.mux(stream.encode())
        contents.append(path.read_bytes())
        path.unlink()
    (folder / "clip.mp4").touch()
    return contents


def read_video(folder: Path) -> None:
    """What annotation asks of a video: what it is, and its frames at two a second."""
    from detector.footage.video import Video

    video = Video(folder / "clip.mp4")
    times = [frame.time_s for frame in video.read(0.5) if frame.image.dtype == np.uint8]
    assert times == sorted(times), "frames come in the order of their times"


VIDEOS = (Boundary("video", "clip.mp4", make_videos, read_video, (b"moov", b"stts", b"stsz", b"idx1"), examples=40),)
