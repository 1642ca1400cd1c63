"""`train_species`: from crops that people named to a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from backbones.errors import ConfigError, DataError
from detector.annotation.reviewed import ReviewedCrops
from detector.api.build import overrides_of
from detector.api.checks import Source, checked_folder, checked_path, checked_roots, refuse_unknown
from detector.base.checks import described
from detector.base.reporting import say
from detector.config import load_config, parse_config
from detector.decisions.decide import decide, stored_options
from detector.species.learning.boxes import CropSource
from detector.species.names.crosswalk import load_crosswalk
from detector.species.names.kinds import Kinds
from detector.store.layout import decisions_folder, reviews_folder
from detector.store.run_json import read_run
from detector.training.classifier.config import SpeciesConfig
from detector.training.classifier.request import SpeciesRequest
from detector.training.classifier.run import SpeciesRun, train_species_classifier
from detector.training.classifier.sources import CocoCrops, FolderCrops
from detector.types import Kind

Labelled = Source | tuple[Source, Source]
DEFAULT_INIT = "davit_tiny_il-all"
COCO_FILE, COCO_IMAGES = "annotations.json", "images"  # in a folder that is one data set


class TrainSpeciesOptions(TypedDict, total=False):
    """What `train_species` may be told beside crops and settings.

    Attributes:
        config: The path of a YAML file of settings.
        val: Crops of their own to measure on, given as `data` is; by default a part of `data` is held out (the setting
            `data.val`).
        others: Folders of crops of what is no bird, at any depth.
        only_these: Leave out the classes of `init` of which there is no crop.
        resume: Go on with the run in `output`, exactly where it was stopped.
        kinds: What labels are that no list knows: {"Blue bird of ours": "bird"}.
        taxonomy: A table of names.
        roots: Where cards of stores that have moved are now.
        accelerator: "auto" takes a GPU where there is one.
    """

    config: Source | None
    val: Labelled | Sequence[Labelled]
    others: Source | Sequence[Source]
    only_these: bool
    resume: bool
    kinds: Mapping[str, str]
    taxonomy: Source | None
    roots: Mapping[str, Source]
    accelerator: Literal["auto", "cpu", "cuda"]


def train_species(
    data: Labelled | Sequence[Labelled] = (),
    *,
    output: Source,
    init: Source | None = DEFAULT_INIT,
    set: Mapping[str, Any] | None = None,
    **options: Unpack[TrainSpeciesOptions],
) -> SpeciesRun:
    """Teach a classifier the species of crops that people named. What is wrong is found before the first step.

    Args:
        data: One or several of: a folder that `annotate` wrote, of which people reviewed some; a COCO file whose
            categories are species, alone (its pictures lie in `images` beside it, or with it) or with the folder of its
            pictures; a folder of folders of crops, called by their species.
        output: The run's folder.
        init: The classifier to start from: a published name or a file; a detector's file, for its backbone; None:
            random weights.
        set: Settings to replace, by their keys: `{"train.epochs": 5, "model.freeze_stages": 3}`.
        options: See `TrainSpeciesOptions`.

    Returns:
        The run: `.classifier` (its file, for `load_classifier`, `annotate` ...), `.calibration`, `.metrics` (on crops
        that were held out, and of the classifier before on the same), `.folder`.

    Raises:
        ConfigError, DataError, CheckpointError: Something about settings, crops, or the run to resume.
        KeyboardInterrupt: Ctrl-C was pressed; the steps so far are saved, and `resume=True` goes on from there.

    Example:
        >>> run = hp.train_species("crops", init="species.safetensors", output="runs/species",
        ...                        set={"train.epochs": 1})
        >>> birds = hp.load_classifier(run.classifier)
        >>> 0 <= run.metrics["all"]["after"]["top1"]["value"] <= 1
        True
    """
    refuse_unknown(options, TrainSpeciesOptions.__annotations__, "train_species")
    config = options.get("config")
    overrides = overrides_of(set)
    settings = (
        parse_config("", SpeciesConfig, overrides) if config is None else load_config(config, SpeciesConfig, overrides)  # type: ignore[arg-type]
    )
    taxonomy = options.get("taxonomy")
    crosswalk = load_crosswalk(None if taxonomy is None else checked_path(taxonomy, "taxonomy"))
    request = SpeciesRequest(
        config=settings,
        output=checked_folder(output, "output"),
        init=None if init is None else str(checked_path(init, "init")) if not isinstance(init, str) else init,
        resume=bool(options.get("resume", False)),
        only_these=bool(options.get("only_these", False)),
        kinds=Kinds(crosswalk, _kinds(options.get("kinds", {}))),
        accelerator=options.get("accelerator", "auto"),
    )
    roots = checked_roots(options.get("roots", {}), "roots")
    sources = [crop_source(each, roots) for each in _several(data, "data")]
    sources += [
        FolderCrops(checked_path(each, "others"), others=True) for each in _several(options.get("others", ()), "others")
    ]
    validation = [crop_source(each, roots) for each in _several(options.get("val", ()), "val")]
    if not sources and not request.resume:
        hint = 'such as "OUT", "crops", or ("annotations.json", "photos")'
        raise ConfigError("there is nothing to learn from", where="data", hint=hint)
    run = train_species_classifier(request, sources, validation)
    if run.signal is not None:
        raise KeyboardInterrupt
    return run


def crop_source(data: Labelled, roots: Mapping[str, Path] | None = None) -> CropSource:
    """The labelled crops of a store, a COCO file or a folder of folders.

    A store is decided anew where people said something since, so that the last word counts.

    Args:
        data: Its path; of a COCO file maybe with that of the folder of its pictures.
        roots: Where cards of stores are now.

    Raises:
        ConfigError: There is no such thing.
        DataError: It holds no labelled crop, or is damaged.
    """
    if isinstance(data, tuple):
        return CocoCrops(_there(data[0]), _there(data[1]))
    path = _there(data)
    if path.is_file():
        beside = path.parent / COCO_IMAGES
        return CocoCrops(path, beside if beside.is_dir() else path.parent)
    if read_run(path) is not None:
        return _reviewed(path, roots)
    if (path / COCO_FILE).is_file():
        return crop_source(path / COCO_FILE)
    return FolderCrops(path)


def _reviewed(folder: Path, roots: Mapping[str, Path] | None) -> ReviewedCrops:
    """What people named in a store.

    Raises:
        DataError: They named nothing.
    """
    said = [path.stat().st_mtime for path in reviews_folder(folder).glob("*.parquet")]
    decided = [path.stat().st_mtime for path in decisions_folder(folder).glob("*.parquet")]
    if not decided or (said and max(said) >= min(decided)):
        say(f"deciding {folder} anew, so that what people said last counts")
        decide(folder, stored_options(folder))
    source = ReviewedCrops(folder, roots)
    if not source.boxes:
        hint = "look through it with `hoopoe review`, or give a table of names to `hoopoe decide --reviews`"
        raise DataError(
            "nobody has named a bird in this store: the model's own names teach nothing", where=folder, hint=hint
        )
    return source


def _there(value: object) -> Path:
    path = checked_path(value, "data")
    if not path.exists():
        hint = "give a folder of `hoopoe annotate`, a COCO file, or a folder of folders of crops"
        raise ConfigError("there is no such file or folder", where=path, hint=hint)
    return path


def _several(value: object, name: str) -> list[Any]:
    """One, or a list; a pair of a COCO file and a folder is one."""
    if isinstance(value, tuple) and [str(each).endswith(".json") for each in value] == [True, False]:
        return [value]
    if isinstance(value, list | tuple):
        return list(value)
    checked_path(value, name)
    return [value]


def _kinds(value: object) -> dict[str, Kind]:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"labels and kinds are expected, not {described(value)}", where="kinds", hint='{"dodo": "bird"}'
        )
    try:
        return {str(label): Kind(kind) for label, kind in value.items()}
    except ValueError as error:
        raise ConfigError(str(error), where="kinds", hint="bird, animal, person, vehicle or blank") from None
