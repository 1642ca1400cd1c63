"""A night on a laptop: photos of 12 megapixels through `hoopoe annotate`, with what `--speed fast` makes.

    python -m benchmarks.overnight FOLDER --parts prepare --birds BIRDS --blanks BLANKS ...
    python -m benchmarks.overnight FOLDER --parts time [--detectors laptop retinanet_davit_tiny coco] [--write]
    python -m benchmarks.overnight FOLDER --parts missed --trained DETECTOR --first DETECTOR
    python -m benchmarks.overnight FOLDER --parts birder

- prepare: a card in FOLDER, drawn once: 70 % of the photos from folders without birds and from pictures without boxes
  in BIRDS/annotations/val.json, the others from those with boxes, all enlarged, with a sensor's grain. And exports in
  8 bits of networks with random weights, which are as fast as any. The first pass is `coco-fast`'s network: its
  weights are not fetched, so its lowest score is set such that it sends on --sent of the photos. That measures time,
  and nothing else.
- time: whole commands, less what one with a single photo takes; facts, decisions and exports count. Detectors without
  a first pass see --slow photos, as each takes the same. Peak memory is that of the command and its reading processes
  together (pages that they share count in both).
- missed: detectors that were trained, so that it can be told which birds of BIRDS a first pass costs. Birds that the
  detector finds by itself (from a score of --shown up, IoU of 0.5) count, for several shares of the photos that the
  first pass may send on; beside it, what `--audit` says of a run that sends on --sent.
- birder: its predict_detection, eager, compiled and in bfloat16, on the same photos with the same architecture and
  batch, beside ours in 8 bits: seconds of --turns photos more than one batch, so that start and compilation do not
  count.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.annotation import annotate, birder, save_birder, save_random_detector
from benchmarks.machine import describe
from benchmarks.overnight_card import TRUTH, write_card
from benchmarks.publishing import publish
from benchmarks.runtimes import export_of_noise, random_detector
from detector.annotation.detecting import CPU_BATCH
from detector.annotation.options import FIRST_PASS_PROPOSALS
from detector.boxes import box_iou, xywh_to_xyxy
from detector.config import load_config
from detector.models.coco import BUILT_IN, FAST_NAME
from detector.models.detector import Detector
from detector.models.exported import load_exported
from detector.models.limits import with_proposals, with_score_threshold
from detector.models.prediction import detect
from detector.models.saving import load_detector
from detector.store.reader import FactsReader
from detector.store.run_json import read_run
from detector.store.schema import AUDIT, FIRST_PASS
from detector.training.config import Config

PHOTOS = 60_000
DETECTORS = ("laptop", "retinanet_davit_tiny", "coco", "coco --proposals 300")  # configurations, or built in
PARTS = ("prepare", "time", "missed", "birder")
PASSES = ("none", "coco-fast")
THRESHOLD = "first_pass.json"
FOUND_IOU = 0.5


@dataclass(frozen=True)
class Night:
    """A folder with the card and the exports.

    Attributes:
        folder: It.
    """

    folder: Path

    @property
    def card(self) -> Path:
        """The photos."""
        return self.folder / "card"

    @property
    def truth(self) -> Mapping[str, list[list[float]]]:
        """Boxes of the birds by photo, left, top, width and height as shares."""
        found: dict[str, list[list[float]]] = json.loads((self.folder / TRUTH).read_text())
        return found

    @property
    def first_pass(self) -> list[object]:
        """The options that have it look first."""
        threshold = json.loads((self.folder / THRESHOLD).read_text())
        return ["--first-pass", self.export(FAST_NAME), "--first-pass-threshold", threshold]

    def export(self, name: str) -> Path:
        """The folder of a detector in 8 bits."""
        return self.folder / "exports" / name.replace(" ", "_")

    def some(self, photos: int) -> Path:
        """A card of the first so many photos."""
        folder = self.folder / f"card{photos}"
        (folder / "DCIM").mkdir(parents=True, exist_ok=True)
        for path in sorted((self.card / "DCIM").iterdir())[:photos]:
            if not (folder / "DCIM" / path.name).exists():
                os.link(path, folder / "DCIM" / path.name)
        return folder

    def run(self, card: Path, models: Sequence[object], name: str = "out") -> tuple[float, float]:
        """Seconds and peak memory (MiB) of `annotate` into a folder, anew."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return annotate(card, self.folder / name, models)

    def seen_by(self, name: str = "out") -> list[Any]:
        """The rows of facts of a run's photos."""
        return [row for item in FactsReader(self.folder / name).items() for row in item]


def prepare(night: Night, args: argparse.Namespace) -> None:
    """Draw the card, and make the exports and the first pass's lowest score, as far as they are not there."""
    write_card(night.folder, args.photos, args.birds, args.blanks, torch.get_num_threads())
    for name in dict.fromkeys(each.split()[0] for each in (*args.detectors, FAST_NAME)):
        if not night.export(name).is_dir():
            night.export(name).parent.mkdir(parents=True, exist_ok=True)
            export_of_noise(_random(name, night.folder), night.export(name))
            print(f"{name} is exported", flush=True)
    (night.folder / THRESHOLD).write_text(json.dumps(_threshold(night, args.sent)))


def _random(name: str, folder: Path) -> Detector:
    if name in BUILT_IN:
        return random_detector(name)
    file = folder / f"{name}.safetensors"
    save_random_detector(file, name, argparse.Namespace(birds=1, version=load_config(name, Config).model.version))
    return load_detector(file, "cpu", "fp32")


def _threshold(night: Night, share: float) -> float:
    """The score that the surest box of so many photos reaches in the first pass."""
    return sending_on(share, best_scores(load_exported(night.export(FAST_NAME), "cpu"), night.card))


def sending_on(share: float, best: Mapping[str, float]) -> float:
    """The score that the surest boxes of this share of the photos reach."""
    return float(np.quantile(list(best.values()), 1 - share))


def best_scores(first: Detector, card: Path) -> dict[str, float]:
    """The score of each photo's surest box in a first pass, by the photo's name."""
    from detector.base.pictures import decode_picture

    first = with_proposals(with_score_threshold(first, 0.0), FIRST_PASS_PROPOSALS)
    best = {}
    for path in sorted((card / "DCIM").iterdir()):
        found = detect(first, [decode_picture(path, min_side=first.size_rule.min_size).image])[0]
        best[path.name] = float(found.scores.max(initial=0))
    return best


def time_rows(night: Night, name: str, slow: int, passes: Sequence[str]) -> list[str]:
    """Rows of a detector, alone and after a first pass, as far as asked for."""
    own, *options = name.split()
    models: list[object] = ["--detector", night.export(own), *options]
    rows = []
    for first in ([] if each == "none" else night.first_pass for each in passes):
        card = night.card if first else night.some(slow)
        photos = len(list((card / "DCIM").iterdir()))
        one, _ = night.run(night.some(1), [*models, *first])
        seconds, peak = night.run(card, [*models, *first])
        passed = sum(row.seen_by == FIRST_PASS for row in night.seen_by())
        sent = f"{(photos - passed) / photos:.2f}" if first else ""
        rate = (photos - 1) / (seconds - one)
        cells = [name, "coco-fast" if first else "none", photos, sent, f"{seconds:.0f}", f"{rate:.2f}"]
        rows.append(f"| {' | '.join(map(str, [*cells, f'{PHOTOS / rate / 3600:.1f}', f'{peak:.0f}']))} |")
        print(rows[-1], flush=True)
    return rows


def missed_lines(night: Night, args: argparse.Namespace) -> list[str]:
    """What a first pass of trained networks costs."""
    detector = ["--detector", args.trained, "--score-threshold", args.shown]
    alone_s, _ = night.run(night.card, detector, "alone")
    right = {row.path: _finds_a_bird(row, night.truth[row.path], args.shown) for row in night.seen_by("alone")}
    best = best_scores(load_detector(args.first, "cpu", "fp32"), night.card)
    table = ["| sent on | from a score of | photos with a found bird that are passed over |", "|---|---|---|"]
    for share in sorted({0.3, 0.5, 0.6, 0.8, args.sent}):
        score = sending_on(share, best)
        over = sum(shown and best[Path(path).name] < score for path, shown in right.items())
        table.append(f"| {share:.2f} | {score:.3f} | {over} of {sum(right.values())} |")
    score = sending_on(args.sent, best)
    first = ["--first-pass", args.first, "--first-pass-threshold", score, "--audit", args.audit]
    first_s, _ = night.run(night.card, [*detector, *first], "sifted")
    passed = {row.path for row in night.seen_by("sifted") if row.seen_by == FIRST_PASS}
    audited = {row.path for row in night.seen_by("sifted") if row.seen_by == AUDIT}
    found = [path for path, shown in right.items() if shown]
    lost = [path for path in found if path in passed | audited]
    run = read_run(night.folder / "sifted")
    audit = None if run is None or run.audit is None else run.audit
    total, birds = len(right), sum(bool(boxes) for boxes in night.truth.values())
    lines = [
        *table,
        "",
        f"{_words(args.trained)} alone finds a bird that is there in {len(found)} of {birds} photos with birds, of "
        f"{total} in all, in {alone_s:.0f} s. After {_words(args.first)}, which passed over "
        f"{len(passed | audited)} photos (below {score:.3f}), {len(lost)} of these {len(found)} were passed over; "
        f"with the audit that took {first_s:.0f} s.",
    ]
    if audit is not None and audit.missed is not None:
        lines.append(
            f"`--audit {args.audit}` says: {audit.missed:.3f} of the photos with birds missed "
            f"({audit.low:.3f} to {audit.high:.3f}, {audit.with_birds} of {audit.sampled} looked at had birds)."
        )
    print(*lines, sep="\n", flush=True)
    return lines


def _words(model: str) -> str:
    """A detector's file and its folder."""
    return "/".join(Path(model).parts[-2:])


def _finds_a_bird(row: Any, truth: Sequence[Sequence[float]], shown: float) -> bool:
    boxes = np.array([[box.x, box.y, box.w, box.h] for box in row.detections or () if max(box.label_scores) >= shown])
    if not len(boxes) or not len(truth):
        return False
    return bool((box_iou(xywh_to_xyxy(boxes), xywh_to_xyxy(np.array(truth))) >= FOUND_IOU).any())


def birder_lines(night: Night, photos: int) -> list[str]:
    """birder's script, eager and compiled, and ours in 8 bits, on the same photos."""
    name = "retinanet_davit_tiny"
    config = load_config(name, Config).model
    words = save_birder(night.folder, config)
    many, one = night.some(CPU_BATCH + photos), night.some(CPU_BATCH)
    rates = {}
    models = ["--detector", night.export(name)]
    rates["annotate, 8 bits"] = photos / (night.run(many, models)[0] - night.run(one, models)[0])
    ways = {"eager": (), "compiled": ("--compile",), "eager, bf16": ("--amp", "--amp-dtype", "bfloat16")}
    for way, more in ways.items():
        how = f"birder, {way}"
        if way == "compiled":  # what it compiles is kept on the disk: once without counting
            birder(one / "DCIM", night.folder, [*words, *more])
        seconds = [birder(card / "DCIM", night.folder, [*words, *more]) for card in (one, many)]
        rates[how] = photos / (seconds[1] - seconds[0])
        print(
            how,
            [round(each) for each in seconds],
            f"{rates[how]:.3f}; annotate {rates['annotate, 8 bits']:.3f}",
            flush=True,
        )
    lines = [f"| {how} | {rate:.3f} | {rates['annotate, 8 bits'] / rate:.2f} |" for how, rate in rates.items()]
    print(*lines, sep="\n", flush=True)
    return [
        f"{name} on {photos} photos:",
        "",
        "| | photos/s | annotate is so many times as fast |",
        "|---|---|---|",
        *lines,
    ]


def main() -> None:
    """Do the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for the card and the exports")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["prepare", "time"], help="(%(default)s)")
    parser.add_argument("--birds", type=Path, help="a data set: images/ and annotations/val.json")
    parser.add_argument("--blanks", type=Path, nargs="+", default=[], help="folders of pictures without birds")
    parser.add_argument("--photos", type=int, default=300, help="on the card (%(default)s)")
    parser.add_argument("--slow", type=int, default=100, help="seen without a first pass (%(default)s)")
    parser.add_argument(
        "--sent", type=float, default=0.4, help="share of photos that the first pass sends on (%(default)s)"
    )
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS), help="and options (%(default)s)")
    parser.add_argument("--passes", nargs="+", choices=PASSES, default=list(PASSES), help="first ones (%(default)s)")
    parser.add_argument("--trained", help="a detector, of `missed`")
    parser.add_argument("--first", help="a faster one, of `missed`")
    parser.add_argument("--shown", type=float, default=0.2, help="score of what counts in `missed` (%(default)s)")
    parser.add_argument("--audit", type=int, default=60, help="photos of `missed` (%(default)s)")
    parser.add_argument("--turns", type=int, default=12, help="photos of `birder`, an even number (%(default)s)")
    parser.add_argument("--write", metavar="NAME", help="write benchmarks/results/NAME.md")
    args = parser.parse_args()
    night = Night(args.folder.resolve())
    lines = ["# A night of photos", "", describe(["torch", "torchvision", "openvino", "nncf", "birder"]), ""]
    if "prepare" in args.parts:
        prepare(night, args)
    if "time" in args.parts:
        head = ["detector, 8 bits", "first pass", "photos", "sent on", "s", "photos/s", "hours for 60,000", "peak MiB"]
        lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        print(*lines, sep="\n", flush=True)
        for name in args.detectors:
            lines += time_rows(night, name, args.slow, args.passes)
        lines.append("")
    if "missed" in args.parts:
        lines += [*missed_lines(night, args), ""]
    if "birder" in args.parts:
        lines += [*birder_lines(night, args.turns), ""]
    publish(lines[:-1], f"{args.write}.md", bool(args.write))


if __name__ == "__main__":
    main()
