"""The crops of a run, cut once and kept in its folder: a run goes on without cards and pictures."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.base.files import write_bytes
from detector.species.learning.classes import OTHER

FOLDER, LIST = "crops", "crops.csv"
PATCH_CONTEXT = 0.35  # of patches to train on; edges may move within
PATCH_SCALE = 1.4  # side of a patch, relative to that of the classifier's crops: less than these would be enlarged
JPEG_QUALITY = 95
COLUMNS = ("file", "class", "label", "held_out", "group", "content", "picture", "left", "top", "right", "bottom")


@dataclass(frozen=True, eq=False)
class StoredCrops:
    """N crops.

    Attributes:
        root: The run's folder.
        files: Names of the pictures under it: JPEG patches to train on, PNG as the classifier sees them to measure on.
        classes: int64 (N,), OTHER for what is no bird.
        held_out: bool (N,).
        groups: int64 (N,), crops of one group were taken together.
        contents: Hashes of the files that they were cut from.
        pictures: Those files, as people know them.
        windows: float32 (N, 4), where the classifier's crop lies in a patch: left, top, right, bottom as shares.
        fingerprint: SHA-256 of the list.
    """

    root: Path
    files: tuple[str, ...]
    classes: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    groups: NDArray[np.int64]
    contents: tuple[str, ...]
    pictures: tuple[str, ...]
    windows: NDArray[np.float32]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, *, held_out: bool, others: bool) -> NDArray[np.int64]:
        """Numbers of the crops of one side: of birds, or of what is none."""
        return np.flatnonzero((self.held_out == held_out) & ((self.classes == OTHER) == others))

    def picture(self, row: int) -> NDArray[np.uint8]:
        """A crop or patch as RGB.

        Raises:
            DataError: It is gone or damaged.
        """
        path = self.root / FOLDER / self.files[row]
        data = np.frombuffer(path.read_bytes(), np.uint8) if path.is_file() else np.zeros(0, np.uint8)
        found = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if found is None:
            hint = "begin the run again in a new folder"
            raise DataError("a crop of this run is gone or damaged", where=path, hint=hint)
        return np.ascontiguousarray(found[..., ::-1])

    def chunks(self, rows: NDArray[np.int64], size: int = 256) -> Iterator[NDArray[np.uint8]]:
        """Held-out crops by their numbers, uint8 (n, H, W, 3), never many at once."""
        for start in range(0, len(rows), size):
            yield np.stack([self.picture(row) for row in rows[start : start + size].tolist()])


@dataclass(frozen=True)
class StoredCrop:
    """A line of the list; see `StoredCrops`. The class by its name, "" for what is no bird."""

    file: str
    class_name: str
    label: str
    held_out: bool
    group: int
    content: str
    picture: str
    window: tuple[float, float, float, float]


def write_picture(root: Path, number: int, pixels: NDArray[np.uint8], *, held_out: bool) -> str:
    """Keep a crop; returns its name."""
    name = f"{'held_out' if held_out else 'train'}/{number:06}.{'png' if held_out else 'jpg'}"
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if held_out else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, encoded = cv2.imencode(Path(name).suffix, pixels[..., ::-1], options)
    path = root / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())  # the list, which is written last, says that all are there
    return name


def write_list(root: Path, crops: Sequence[StoredCrop]) -> None:
    """Write the list of a run's crops, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in crops:
        window = [f"{share:.6f}" for share in each.window]
        sides = ("yes" if each.held_out else "no", each.group, each.content, each.picture)
        writer.writerow([each.file, each.class_name, each.label, *sides, *window])
    write_bytes(root / FOLDER / LIST, text.getvalue().encode("utf-8", "surrogatepass"))


def read_list(root: Path, class_names: Sequence[str]) -> StoredCrops:
    """Read the crops of a run.

    Args:
        root: Its folder.
        class_names: Of the classifier.

    Raises:
        DataError: There are none, or somebody changed the list.
    """
    path = root / FOLDER / LIST
    if not path.is_file():
        hint = "give DATA again: the crops of this run were not all cut when it ended"
        raise DataError("there are no crops of a run here", where=path, hint=hint)
    data = path.read_bytes()
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8", "surrogatepass"))))
    place_of = {name: place for place, name in enumerate(class_names)} | {"": OTHER}
    try:
        classes = [place_of[row["class"]] for row in rows]
        windows = [[float(row[side]) for side in COLUMNS[-4:]] for row in rows]
        groups = [int(row["group"]) for row in rows]
        held_out = [{"yes": True, "no": False}[row["held_out"]] for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        hint = "begin the run again in a new folder"
        raise DataError(f"the list of crops was changed ({error})", where=path, hint=hint) from error
    return StoredCrops(
        root,
        tuple(row["file"] for row in rows),
        np.array(classes, np.int64),
        np.array(held_out, bool),
        np.array(groups, np.int64),
        tuple(row["content"] for row in rows),
        tuple(row["picture"] for row in rows),
        np.array(windows, np.float32).reshape(-1, 4),
        hashlib.sha256(data).hexdigest(),
    )
