"""`hoopoe annotate` end to end, beside its own bare models and birder's predict_detection.

    python -m benchmarks.annotation [--detectors faster_rcnn_davit_tiny retinanet_davit_tiny]
                                    [--species none davit_tiny] [--parts photos video gate memory] [--write]

Everything is synthetic: JPEGs of 12 megapixels, a full HD video at 30 frames/s that is looked at once a second, a video
in which a bird passes now and then, and cards of many small photos. Networks have random weights, shifted so that each
picture has the most boxes that are allowed (--birds).

- photos, video: images/s of the command are of whole processes, less what one with a single image takes: discovery,
  decoding, networks, facts, decisions and exports count, the start of Python does not. Bare is the detector on
  tensors that are loaded already, in the same batches and with the same threads, and with a classifier the same number
  of crops. Both take turns, --repeats times: medians, with the least and the largest share of a turn in brackets.
  With --exports networks are in 8 bits, as `--speed fast` has them, there and in `bare`.
  birder's script sees the same photos at the same size with the same architecture and batch, once: that is the default
  --version v2, as birder has those heads only.
- gate: seconds with and without --motion-gate, and the sampled frames with a bird that it passed over.
- memory: peak resident memory of the command and its reading processes, together, at N and 20 N photos.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import backbones
from benchmarks.machine import describe
from benchmarks.publishing import publish
from benchmarks.runtimes import export_of_noise
from detector.annotation.detecting import CPU_BATCH
from detector.annotation.options import CPU_CROPS
from detector.base.memory import keep_freed_memory
from detector.config import load_config
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.detector import Detector
from detector.models.exported import load_exported
from detector.models.prediction import detect_resized, image_tensor
from detector.models.saving import load_detector, save_detector
from detector.runtimes.lanes import spread
from detector.species.classifier import SpeciesClassifier
from detector.store.reader import FactsReader
from detector.training.config import Config

OUTPUT, FAST_OUTPUT = "annotation.md", "annotation_fast.md"
PHOTO_WH, VIDEO_WH = (4000, 3000), (1920, 1080)
SPECIES = 550  # classes of the published classifiers
CPU = torch.device("cpu")
LOOK_EVERY_S = 0.5  # at the memory of processes
PARTS = ("photos", "video", "gate", "memory")
LOW_LOGIT = -1.0  # of random detectors: above the threshold everywhere
STATS = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def save_random_detector(path: Path, name: str, args: argparse.Namespace) -> ModelConfig:
    """A detector of a shipped configuration that finds birds everywhere."""
    torch.manual_seed(0)
    changes = {"weights": None, "max_detections": args.birds, "version": args.version}
    config = load_config(name, Config).model.model_copy(update=changes)
    model: Any = build_detector(config)
    if config.detector == "retinanet":
        torch.nn.init.constant_(model.head.classification_head.cls_logits.bias, LOW_LOGIT)
    save_detector(path, Detector.of(model))
    return config


def save_random_classifier(path: Path, name: str) -> None:
    """A classifier of species."""
    torch.manual_seed(0)
    net = backbones.create_model(name, num_classes=SPECIES)
    classes = {f"species {number}": number for number in range(SPECIES)}
    backbones.save_pretrained(path, net, class_to_idx=classes, rgb_stats=STATS)


def drawn(seed: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture with structure at all scales, that takes as many bytes as a camera's."""
    random = np.random.default_rng(seed)
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.float32)
    for side, strength in ((8, 90), (64, 45), (512, 20), (2048, 10)):
        noise = random.standard_normal((side * 3 // 4, side, 3)).astype(np.float32)
        picture += strength * cv2.resize(noise, size_wh, interpolation=cv2.INTER_LINEAR)
    return np.clip(picture + 120, 0, 255).astype(np.uint8)


def save_photos(folder: Path, count: int, size_wh: tuple[int, int], distinct: int = 4) -> None:
    """Photos, of which a few differ in content."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"IMG_{number:06d}.JPG"
        if number < distinct:
            cv2.imwrite(str(path), drawn(number, size_wh), [cv2.IMWRITE_JPEG_QUALITY, 92])
        else:
            os.link(folder / f"IMG_{number % distinct:06d}.JPG", path)


def save_video(path: Path, seconds: int, bird_from: Sequence[int] = (), rate: int = 30) -> None:
    """A video of a still scene with some noise, and for a second from each of the given times on with a bird."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scene = drawn(0, VIDEO_WH)
    random = np.random.default_rng(0)
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *VIDEO_WH, "yuv420p"
        for number in range(seconds * rate):
            frame = scene.copy()
            if number // rate in bird_from:
                left = 100 + 20 * (number % rate)
                frame[500:560, left : left + 90] = (40, 30, 30)
            rows = random.integers(0, VIDEO_WH[1], 200)
            frame[rows] ^= random.integers(0, 2, frame[rows].shape, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def run_timed(words: Sequence[object], folder: Path, accept: Sequence[int] = (0,)) -> tuple[float, float]:
    """Seconds of a command, and the peak memory (MiB) of it and its children together."""
    import psutil

    log = folder / "log.txt"
    peak, start = 0, time.perf_counter()
    with log.open("w") as output:
        process = psutil.Popen([sys.executable, *map(str, words)], cwd=folder, stdout=output, stderr=output)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(member.memory_info().rss for member in family))
            with suppress(psutil.TimeoutExpired):  # looking takes time of the cores that are measured
                process.wait(LOOK_EVERY_S)
    seconds = time.perf_counter() - start
    if process.returncode not in accept:
        raise RuntimeError(f"{words}: exit code {process.returncode}\n{log.read_text()[-2000:]}")
    return seconds, peak / 2**20


def annotate(card: Path, output: Path, models: Sequence[object], *options: object) -> tuple[float, float]:
    """Seconds and peak memory of the command."""
    words = ("-m", "detector.cli.main", "annotate", card, "--output", output, *models, "--device", "cpu", *options)
    return run_timed(words, output.parent, accept=(0, 1))  # 1: a file cannot be read


def bare_seconds(
    detector: Detector, species: SpeciesClassifier | None, size_wh: tuple[int, int], images: int, crops: int
) -> float:
    """Seconds of the networks alone."""
    spread(detector.net, CPU_BATCH)
    picture = image_tensor(drawn(0, detector.size_rule.size(size_wh)))
    start = time.perf_counter()
    for first in range(0, images, CPU_BATCH):
        count = min(CPU_BATCH, images - first)
        detect_resized(detector, [picture] * count, [size_wh] * count)
    if species is not None and crops:
        spread(species.net, CPU_CROPS)
        species.logits(np.zeros((crops, *species.size_hw, 3), np.uint8), batch_size=CPU_CROPS)
    return time.perf_counter() - start


def classified(store: Path) -> int:
    """How many boxes of a store were classified."""
    rows = (row for item in FactsReader(store).items() for row in item)
    return sum(box.logits is not None for row in rows for box in row.detections or ())


def save_birder(folder: Path, config: ModelConfig) -> list[object]:
    """The same architecture as a checkpoint of birder's; the words that its script wants for it."""
    from birder.model_registry import registry
    from birder.net.detection.base import get_detection_signature

    torch.manual_seed(0)
    size = config.backbone_size or (384, 384)
    body: Any = registry.net_factory(config.backbone, 1, size=size)
    body.set_dynamic_size()
    net = registry.detection_net_factory(config.detector, 1, body, size=size)
    (folder / "models").mkdir(exist_ok=True)
    checkpoint = {
        "state": net.state_dict(),
        "birder_version": "0",
        "task": net.task,
        "signature": get_detection_signature((1, 3, *size), 1, True),
        "class_to_idx": {"bird": 1},
        "rgb_stats": {name: tuple(values) for name, values in STATS.items()},
    }
    torch.save(checkpoint, folder / "models" / f"{config.detector}_{config.backbone}_0.pt")
    sizes = ("--dynamic-size", "--size", config.min_size, "--max-size", config.max_size)
    return ["-n", config.detector, "--backbone", config.backbone, "-e", 0, *sizes]


def birder(card: Path, folder: Path, words: Sequence[object]) -> float:
    """Seconds of birder's script."""
    script = ("-m", "birder.scripts.predict_detection", *words, "--batch-size", CPU_BATCH, "-j", 2, "--save-output")
    return run_timed((*script, card), folder)[0]


def exported(folder: Path, model: Any) -> Path:
    """The folder of a model in 8 bits, made once."""
    if not folder.is_dir():
        export_of_noise(model, folder)
    return folder


def measure_media(kind: str, name: str, species: str | None, args: argparse.Namespace, folder: Path) -> str:
    """A row of the table of photos and videos."""
    config = save_random_detector(folder / "detector.safetensors", name, args)
    models: list[object] = ["--detector", folder / "detector.safetensors"]
    classifier = None
    if species is not None:
        save_random_classifier(folder / "species.safetensors", species)
        models += ["--species", folder / "species.safetensors"]
        classifier = SpeciesClassifier.load(folder / "species.safetensors")
    count = args.photos if kind == "photos" else args.seconds
    for card, images in (("many", count), ("one", 1)):
        if kind == "photos":
            save_photos(folder / card, images, PHOTO_WH)
        else:
            save_video(folder / card / "video.mp4", images)
    detector = load_detector(str(folder / "detector.safetensors"), CPU, "fp32")
    if args.exports is not None:
        detector = load_exported(exported(args.exports / name, detector), CPU)
        models = ["--detector", args.exports / name]
        if classifier is not None and species is not None:
            classifier = SpeciesClassifier.load(exported(args.exports / species, classifier), CPU, "auto")
            models += ["--species", args.exports / species]
    else:
        models += ["--precision", "fp32"]
    size_wh = PHOTO_WH if kind == "photos" else VIDEO_WH
    rates, bares = [], []
    for number in range(args.repeats):
        whole, _ = annotate(folder / "many", folder / f"out{number}", models)
        crops = classified(folder / f"out{number}")
        bares.append(count / bare_seconds(detector, classifier, size_wh, count, crops))
        first, _ = annotate(folder / "one", folder / f"first{number}", models)
        rates.append((count - 1) / (whole - first))
    rate, bare = statistics.median(rates), statistics.median(bares)
    shares = [one / other for one, other in zip(rates, bares, strict=True)]
    cells = [f"{rate:.3f}", f"{bare:.3f}", f"{statistics.median(shares):.2f} ({min(shares):.2f}-{max(shares):.2f})"]
    fair = args.exports is None and not config.backbone.endswith("nano")  # which birder has not
    if kind == "photos" and species is None and fair:
        words = save_birder(folder, config)
        rival = (count - 1) / (birder(folder / "many", folder, words) - birder(folder / "one", folder, words))
        cells += [f"{rival:.3f}", f"{rate / rival:.2f}"]
    else:
        cells += ["", ""]
    night = f"{60_000 / rate / 3600:.1f}" if kind == "photos" else ""
    return f"| {kind} | {name} | {species or 'none'} | {crops} | {' | '.join(cells)} | {night} |"


def measure_gate(name: str, args: argparse.Namespace, folder: Path) -> str:
    """What the motion gate saves and misses."""
    save_random_detector(folder / "detector.safetensors", name, args)
    birds = range(5, args.seconds, 20)
    save_video(folder / "card" / "video.mp4", args.seconds, birds)
    models = ("--detector", folder / "detector.safetensors")
    without, _ = annotate(folder / "card", folder / "without", models)
    gated, _ = annotate(folder / "card", folder / "gated", models, "--motion-gate")
    rows = [row for item in FactsReader(folder / "gated").items() for row in item]
    passed = sum(row.moved is False for row in rows)
    missed = sum(row.moved is False and int(row.time_s) in birds for row in rows)
    return (
        f"{name}: {len(rows)} frames, {len(birds)} with a bird: {without:.1f} s without the gate, {gated:.1f} s "
        f"with it, which passed over {passed} frames, {missed} of them with a bird."
    )


def measure_memory(args: argparse.Namespace, folder: Path) -> str:
    """Peak memory at N and 20 N photos, of a nano detector."""
    save_random_detector(folder / "detector.safetensors", "demo_nano", args)
    peaks = []
    for files in (args.files, 20 * args.files):
        save_photos(folder / f"card{files}", files, (320, 240))
        models = ("--detector", folder / "detector.safetensors")
        seconds, peak = annotate(folder / f"card{files}", folder / f"out{files}", models)
        peaks.append(f"{peak:.0f} MiB at {files:,} photos ({seconds:.0f} s)")
    return "Peak memory, decisions and exports included: " + ", ".join(peaks) + "."


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--detectors", nargs="+", default=["faster_rcnn_davit_tiny", "retinanet_davit_tiny"])
    parser.add_argument("--species", nargs="+", default=["none", "davit_tiny"], help="classifiers (%(default)s)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--version", choices=("v1", "v2"), default="v2", help="of the heads (%(default)s)")
    parser.add_argument("--photos", type=int, default=41, help="of 12 megapixels (%(default)s)")
    parser.add_argument("--seconds", type=int, default=61, help="of video (%(default)s)")
    parser.add_argument("--birds", type=int, default=1, help="boxes in each picture (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of photos and video (%(default)s)")
    parser.add_argument("--files", type=int, default=1000, help="N of the memory (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    parser.add_argument("--exports", type=Path, metavar="FOLDER", help="run networks in 8 bits, which are kept there")
    args = parser.parse_args()
    keep_freed_memory()  # as the command does
    args.exports = None if args.exports is None else args.exports.resolve()
    how = "fp32" if args.exports is None else "8 bits"

    lines = [
        "# Annotation, end to end",
        "",
        f"Images/s on a CPU in {how}, batches of {CPU_BATCH}, {torch.get_num_threads()} threads; "
        f"{args.photos} photos of 12 megapixels, {args.seconds} s of full HD video at a frame a second.",
        "",
        "| media | detector | classifier | crops | annotate | bare | share | birder | times birder "
        "| hours for 60,000 photos |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)

    def show(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    def in_folder(measure: Any, *arguments: object) -> str:
        folder = Path(tempfile.mkdtemp(prefix="annotation-"))
        try:
            return measure(*arguments, folder)
        finally:
            shutil.rmtree(folder)

    for name in args.detectors:
        for species in [None if each == "none" else each for each in args.species]:
            for kind in [part for part in args.parts if part in ("photos", "video")]:
                show(in_folder(measure_media, kind, name, species, args))
    show("")
    if "gate" in args.parts:
        show(in_folder(measure_gate, args.detectors[-1], args))
        show("")
    if "memory" in args.parts:
        show(in_folder(measure_memory, args))
        show("")
    command = json.dumps(sys.argv[1:])
    show(describe(("torch", "torchvision", "birder", "av", "opencv-python-headless")))
    show("")
    show(f"`python -m benchmarks.annotation`, options {command}")
    publish(lines, OUTPUT if args.exports is None else FAST_OUTPUT, args.write)


if __name__ == "__main__":
    main()
