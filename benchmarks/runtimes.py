"""Our networks in torch and in OpenVINO: one photo at network size, dense parts and boxes, on this machine's CPU.

    python -m benchmarks.runtimes --write
    python -m benchmarks.runtimes --models "retinanet biformer_s" --exports FOLDER

Each model has random weights: time does not hang on them, but who finds nothing suppresses nothing, and what
8 bits lose is not measured here (`hoopoe export-model` measures it on photos).
Rivals take turns, so that all meet the same load; the figure is the median of the turns, after one that does not count.
Calibration is on noise, with few pictures; --exports keeps what was exported, so that the next run only measures.
`laptop` is `configs/laptop.yaml`, whose pictures have 640 x 480 pixels, and `laptop_plain` the same with RetinaNet's
plain head. Peak memory is that of a fresh process that loads the model and sees two pictures; for torch it includes the
weights' file being read. All processes keep freed memory, as `hoopoe`'s do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import computes_bf16, describe, take_turns
from benchmarks.processes import in_process, resident_mib
from benchmarks.publishing import publish
from detector.base.memory import keep_freed_memory
from detector.runtimes.lanes import spread
from detector.runtimes.manifest import EXPORT_FILE

PHOTO_WH = (4000, 3000)
CALIBRATING = 4  # pictures: the time of a network does not hang on its ranges
RIVALS = ("torch fp32", "torch bf16", "openvino fp32", "openvino bf16", "openvino int8")
MODELS = (
    "retinanet davit_tiny",
    "classifier davit_tiny",
    "coco",
    "classifier biformer_s",
    "faster_rcnn davit_tiny",
    "retinanet biformer_s",
    "laptop",
    "laptop_plain",
)
BUDGET_MIN = 8.0  # minutes, after which no further model is begun


@dataclass(frozen=True, eq=False)
class Rival:
    """A way to run a model."""

    name: str

    @property
    def precision(self) -> Any:
        """Of torch, or of what is not in 8 bits."""
        return "bf16" if computes_bf16() and self.name.split()[1] in ("bf16", "int8") else "fp32"

    def load(self, model: str, folder: Path) -> Callable[[], object]:
        """What sees one picture."""
        runtime, precision = self.name.split()
        source = folder / (precision if runtime == "openvino" else "torch")
        if precision == "bf16" and runtime == "openvino":
            source = folder / "fp32"  # the same network; the precision is chosen when it is loaded
        if model.startswith("classifier"):
            from detector.species.classifier import SpeciesClassifier

            birds: Any = (
                _classifier(model) if runtime == "torch" else SpeciesClassifier.load(source, "cpu", self.precision)
            )
            if runtime == "torch":
                birds = SpeciesClassifier(**{**vars(birds), "precision": self.precision})
            crops = np.random.default_rng(0).integers(0, 255, (8, *birds.size_hw, 3), np.uint8)
            spread(birds.net, len(crops))
            return lambda: birds.logits(crops)
        from dataclasses import replace

        from detector.models.prediction import detect_resized
        from detector.models.saving import load_detector

        if runtime == "torch":
            detector = replace(random_detector(model), precision=self.precision)
        else:
            detector = load_detector(source, "cpu", self.precision)
        width, height = detector.size_rule.size(PHOTO_WH)
        photo = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (3, height, width), np.uint8))
        return lambda: detect_resized(detector, [photo], [PHOTO_WH])


def random_detector(model: str) -> Any:
    """A detector with random weights: a built-in one, or a kind and a backbone."""
    from detector.models.building import build_detector
    from detector.models.coco import BUILT_IN, build_coco
    from detector.models.config import ModelConfig
    from detector.models.detector import Detector, DetectorMeta

    torch.manual_seed(0)
    if model in BUILT_IN:
        net, config = build_coco(model)
        net.to_empty(device="cpu")
        for name, tensor in net.state_dict().items():
            if name.endswith(("running_mean", "bias", "num_batches_tracked")):
                tensor.zero_()
            elif tensor.ndim > 1:
                torch.nn.init.kaiming_normal_(tensor)
            else:
                tensor.fill_(1)
        return Detector(net.eval(), DetectorMeta(config), name=model)
    if model.startswith("laptop"):
        from detector.config import load_config
        from detector.training.config import Config

        laptop = load_config("laptop", Config).model
        changes = {"weights": None, "light_head": model == "laptop"}
        return Detector.of(build_detector(laptop.model_copy(update=changes)).eval())
    kind, backbone = model.split()
    config = ModelConfig(detector=kind, backbone=backbone, anchor_scale=0.5)  # type: ignore[arg-type]
    return Detector.of(build_detector(config).eval())


def _classifier(model: str) -> Any:
    import backbones
    from detector.models.transform import IMAGENET_MEAN, IMAGENET_STD
    from detector.species.classifier import SpeciesClassifier

    torch.manual_seed(0)
    net = backbones.create_model(model.split()[1], num_classes=550, input_size=(384, 384)).eval()
    names = tuple(f"class {index}" for index in range(550))
    return SpeciesClassifier(model, "0" * 64, names, (384, 384), IMAGENET_MEAN, IMAGENET_STD, "fp32", net)


def export(model: str, folder: Path, rivals: list[str]) -> None:
    """Write the exports that the rivals need."""
    from detector.conversion.export import Target, export_plain

    net = _classifier(model) if model.startswith("classifier") else random_detector(model)
    if any(each in rivals for each in RIVALS[2:4]) and not (folder / "fp32").is_dir():
        export_plain(net, folder / "fp32", Target())
    if RIVALS[4] in rivals and not (folder / "int8" / EXPORT_FILE).is_file():
        export_of_noise(net, folder / "int8")


def export_of_noise(net: Any, folder: Path) -> None:
    """Write a model in 8 bits, calibrated on noise: as fast as any other, and good for nothing else."""
    from detector.conversion.cutting import cut
    from detector.conversion.export import Target, described
    from detector.conversion.quantising import quantise
    from detector.conversion.writing import openvino_model, write_openvino

    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)  # of a run that was stopped
    files = {}
    for name, part in cut(net).items():
        shape = list(part.example.shape)
        shape = [1, 3, 256, 320] if 2 in part.free else [1, *shape[1:]] if name == "classifier" else [64, *shape[1:]]
        samples = [rng.normal(size=shape).astype(np.float32) for _ in range(CALIBRATING)]
        files[name] = write_openvino(quantise(openvino_model(part), samples, (), CALIBRATING), folder, name)
    described(net, Target(precision="int8"), folder, files).write(folder)


def _peak(model: str, folder: Path, rival: str, pipe: Any) -> None:
    keep_freed_memory()
    run = Rival(rival).load(model, folder)
    for _ in range(2):
        run()
    pipe.send(resident_mib(peak=True))


def _export_and_time(model: str, folder: Path, rivals: list[str], turns: int, pipe: Any) -> None:
    keep_freed_memory()
    start = time.perf_counter()
    export(model, folder, rivals)
    exported_s = time.perf_counter() - start
    runs = {rival: Rival(rival).load(model, folder) for rival in rivals if turns}
    pipe.send((exported_s, take_turns(runs, turns) if turns else {}))


def measure(args: argparse.Namespace, head: str) -> None:
    """A table with a row a model and rival, printed and written as it grows."""
    if args.exports is not None:
        args.exports.mkdir(parents=True, exist_ok=True)
    start, rivals = time.perf_counter(), args.rivals
    lines = [
        "| model | runtime | s a picture | x torch fp32 | x torch bf16 | peak MiB | export s |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for model in args.models:
        if time.perf_counter() - start > 60 * args.minutes:
            print(f"{model}: not measured, as time is up", flush=True)
            continue
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) if args.exports is None else args.exports.resolve() / model.replace(" ", "_")
            exported_s, times = in_process(
                _export_and_time, model, folder, rivals, 0 if args.only_export else args.turns
            )
            if args.only_export:
                print(f"{model}: exported in {exported_s:.0f} s", flush=True)
                continue
            for rival in rivals:
                peak = f"{in_process(_peak, model, folder, rival):.0f}" if not args.no_memory else ""
                crops = 8 if model.startswith("classifier") else 1
                ratios = [
                    f"{times[base] / times[rival]:.2f}" if base in times else ""
                    for base in ("torch fp32", "torch bf16")
                ]
                took = f"{exported_s:.0f}" if rival == rivals[-1] and args.exports is None else ""
                cells = [model, rival, f"{times[rival] / crops:.3f}", *ratios, peak, took]
                lines.append(f"| {' | '.join(cells)} |")
                print(lines[-1], flush=True)
        took = (
            f"Median of {args.turns} turns; 8 crops of 384 pixels at once for classifiers, a photo of 4:3 at network "
        )
        took += f"size for detectors. All of it took {(time.perf_counter() - start) / 60:.1f} minutes."
        about = "Written by `python -m benchmarks.runtimes --write`, whose docstring says how it measures."
        publish(["# Runtimes", "", about, "", head, "", *lines, "", took], "runtimes.md", args.write)


def main() -> None:
    """Measure as asked, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS[:4]), choices=MODELS, help="(%(default)s)")
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS), choices=RIVALS, help="(%(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="of each rival (%(default)s)")
    parser.add_argument("--minutes", type=float, default=BUDGET_MIN, help="begin no model after them (%(default)s)")
    parser.add_argument("--exports", type=Path, metavar="FOLDER", help="keep exports there")
    parser.add_argument("--only-export", action="store_true", help="do nothing else")
    parser.add_argument("--no-memory", action="store_true", help="do not measure memory")
    parser.add_argument("--write", action="store_true", help="write the table into benchmarks/results")
    args = parser.parse_args()
    head = f"{describe(['torch', 'torchvision', 'openvino', 'nncf'])}; {torch.get_num_threads()} threads"
    print(head, flush=True)
    measure(args, head)


if __name__ == "__main__":
    main()
