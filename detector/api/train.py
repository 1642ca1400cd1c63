"""`train`: from annotated pictures to a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from backbones.errors import ConfigError
from detector.api.build import training_config
from detector.api.checks import Source, checked_folder, checked_path, checked_whole, refuse_unknown
from detector.base.checks import described
from detector.training.config import Config
from detector.training.resolving import Request
from detector.training.run import Run, train_detector

Pair = tuple[Source, Source]


class TrainOptions(TypedDict, total=False):
    """What `train` may be told beside configuration and data.

    Attributes:
        init: A detector to start from, also with other categories: its file, its run's folder, or `coco`: what fits of
            torchvision's.
        negatives: A folder, or several, of pictures that surely show no bird, which are taught as background.
        resume: Go on with the run in `output`, exactly where it was stopped.
        overfit: As a check, train and evaluate on so many training images, unvaried.
        accelerator: "auto" takes a GPU where there is one.
        devices: GPUs, or CPU processes; with more than one, a script must run its own part under
            `if __name__ == "__main__":`.
    """

    init: Source | None
    negatives: Source | Sequence[Source]
    resume: bool
    overfit: int | None
    accelerator: Literal["auto", "cpu", "cuda"]
    devices: int


def train(
    config: Source | Config = "faster_rcnn_davit_tiny",
    *,
    train: Pair | Sequence[Pair],
    output: Source,
    val: Pair | Sequence[Pair] = (),
    set: Mapping[str, Any] | None = None,
    **options: Unpack[TrainOptions],
) -> Run:
    """Train a detector on COCO boxes. Whatever is wrong with configuration or data is found before the first step.

    Args:
        config: Name of a shipped configuration, path of a YAML file, or a configuration.
        train: COCO JSON and the folder of its pictures; or a list of such pairs.
        output: The run's folder.
        val: The same, to evaluate on after each epoch.
        set: Settings to replace, by their keys: `{"train.epochs": 5, "train.lr": 2e-4}`.
        options: See `TrainOptions`.

    Returns:
        The run: `.best` (the detector's file), `.metrics` (the figures of each evaluation, the last one last),
        `.folder`, `.position`.

    Raises:
        ConfigError, DataError, CheckpointError: Something about configuration, data, or the run to resume.
        KeyboardInterrupt: Ctrl-C was pressed; the steps so far are saved, and `resume=True` goes on from there.

    Example:
        >>> run = hp.train("small.yaml", train=("train.json", "photos"), val=("val.json", "photos"), output="runs/x",
        ...                set={"train.epochs": 1})
        >>> run.best.name
        'best.safetensors'
        >>> run.metrics[-1]["AP50"] <= 1
        True
    """
    refuse_unknown(options, TrainOptions.__annotations__, "train")
    init = options.get("init")
    run = train_detector(
        Request(
            config=training_config(config, set),
            train=_pairs(train, "train", needed=True),
            validation=_pairs(val, "val"),
            output=checked_folder(output, "output"),
            resume=bool(options.get("resume", False)),
            init=None if init is None else str(checked_path(init, "init")),
            negatives=_folders(options.get("negatives", ())),
            overfit=_whole(options.get("overfit"), "overfit"),
            accelerator=_accelerator(options.get("accelerator", "auto")),
            devices=_whole(options.get("devices"), "devices") or 1,
        )
    )
    if run.signal is not None:
        raise KeyboardInterrupt
    return run


def _pairs(value: object, name: str, needed: bool = False) -> list[tuple[Path, Path]]:
    """Pairs of annotations and folder: one, or a list.

    Raises:
        ConfigError: It is something else, or a file or folder is not there.
    """
    hint = f'such as {name}=("{name}.json", "photos")'
    pairs: Any = [value] if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], tuple) else value
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(each, tuple | list) and len(each) == 2 for each in pairs
    ):
        problem = f"a COCO file and the folder of its pictures are expected, not {described(value)}"
        raise ConfigError(problem, where=name, hint=hint)
    if needed and not pairs:
        raise ConfigError("there is nothing to train on", where=name, hint=hint)
    sources = [(checked_path(boxes, name), checked_path(folder, name)) for boxes, folder in pairs]
    for boxes, folder in sources:
        if boxes.is_dir() and folder.is_file():
            raise ConfigError("the folder of pictures comes second, the COCO file first", where=boxes, hint=hint)
        if not folder.is_dir():
            raise ConfigError("there is no such folder of pictures", where=folder, hint=hint)
    return sources


def _folders(value: Source | Sequence[Source]) -> list[Path]:
    several = value if isinstance(value, list | tuple) else [value]
    return [checked_path(each, "negatives") for each in several]


def _whole(value: object, name: str) -> int | None:
    return None if value is None else checked_whole(value, name)


def _accelerator(value: object) -> Literal["auto", "cpu", "cuda"]:
    if value == "auto" or value == "cpu" or value == "cuda":
        return value
    raise ConfigError(
        f"auto, cpu or cuda is expected, not {described(value)}", where="accelerator", hint="leave it out"
    )
