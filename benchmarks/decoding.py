"""Photos a second at full and reduced scale, and videos sampled once a second, beside decoding everything.

    python -m benchmarks.decoding [--megapixels 12] [--photos 8] [--seconds 60] [--height 1080] [--gop 60] [--rounds 3]

One process, one thread. The photo is a synthetic landscape as JPEG; the video is the same, panning, as H.264 with three
B-frames (x264's veryfast) and a keyframe every --gop frames of 30 a second. Each way of reading takes turns, the median
of the rounds counts. OpenCV seeks by frame number, as camera-trap tools do. The table is printed, and written to
benchmarks/results/decoding.md with --write.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.machine import describe
from benchmarks.publishing import publish
from detector.footage.photos import read_photo
from detector.footage.video import Video

OUTPUT = "decoding.md"
RATE = 30  # frames a second
SHORT_SIDE = 800  # pixels that a reduced photo keeps: torchvision's network size


def landscape(width: int, height: int) -> NDArray[np.uint8]:
    """Blotches with the noise of a sensor, RGB (H, W, 3): about a megabyte of JPEG for four megapixels."""
    chance = np.random.default_rng(0)
    coarse = chance.integers(0, 256, (24, 32, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = chance.normal(0, 6, (height, width, 1)).astype(np.float32)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def write_photos(folder: Path, megapixels: float, count: int) -> list[Path]:
    """JPEG files of 4:3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    Image.fromarray(landscape(width, width * 3 // 4)).save(folder / "0.jpg", quality=88)
    data = (folder / "0.jpg").read_bytes()
    files = [folder / f"{number}.jpg" for number in range(count)]
    for file in files:
        file.write_bytes(data)
    return files


def write_video(path: Path, height: int, seconds: int, gop: int) -> Path:
    """A panning view of 16:9."""
    width = height * 16 // 9 // 2 * 2
    wide = landscape(width + 400, height)
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "bf": "3"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", gop
        for number in range(seconds * RATE):
            left = number % 400
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(wide[:, left : left + width]), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def pillow_full(file: Path) -> None:
    """What most tools do."""
    with Image.open(file) as image:
        np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def decode_everything(file: Path) -> int:
    """Decode and convert all frames; returns how many were wanted."""
    with av.open(str(file)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        frames = [frame.to_ndarray(format="rgb24").shape for frame in container.decode(video=0)]
    return -(-len(frames) // RATE)


def decode_and_convert_wanted(file: Path) -> int:
    """Decode all frames, convert those at whole seconds."""
    wanted = 0
    with av.open(str(file)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(video=0)):
            if number % RATE == 0:
                frame.to_ndarray(format="rgb24")
                wanted += 1
    return wanted


def opencv_seeking(file: Path) -> int:
    """Seek to each wanted frame with OpenCV, on one thread."""
    capture = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    wanted = range(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), RATE)
    for number in wanted:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        read, image = capture.read()
        if read:
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    capture.release()
    return len(wanted)


def opencv_grabbing(file: Path) -> int:
    """Grab all frames with OpenCV, retrieve those that are wanted."""
    capture = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    number = wanted = 0
    while capture.grab():
        if number % RATE == 0:
            cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
            wanted += 1
        number += 1
    capture.release()
    return wanted


def medians(ways: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Units a second of each way, the median of rounds in which they take turns."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            units = way()
            rates[name].append(units / (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in rates.items()}


def photo_ways(files: list[Path]) -> dict[str, Callable[[], int]]:
    """Ways of reading photos; each returns how many."""

    def each(read: Callable[[Path], object]) -> Callable[[], int]:
        def run() -> int:
            for file in files:
                read(file)
            return len(files)

        return run

    return {
        "Pillow, full": each(pillow_full),
        "read_photo, full": each(read_photo),
        f"read_photo, at_least={SHORT_SIDE}": each(lambda file: read_photo(file, at_least=SHORT_SIDE)),
    }


def video_ways(file: Path) -> dict[str, Callable[[], int]]:
    """Ways of reading a frame for every second of a video; each returns how many."""
    return {
        "PyAV, all frames converted": lambda: decode_everything(file),
        "PyAV, wanted frames converted": lambda: decode_and_convert_wanted(file),
        "OpenCV, all grabbed": lambda: opencv_grabbing(file),
        "OpenCV, seeking": lambda: opencv_seeking(file),
        "Video, every second": lambda: sum(1 for _ in Video(file).read(1.0)),
        "Video, keyframes": lambda: sum(1 for _ in Video(file).read("keyframes")),
    }


def table(title: str, unit: str, rates: dict[str, float]) -> list[str]:
    """A Markdown table of rates and their ratio to the first."""
    first = next(iter(rates.values()))
    rows = [f"| {name} | {rate:.2f} | {rate / first:.1f} |" for name, rate in rates.items()]
    return [f"### {title}", "", f"| | {unit} | ratio |", "|---|---|---|", *rows, ""]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--photos", type=int, default=8, help="files a round")
    parser.add_argument("--seconds", type=int, default=60, help="length of the video")
    parser.add_argument("--height", type=int, default=1080, help="of the video")
    parser.add_argument("--gop", type=int, default=60, help="frames from one keyframe to the next")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        photos = write_photos(Path(folder), arguments.megapixels, arguments.photos)
        video = write_video(Path(folder) / "video.mp4", arguments.height, arguments.seconds, arguments.gop)
        photo_title = f"Photos of {arguments.megapixels:g} megapixels, {photos[0].stat().st_size / 1e6:.1f} MB"
        video_title = (
            f"A video of {arguments.seconds} s, {arguments.height} rows, a keyframe every {arguments.gop} frames"
        )
        lines = [
            *("# Decoding", "", describe(["av", "opencv-python-headless", "pillow", "numpy"]), ""),
            *table(photo_title, "photos/s", medians(photo_ways(photos), arguments.rounds)),
            *table(video_title, "frames kept/s", medians(video_ways(video), arguments.rounds)),
        ]
    print("\n".join(lines))
    publish(lines, OUTPUT, arguments.write)


if __name__ == "__main__":
    main()
