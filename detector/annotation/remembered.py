"""What a store remembers of the runs before: its models, and what they saw, so that a further card needs no options."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch
from torch import nn

from backbones.errors import ConfigError
from backbones.hub import PUBLISHED
from detector.annotation.options import SeeingOptions
from detector.annotation.request import Models
from detector.base.content_hash import sha256_of
from detector.base.devices import Asked
from detector.models.coco import BUILT_IN, COCO_NAME
from detector.models.detector import Detector
from detector.runtimes.manifest import EXPORT_FILE, is_export
from detector.species.classifier import SpeciesClassifier
from detector.store.layout import fast_folder
from detector.store.run_file import DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import read_run

UNNAMED = "none"  # in place of a classifier or a first pass: birds stay unnamed, the detector sees all
_DIGITS = 8  # of a hash, in words


def models_for(
    output: Path,
    detector: Detector | str | Path | None = None,
    species: SpeciesClassifier | str | Path | None = None,
    device: torch.device | str | None = None,
    precision: Asked | None = None,
    first_pass: Detector | str | Path | None = None,
) -> Models:
    """The models of a run: those that are given, else those that the store was made with.

    Args:
        output: The store, which may not be there yet.
        detector: See `Models.of`; None: the store's.
        species: See `Models.of`; None: the store's, if it has one; `none`: birds stay unnamed.
        device: See `Models.of`.
        precision: See `Models.of`.
        first_pass: See `Models.of`; None: the store's, if it has one; `none`: the detector sees all.

    Raises:
        ConfigError: No detector is given and there is no store; or a model of the store has moved or changed.
        HoopoeError: A model cannot be used.
    """
    run = read_run(output)
    named = None if species == UNNAMED else species
    recalled = run.species if species is None and run is not None else None
    if recalled is not None:
        named = _source(recalled, output, "species")
    first = None if first_pass == UNNAMED else first_pass
    recalled_first = run.first_pass if first_pass is None and run is not None else None
    if recalled_first is not None:
        first = _source(recalled_first, output, "first-pass")
    chosen = _detector_source(run, output) if detector is None else detector
    models = Models.of(chosen, named, device, precision, first)
    if detector is None and run is not None and run.detector is not None:
        _check_same(run.detector, models.detector.sha256, output, "detector")
    if recalled_first is not None and models.first_pass is not None:
        _check_same(recalled_first, models.first_pass.sha256, output, "first-pass")
    if recalled is not None and models.species is not None:
        _check_same(recalled, models.species.sha256, output, "species")
    return models


def stored_seeing(output: Path) -> SeeingOptions:
    """What the models of a store see; the defaults where there is no store yet."""
    run = read_run(output)
    stored: Mapping[str, object] = {} if run is None else run.options
    known = {field.name for field in fields(SeeingOptions)}
    return SeeingOptions(**{name: value for name, value in stored.items() if name in known})  # type: ignore[arg-type]


def sha256_of_weights(net: nn.Module) -> str:
    """64 hexadecimal digits that tell a network that is in no file from others."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _detector_source(run: RunFile | None, output: Path) -> str:
    if run is None or run.detector is None:
        hint = f"give a run of `hoopoe train`, or {COCO_NAME}; a store that is there remembers its own"
        raise ConfigError("no detector is given", where="detector", hint=hint)
    if "imported" in run.options:
        hint = "give its boxes of the new files to `hoopoe classify-crops`, or choose another output folder"
        raise ConfigError(
            f"the boxes of this store came from another tool, {run.detector.name}", where=output, hint=hint
        )
    return _source(run.detector, output, "detector")


def _source(entry: DetectorEntry | SpeciesEntry, output: Path, option: str) -> str:
    """Where the weights of a model are that the store was made with."""
    own = fast_folder(output, option.replace("-", "_"))
    if is_export(own) and sha256_of(own / EXPORT_FILE) == entry.sha256:
        return str(own)  # wherever the store lies now
    what = "detector" if isinstance(entry, DetectorEntry) else "classifier"
    hint = f"say where it is now: --{option} PATH (from Python: {option.replace('-', '_')})"
    if entry.source is None:
        raise ConfigError(f"the store does not know where its {what} {entry.name} is", where=output, hint=hint)
    if entry.source not in BUILT_IN and entry.source not in PUBLISHED and not Path(entry.source).exists():
        problem = f"the {what} that this store was made with, {entry.name}, is not at {entry.source} any more"
        raise ConfigError(problem, where=output, hint=hint)
    return entry.source


def _check_same(entry: DetectorEntry | SpeciesEntry, sha256: str | None, output: Path, option: str) -> None:
    """Refuse weights that are others than those that the store was made with."""
    if entry.sha256 is None or entry.sha256 == sha256:
        return
    what = "detector" if isinstance(entry, DetectorEntry) else "classifier"
    problem = (
        f"{entry.source} holds another {what} now ({(sha256 or 'without a hash')[:_DIGITS]}) "
        f"than this store was made with ({entry.sha256[:_DIGITS]})"
    )
    change = "" if option != "species" else f"; `hoopoe reclassify {output} --species {entry.source}` changes it"
    hint = f"give the one of then: --{option} PATH; or choose another output folder{change}"
    raise ConfigError(problem, where=output, hint=hint)
