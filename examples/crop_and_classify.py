"""Find birds in a stream of pictures, crop them, and name them: over a folder, or over the shards of a WebDataset.

    python examples/crop_and_classify.py photos coco davit_tiny_il-all
    python examples/crop_and_classify.py "shards/photos-*.tar" coco davit_tiny_il-all

Memory does not grow with the stream: pictures are read when they are asked for, and crops are classified in batches
that go across pictures.
"""

import glob
import io
import itertools
import sys
import tarfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import detector as hp
from detector.species.crops import crop_boxes

SUFFIXES = (".jpg", ".jpeg", ".png")
AT_ONCE = 8  # pictures whose pixels are held


def pictures(source: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and RGB array of each picture of a folder, or of tar shards."""
    if Path(source).is_dir():
        for path in sorted(Path(source).rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                yield str(path), rgb(Image.open(path))
        return
    for shard in sorted(glob.glob(source)):
        with tarfile.open(shard, "r|*") as archive:  # as a stream: also from a pipe
            for member in archive:
                if member.name.lower().endswith(SUFFIXES):
                    yield f"{shard}/{member.name}", rgb(Image.open(io.BytesIO(archive.extractfile(member).read())))


def rgb(image: Image.Image) -> np.ndarray:
    return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def crops(source: str, detector: hp.Detector, owners: deque[str]) -> Iterator[np.ndarray]:
    """The birds of all pictures, each with some surroundings; `owners` grows by the name of each one's picture."""
    stream = pictures(source)
    while some := list(itertools.islice(stream, AT_ONCE)):
        names, images = zip(*some, strict=True)
        for name, image, found in zip(names, images, hp.predict(detector, images), strict=True):
            birds = found[np.array(found.names) == "bird"] if len(found) else found
            size_wh = (image.shape[1], image.shape[0])
            for left, top, right, bottom in crop_boxes(birds.boxes_xyxy, size_wh).round().astype(int):
                owners.append(name)
                yield image[top : max(bottom, top + 1), left : max(right, left + 1)]


def main(source: str, detector: str, species: str) -> None:
    model, birds = hp.load_detector(detector), hp.load_classifier(species)
    owners: deque[str] = deque()
    count = 0
    for said in hp.classify_stream(birds, crops(source, model, owners), batch_size=64):
        print(f"{owners.popleft()}: {said.name} {said.probability:.2f}")
        count += 1
    print(f"{count} birds")


if __name__ == "__main__":
    main(*sys.argv[1:4])
