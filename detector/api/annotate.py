"""`annotate`: find and name the birds in cards of photos and videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backbones.errors import ConfigError
from detector.annotation import run as annotating
from detector.annotation.options import SeeingOptions, WorkOptions
from detector.annotation.remembered import models_for, stored_seeing
from detector.annotation.request import AnnotateRequest, AuditRequest, Models, RunSettings
from detector.api.checks import (
    Source,
    checked_folder,
    checked_paths,
    checked_roots,
    checked_share,
    checked_whole,
    refuse_unknown,
)
from detector.api.speed import checked_speed, models_at
from detector.api.store import Store, decide_options
from detector.base.checks import described, expect, given_path
from detector.base.objects.address import place_of
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.decisions.rules import read_rules
from detector.exports.refresh import refresh
from detector.footage.sampling import parse_sampling
from detector.models.detector import Detector
from detector.species.classifier import SpeciesClassifier
from detector.store.run_json import read_run

SETTINGS = ("batch_size", "workers", "quiet", "retry_failed", "roots", "audit", "speed")


def annotate(
    cards: Source | Sequence[Source],
    output: Source,
    *,
    detector: Detector | Source | None = None,
    species: SpeciesClassifier | Source | None = None,
    first_pass: Detector | Source | None = None,
    **options: Any,
) -> Store:
    """Find the birds in photos and videos, name them, and decide sequences, events and counts.

    It goes on where it was stopped: what the store holds already is not looked at again, and a further card, or a new
    visit to a camera, is the same call with the same `output`: `annotate("CARD2", "OUT")` is enough, as the store
    remembers what is not given.

    Args:
        cards: Folders, files, or addresses such as s3://bucket/card; one or several.
        output: The store's folder.
        detector: From `load_detector`, or its path or name; None: the one that the store was made with.
        species: From `load_classifier`, or its path or name; None: the store's, if it was made with one; "none" leaves
            birds unnamed.
        first_pass: A fast detector that looks first, such as "coco-fast": the other looks where it finds something;
            None: the store's, if it was made with one; "none": the detector sees all.
        options: What is seen: fields of `SeeingOptions` (frame_interval, tile, motion_gate ...). What is decided of it:
            fields of `DecideOptions` (deployments, priors, calibration, score_threshold ...); those that are not given
            stay as they were. How it goes about it: speed ("exact", or "fast": models in 8 bits on CPUs, measured on
            the photos first), batch_size, workers, quiet, retry_failed; roots, where cards that have moved are now:
            `{"CARD1": "E:/CARD1"}`; and audit, at how many pictures that were passed over, chosen at random, the
            detector looks afterwards.

    Returns:
        The store: `.media`, `.detections`, `.events` as Arrow tables, `.decide(...)`, `.export(...)`.

    Raises:
        ConfigError: There is no such option, or the store was made otherwise.
        MediaError: A card does not exist.
        KeyboardInterrupt: Ctrl-C was pressed; the same call goes on from there.

    Example:
        >>> store = hp.annotate(["CARD"], "OUT", detector="coco", species="davit_tiny_il-all", priors="barchart.txt")
        >>> store.media.num_rows
        5
        >>> store.detections.num_rows > 0
        True
    """
    inputs = [place_of(path) for path in checked_paths(cards, "cards")]
    folder = checked_folder(output, "output")
    parts = (SeeingOptions.__dataclass_fields__, DecideOptions.model_fields, SETTINGS)
    refuse_unknown(options, [name for part in parts for name in part], "annotate")
    seeing, decisions, settings = ({name: options[name] for name in part if name in options} for part in parts)
    roots = checked_roots(settings.pop("roots", {}), "roots")
    speed = checked_speed(settings.pop("speed", "exact"))
    models = models_at(speed, _models(folder, detector, species, first_pass), folder, inputs)
    run = read_run(folder)
    before = DecideOptions.model_validate({} if run is None else run.decisions)
    wanted = decide_options(before, decisions)
    read_rules(annotating.models_entry(models), wanted)  # a wrong table is found before hours
    audit = settings.pop("audit", None)
    audited = None if audit is None else AuditRequest(checked_whole(audit, "audit"), wanted.score_threshold)
    request = AnnotateRequest(inputs, folder, _seeing(folder, seeing), roots, audited)
    report = annotating.annotate(request, models, _settings(settings, models))
    if report.signal is not None:
        raise KeyboardInterrupt
    decide(folder, wanted)
    refresh(folder)
    return Store(folder)


def _models(folder: Path, detector: object, species: object, first_pass: object) -> Models:
    hint = "give load_detector(...), or a path or name"
    for name, given in (("detector", detector), ("first_pass", first_pass)):
        expect(given, (Detector, str, os.PathLike, type(None)), "a detector", where=name, hint=hint)
    kinds = (SpeciesClassifier, str, os.PathLike, type(None))
    expect(species, kinds, "a classifier", where="species", hint="give load_classifier(...), or a path or name")
    if isinstance(species, str | os.PathLike):
        given_path(species, "a classifier", where="species")
    return models_for(folder, detector, species, first_pass=first_pass)  # type: ignore[arg-type]


def _seeing(folder: Path, values: dict[str, Any]) -> SeeingOptions:
    checked = dict(values)
    if "frame_interval" in checked:
        checked["frame_interval"] = parse_sampling(str(checked["frame_interval"]))
    for name in ("tile", "motion_gate", "burst_gate", "full_decode", "embeddings"):
        if not isinstance(checked.get(name, False), bool):
            raise ConfigError(
                f"True or False is expected, not {described(checked[name])}", where=name, hint="leave it out"
            )
    for name in ("lowest_score", "classify_from", "first_pass_threshold"):
        if checked.get(name) is not None:
            checked[name] = checked_share(checked[name], name)
    if checked.get("proposals") is not None:
        checked["proposals"] = checked_whole(checked["proposals"], "proposals")
    return replace(stored_seeing(folder), **checked)


def _settings(values: dict[str, Any], models: Models) -> RunSettings:
    for name in ("batch_size", "workers"):
        if values.get(name) is not None:
            checked_whole(values[name], name)
    work = WorkOptions.chosen(models.device, values.get("batch_size"), values.get("workers"))
    return RunSettings(work, quiet=bool(values.get("quiet")), retry_failed=bool(values.get("retry_failed")))
