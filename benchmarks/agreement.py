"""Facts of the same files by a model and by its export: boxes, scores, tracks, logits and names, box by box.

    python -m benchmarks.agreement CARD --detector DETECTOR --species CLASSIFIER [--precision fp32] [--write]

Both are exported to OpenVINO without 8 bits, and `hoopoe annotate` runs with the models and with the exports, all in
float32 and one photo at a time. A box is the same if both overlap by an IoU of 0.5 or more; the table says how far
apart they are at worst. A box whose score is within --margin of the lowest that is kept may be in one alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.annotation import annotate
from benchmarks.machine import describe
from benchmarks.publishing import publish
from detector.boxes import box_iou, xywh_to_xyxy
from detector.conversion.export import Target, export_plain
from detector.models.saving import load_detector
from detector.species.classifier import SpeciesClassifier
from detector.store.reader import FactsReader
from detector.store.schema import LOWEST_SCORE

SAME_BOX = 0.5
Row = Any


@dataclass
class Compared:
    """What was seen so far.

    Attributes:
        margin: Of scores above the lowest, within which a box may be in one alone.
    """

    margin: float
    files: set[str] = field(default_factory=set)
    frames: int = 0
    boxes: int = 0
    alone: int = 0
    on_the_edge: int = 0
    other_facts: int = 0
    other_labels: int = 0
    other_names: int = 0
    classified: int = 0
    overlap: float = 1.0
    score: float = 0.0
    logit: float = 0.0
    tracks: set[tuple[str, int, int]] = field(default_factory=set)

    def add(self, ours: Row, theirs: Row) -> None:
        """Compare a frame."""
        self.files.add(ours.path)
        self.frames += 1
        facts = ("failure", "width", "height", "night", "content_hash", "captured_at")
        self.other_facts += any(getattr(ours, name) != getattr(theirs, name) for name in facts)
        one, other = list(ours.detections or ()), list(theirs.detections or ())
        self.boxes += len(one)
        free = set(range(len(other)))
        overlaps = box_iou(_corners(one), _corners(other)) if one and other else np.zeros((len(one), len(other)))
        for place, box in enumerate(one):
            best = max(free, key=lambda each: overlaps[place, each], default=None)
            if best is None or overlaps[place, best] < SAME_BOX:
                self._count_alone(box)
                continue
            free.remove(best)
            self._pair(ours.path, box, other[best], float(overlaps[place, best]))
        for each in free:
            self._count_alone(other[each])

    def _count_alone(self, box: Any) -> None:
        self.on_the_edge += max(box.label_scores) < LOWEST_SCORE + self.margin
        self.alone += max(box.label_scores) >= LOWEST_SCORE + self.margin

    def _pair(self, path: str, box: Any, other: Any, overlap: float) -> None:
        self.overlap = min(self.overlap, overlap)
        scores = np.array([box.label_scores, other.label_scores])
        if abs(scores[0].max() - scores[1].max()) > self.score:
            self.score = float(abs(scores[0].max() - scores[1].max()))
        self.other_labels += int(scores[0].argmax() != scores[1].argmax())
        if box.track_id is not None and other.track_id is not None:
            self.tracks.add((path, box.track_id, other.track_id))
        if box.logits is not None and other.logits is not None:
            self.classified += 1
            logits = np.array([np.frombuffer(each.logits, np.float16) for each in (box, other)], np.float32)
            self.logit = max(self.logit, float(np.abs(logits[0] - logits[1]).max()))
            self.other_names += int(logits[0].argmax() != logits[1].argmax())

    @property
    def torn_tracks(self) -> int:
        """Pairs of tracks beyond one a track: boxes of one track that are of two in the other."""
        firsts, seconds = ({(path, pair[place]) for path, *pair in self.tracks} for place in (0, 1))
        return 2 * len(self.tracks) - len(firsts) - len(seconds)

    def lines(self) -> list[str]:
        """The table."""
        rows = {
            "files, frames, boxes": f"{len(self.files)}, {self.frames}, {self.boxes}",
            "frames with another size, time, light or failure": self.other_facts,
            f"boxes in one alone, from a score of {LOWEST_SCORE + self.margin:g} up": self.alone,
            "and below": self.on_the_edge,
            "least overlap (IoU) of a box": f"{self.overlap:.4f}",
            "largest difference of a score": f"{self.score:.6f}",
            "boxes with another surest label": self.other_labels,
            "tracks; torn or joined": f"{len(self.tracks)}; {self.torn_tracks}",
            "classified boxes; with another likeliest species": f"{self.classified}; {self.other_names}",
            "largest difference of a logit (kept in float16)": f"{self.logit:.4f}",
        }
        return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def _corners(boxes: Sequence[Any]) -> Any:
    return xywh_to_xyxy(np.array([[box.x, box.y, box.w, box.h] for box in boxes], np.float64))


def main() -> None:
    """Export, annotate twice, compare, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path, metavar="CARD")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--species", required=True)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of the exports (%(default)s)")
    parser.add_argument("--margin", type=float, default=0.001, help="of scores (%(default)s)")
    parser.add_argument("--write", action="store_true", help="write the table into benchmarks/results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        target = Target(precision=args.precision)
        export_plain(load_detector(args.detector, "cpu", "fp32"), folder / "detector", target)
        export_plain(SpeciesClassifier.load(args.species, "cpu", "fp32"), folder / "species", target)
        options = ("--batch-size", "1", "--precision")  # batches fill by time: 1 is always 1
        models = (
            ("--detector", Path(args.detector).resolve(), "--species", Path(args.species).resolve(), *options, "fp32"),
            ("--detector", folder / "detector", "--species", folder / "species", *options, args.precision),
        )
        found = []
        for name, words in zip(("torch", "export"), models, strict=True):
            seconds, _ = annotate(args.card.resolve(), folder / name, words)
            print(f"{name}: {seconds:.0f} s", flush=True)
            rows = (row for item in FactsReader(folder / name).items() for row in item)
            found.append({(row.path, row.frame_number): row for row in rows})
    compared = Compared(args.margin)
    assert found[0].keys() == found[1].keys(), "other files or frames"
    for key, row in found[0].items():
        compared.add(row, found[1][key])
    head = f"{describe(['torch', 'openvino'])}; {args.precision}"
    lines = ["# A model and its export", "", "Written by `python -m benchmarks.agreement`.", "", head, ""]
    lines += compared.lines()
    print(*lines, sep="\n")
    publish(lines, "agreement.md", args.write)


if __name__ == "__main__":
    main()
