"""Draws a small card of two cameras for the demo and the tests: photos with EXIF times, videos, a mammal, a torn file.

What each file shows is known, so that what is read from the card can be compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.random import Generator
from PIL import ExifTags, Image

from detector.data.sample import Sample
from detector.synthetic.birds import draw_bird, paste
from detector.synthetic.camera import develop_scene, light_bird
from detector.synthetic.distractors import draw_mammal
from detector.synthetic.habitats import HABITATS, Habitat
from detector.synthetic.plumages import PLUMAGES
from detector.synthetic.scenes import Layer, visible_birds

MODEL = "Hoopoe demo camera"
BURST, BURST_GAP_S = 3, 1  # photos at a trigger, and seconds between them
FRAMES_PER_S, VIDEO_S = 10, 5
JPEG_QUALITY = 90
TORN_SHARE = 0.4  # of the torn file's bytes that are there
BIRD_LENGTH = (0.35, 0.6)  # of the short side of the picture


@dataclass(frozen=True, eq=False)
class DrawnFile:
    """A file of the card, and what it shows.

    Attributes:
        path: Under the card's root, with forward slashes.
        shots: The picture of a photo, or the frames of a video; none where the file cannot be read.
        mammal: Whether a mammal is in it.
    """

    path: str
    shots: tuple[Sample, ...]
    mammal: bool = False


@dataclass(frozen=True)
class _Visit:
    """What a camera sees after a trigger: indices into `PLUMAGES`, or nothing, or a mammal."""

    species: tuple[int, ...] = ()
    mammal: bool = False
    night: bool = False
    video: bool = False


def draw_card(folder: Path, seed: int = 0, size_wh: tuple[int, int] = (640, 480)) -> list[DrawnFile]:
    """Draw a card into a folder.

    Args:
        folder: The card's root; made if it is not there.
        seed: Another one draws other birds.
        size_wh: Width and height of all pictures in pixels, even numbers.

    Returns:
        Its files in the order of their times: of each camera a burst of photos of each of six species, bursts of two
        species, of nothing, of a bird at night and of a mammal, and a video; and one file that is torn off.
    """
    rng = np.random.default_rng([seed, 7])
    order = rng.permutation(len(PLUMAGES))
    files: list[DrawnFile] = []
    for camera, (kind, species) in enumerate((("ground", order[:6]), ("thicket", order[6:]))):
        one, two, *rest = (int(each) for each in species)
        visits = [
            _Visit((one,)),
            _Visit(),
            *(_Visit((each,)) for each in rest),
            _Visit((one, two)),
            _Visit((two,), night=True),
            _Visit(mammal=True),
            _Visit((two,)),
            _Visit((rest[0], rest[1]), video=True),
        ]
        habitat = HABITATS[kind](rng, size_wh)
        files += _draw_camera(rng, folder, f"camera_{camera + 1}", habitat, kind, visits)
    torn = f"{files[-1].path.rpartition('/')[0]}/IMG_9999.JPG"
    whole = (folder / files[0].path).read_bytes()
    (folder / torn).write_bytes(whole[: int(TORN_SHARE * len(whole))])
    return [*files, DrawnFile(torn, ())]


def _draw_camera(
    rng: Generator, folder: Path, camera: str, habitat: Habitat, kind: str, visits: Sequence[_Visit]
) -> Iterator[DrawnFile]:
    """Draw a camera's visits one after the other, between a quarter and three hours apart."""
    when = datetime(2026, 4, 12, 6, 30) + timedelta(minutes=int(rng.integers(60)))
    directory = f"{camera}/DCIM/100HOOPO"
    (folder / directory).mkdir(parents=True, exist_ok=True)
    number = 0
    for visit in visits:
        shots = _draw_visit(rng, habitat, kind, visit)
        if visit.video:
            number += 1
            path = f"{directory}/VID_{number:04}.MP4"
            _write_video(folder / path, shots, when)
            yield DrawnFile(path, tuple(shots), visit.mammal)
        else:
            for shot in shots:
                number += 1
                path = f"{directory}/IMG_{number:04}.JPG"
                _write_photo(folder / path, shot, when)
                yield DrawnFile(path, (shot,), visit.mammal)
                when += timedelta(seconds=BURST_GAP_S)
        when += timedelta(minutes=float(rng.uniform(15, 180)))


def _draw_visit(rng: Generator, habitat: Habitat, kind: str, visit: _Visit) -> list[Sample]:
    """The same individuals at one place in several moments, as they walk on."""
    height, width = habitat.image.shape[:2]
    place = habitat.image
    if visit.mammal:
        mammal, coverage = draw_mammal(rng, round(rng.uniform(0.9, 1.2) * height))
        top = round(habitat.feet[0] + 0.4 * (height - habitat.feet[0]) - 0.75 * len(mammal))
        place = paste(place, mammal, coverage, int(rng.uniform(0, width - len(mammal))), top)
    slots = len(visit.species)
    birds = [_Walker.drawn(rng, habitat, kind, each, slot, slots) for slot, each in enumerate(visit.species)]
    development = int(rng.integers(2**31))
    samples = []
    for moment in range(VIDEO_S * FRAMES_PER_S if visit.video else BURST):
        layers = [bird.at(moment) for bird in birds]
        kept, boxes = visible_birds(layers, np.zeros((height, width), np.float32))
        picture = place
        for layer in kept:
            picture = paste(picture, layer.image, layer.coverage, layer.left, layer.top)
        light = np.random.default_rng(development)  # the same exposure at each moment, as in a video
        picture = develop_scene(light, picture, visit.night, flash=visit.night)
        samples.append(Sample(picture, boxes, np.array([layer.species for layer in kept], np.int64)))
    return samples


@dataclass(frozen=True, eq=False)
class _Walker:
    """A bird that walks on: its picture, where it begins, and pixels a moment."""

    layer: Layer
    speed: float
    hop: float

    @classmethod
    def drawn(cls, rng: Generator, habitat: Habitat, kind: str, species: int, slot: int, slots: int) -> _Walker:
        """A bird in its own part of the picture's width, so that birds do not hide each other."""
        height, width = habitat.image.shape[:2]
        length = rng.uniform(*BIRD_LENGTH) * min(height, width) / max(1.0, 0.75 * slots)
        bird, coverage = light_bird(rng, *draw_bird(rng, PLUMAGES[species], round(1.75 * length)), kind, flies=False)
        ys, xs = np.nonzero(coverage > 0.5)
        low, high = slot * width / slots, (slot + 1) * width / slots
        middle = rng.uniform(low + 0.3 * (high - low), low + 0.7 * (high - low))
        foot = rng.uniform(max(habitat.feet[0], 0.7 * height), min(habitat.feet[1], 0.95 * height))
        left, top = round(middle - (xs.min() + xs.max()) / 2), round(foot - ys.max())
        return cls(Layer(bird, coverage, left, top, species), rng.uniform(-1, 1) * 0.004 * width, 0.01 * height)

    def at(self, moment: int) -> Layer:
        """Where it is at a moment."""
        left = self.layer.left + round(self.speed * moment)
        return self.layer._replace(left=left, top=self.layer.top - round(self.hop * (moment % 3 == 1)))


def _write_photo(path: Path, shot: Sample, when: datetime) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = MODEL
    text = when.strftime("%Y:%m:%d %H:%M:%S")
    exif[ExifTags.Base.DateTime] = text
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = text
    Image.fromarray(shot.image).save(path, quality=JPEG_QUALITY, exif=exif)


def _write_video(path: Path, shots: Sequence[Sample], when: datetime) -> None:
    width, height = shots[0].size_wh
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["creation_time"] = when.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        stream = container.add_stream("mpeg4", rate=Fraction(FRAMES_PER_S))  # every build of FFmpeg has it
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 4_000_000
        for shot in shots:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shot.image, format="rgb24")))
        container.mux(stream.encode(None))
