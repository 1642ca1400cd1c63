"""What `--speed fast` makes of the models of a run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from backbones.errors import ConfigError
from detector.annotation.request import Models
from detector.base.checks import described
from detector.base.content_hash import sha256_of
from detector.base.objects.address import Place
from detector.base.pictures import PHOTO_SUFFIXES, pictures_in
from detector.base.reporting import warn
from detector.conversion.compiling import compiled_classifier, compiled_detector
from detector.conversion.fast import becomes_faster, fast_classifier, fast_detector, is_fast, is_ready, was_left
from detector.models.detector import Detector
from detector.runtimes.manifest import EXPORT_FILE, is_export, read_manifest
from detector.species.classifier import SpeciesClassifier
from detector.store.layout import facts_folder, fast_folder, parts
from detector.store.run_file import DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import read_run

Speed = Literal["exact", "fast"]


def models_at(speed: Speed, models: Models, output: Path, inputs: Sequence[Place]) -> Models:
    """The models of a run, or fast exports of them, which are made where there are none.

    Args:
        speed: `exact` leaves them as they are; `fast` has them compiled on CUDA while they run, and nothing is kept.
        models: As loaded.
        output: The store; exports lie in it, as its facts are theirs.
        inputs: Cards; their photos are calibrated on.

    Raises:
        ConfigError: The store holds facts of the exact models or of other ones, or the extra `fast` is not installed.
    """
    if speed == "exact":
        return models
    if models.device.type == "cuda":
        return _compiled(models)
    if models.device.type != "cpu":
        warn(f"--speed fast is for CPUs and CUDA: on {models.device} the models run as they are")
        return models
    before = read_run(output)
    known = None if before is None or before.detector is None else before.detector.sha256
    exact = known is not None and known == models.detector.sha256 and becomes_faster(models.detector)
    if exact and not was_left(models.detector, fast_folder(output, "detector")):
        hint = "leave --speed out, or choose another --output"
        raise ConfigError("this store was made with the exact models", where=output, hint=hint)
    on_disk = [path for path in inputs if isinstance(path, Path)]
    if inputs and not on_disk and not _all_ready(models, output):
        hint = "annotate a copy of some of them with --speed fast, and give its models; or leave --speed out"
        raise ConfigError("fast models are calibrated on photos on a disk", where=inputs[0], hint=hint)
    if before is not None and parts(facts_folder(output)):
        _keep_exports(before, output, models)
    photos = list(itertools.chain.from_iterable(map(_photos, on_disk)))
    detector = fast_detector(models.detector, fast_folder(output, "detector"), photos)
    species = models.species
    if species is not None:
        species = fast_classifier(species, detector, fast_folder(output, "species"), photos)
    first = models.first_pass
    if first is not None:
        first = fast_detector(first, fast_folder(output, "first_pass"), photos)
    return replace(models, detector=detector, species=species, first_pass=first)


def _compiled(models: Models) -> Models:
    first, species = models.first_pass, models.species
    return replace(
        models,
        detector=compiled_detector(models.detector),
        first_pass=None if first is None else compiled_detector(first),
        species=None if species is None else compiled_classifier(species),
    )


def _all_ready(models: Models, output: Path) -> bool:
    """Whether nothing has to be calibrated."""
    given = {"detector": models.detector, "species": models.species, "first_pass": models.first_pass}
    return all(model is None or is_ready(model, fast_folder(output, name)) for name, model in given.items())


def _keep_exports(before: RunFile, output: Path, models: Models) -> None:
    """Refuse to make an export in the place of one that the facts of a store are of: it could not be made again.

    Raises:
        ConfigError: Another model is given than the one that it was made from.
    """
    pairs: Sequence[tuple[str, DetectorEntry | SpeciesEntry | None, Detector | SpeciesClassifier | None]] = (
        ("detector", before.detector, models.detector),
        ("species", before.species, models.species),
        ("first_pass", before.first_pass, models.first_pass),
    )
    for name, entry, model in pairs:
        place = fast_folder(output, name)
        if entry is None or model is None or entry.sha256 == model.sha256 or is_fast(model, place):
            continue
        if is_export(place) and sha256_of(place / EXPORT_FILE) == entry.sha256:
            made_from = read_manifest(place).source.name
            problem = f"this store was made with a fast export of {made_from}, not of {model.name}"
            raise ConfigError(problem, where=place, hint="give the model of then, or choose another --output")


def checked_speed(speed: object) -> Speed:
    """How fast a run is to be.

    Raises:
        ConfigError: It is neither of the two.
    """
    if speed == "exact" or speed == "fast":
        return speed
    raise ConfigError(f"a speed is exact or fast, not {described(speed)}", where="speed", hint="leave it out")


def _photos(card: Path) -> list[Path]:
    if card.is_dir():
        return pictures_in(card)
    return [card] if card.suffix.lower() in PHOTO_SUFFIXES else []
