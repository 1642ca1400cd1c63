"""`Store`: what was annotated, as tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
from pydantic import ValidationError

from backbones.errors import ConfigError, DataError
from detector.api.checks import Source, checked_path, checked_roots, checked_share, refuse_unknown
from detector.base.checks import described, expect
from detector.decisions.decide import decide, stored_options
from detector.decisions.options import DecideOptions
from detector.decisions.summary import DecisionSummary
from detector.exports.export import export
from detector.exports.formats import DEFAULT_FORMATS, check_formats
from detector.exports.pictures.blurring import Blur
from detector.exports.refresh import refresh
from detector.exports.source import ExportOptions, ExportSource
from detector.store.files import open_parquet
from detector.store.layout import decisions_folder
from detector.store.run_json import load_run

PATHS = ("deployments", "taxonomy", "calibration")  # options of decisions that name a file


class Store:
    """A folder that `annotate` wrote: facts, and the decisions made of them. Tables are Arrow's, read when asked for.

    Args:
        folder: The store.

    Raises:
        DataError: There is no store.

    Example:
        >>> store = hp.annotate("CARD", "OUT", detector="coco", species="davit_tiny_il-all")
        >>> store = hp.Store("OUT")
        >>> store.media.num_rows
        5
        >>> {"deployment_id", "display_name", "start", "count"} <= set(store.events.column_names)
        True
        >>> store.decide(score_threshold=0.3).photos
        4
        >>> [path.name for path in store.export("csv")]
        ['results.csv', 'files.csv']
    """

    def __init__(self, folder: Source) -> None:
        self.folder = checked_path(folder, "folder")
        load_run(self.folder)

    @property
    def media(self) -> pa.Table:
        """A row a photo or video: place, time, whether it is blank, why it failed; see the store's schema, `MEDIA`."""
        return self._table("media")

    @property
    def detections(self) -> pa.Table:
        """A row a box: where it is, what it is called, how sure that is, whether it needs review; `DETECTIONS`."""
        return self._table("detections")

    @property
    def events(self) -> pa.Table:
        """A row an independent event: camera, species, from when to when, how many at once; `EVENTS`."""
        return self._table("events")

    @property
    def deployments(self) -> pa.Table:
        """A row a camera and visit; `DEPLOYMENTS`."""
        return self._table("deployments")

    @property
    def effort(self) -> pa.Table:
        """When the cameras worked; `EFFORT`."""
        return self._table("effort")

    def decide(self, **options: Any) -> DecisionSummary:
        """Decide anew: names, sequences, events, counts; seconds, no model. Tables that were exported are made again.

        Args:
            options: Fields of `DecideOptions`, such as deployments="deployments.csv", priors=["barchart.txt"],
                calibration="calibration.json", score_threshold=0.3; those that are not given stay as they were.

        Returns:
            Files, blanks, failures, names and cameras with their counts, and what a person should look at.

        Raises:
            ConfigError: There is no such option, or its value cannot be used.
            DataError: A file that an option names is wrong.
        """
        summary = decide(self.folder, decide_options(stored_options(self.folder), options))
        refresh(self.folder)
        return summary

    def export(self, *formats: str, **options: Any) -> list[Path]:
        """Write tables and pictures for other programs into the store's folder.

        Args:
            formats: Such as "csv", "xlsx", "megadetector", "camtrap-dp"; by default those of `hoopoe export`.
            options: Fields of `ExportOptions`, such as score_threshold=0.3 or title="Survey", or where cards that have
                moved are now, roots={"CARD1": "E:/CARD1"}.

        Returns:
            The files to look at.

        Raises:
            ConfigError: There is no such format or option.
        """
        if not all(isinstance(name, str) for name in formats):
            problem = (
                f"names of formats are expected, not {described(next(f for f in formats if not isinstance(f, str)))}"
            )
            raise ConfigError(problem, where="export", hint='such as export("csv", "xlsx")')
        names = check_formats(formats or DEFAULT_FORMATS)
        chosen = export_options(options)
        threshold = {"score_threshold": ExportSource.of(self.folder).score_threshold}
        return export(self.folder, names, ExportOptions(**{**threshold, **chosen}))

    def _table(self, name: str) -> pa.Table:
        path = decisions_folder(self.folder) / f"{name}.parquet"
        if not path.exists():
            raise DataError("this store has no decisions yet", where=path, hint="call decide()")
        with open_parquet(path, "call decide() again") as file:
            return file.read()

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"


def export_options(options: dict[str, Any]) -> dict[str, Any]:
    """Fields of `ExportOptions`, checked.

    Raises:
        ConfigError: There is no such option, or its value cannot be used.
    """
    known = ExportOptions.__dataclass_fields__
    refuse_unknown(options, known, "export")
    checked = dict(options)
    for name, value in options.items():
        if name == "score_threshold":
            checked[name] = checked_share(value, name)
        elif name == "roots":
            checked[name] = checked_roots(value, name)
        elif name == "blur":
            if value is not None and not (isinstance(value, str) and value in get_args(Blur)):
                problem = f"people or none is expected, not {described(value)}"
                raise ConfigError(problem, where=name, hint='such as blur="people"')
        elif name in ("notify", "fault"):
            expect(value, Callable, "a function of a sentence", where=name, hint="such as print")  # type: ignore[arg-type]
        else:
            expect(value, str, "a text", where=name, hint=f"such as {known[name].default!r}")
    return checked


def decide_options(before: DecideOptions, changes: dict[str, Any]) -> DecideOptions:
    """Options of decisions with some changed; paths become absolute.

    Raises:
        ConfigError: There is no such option, or its value cannot be used.
    """
    refuse_unknown(changes, DecideOptions.model_fields, "decide")
    values = dict(changes)
    for name in PATHS:
        if values.get(name) is not None:
            values[name] = _absolute(values[name], name)
    if isinstance(values.get("priors"), str | os.PathLike):
        values["priors"] = [values["priors"]]
    if isinstance(values.get("priors"), Sequence):
        values["priors"] = [_absolute(path, "priors") for path in values["priors"]]
    try:
        return DecideOptions.model_validate({**before.model_dump(), **values})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        problem = f"{first['msg'][0].lower()}{first['msg'][1:]}, not {described(first['input'])}"
        hint = DecideOptions.model_fields[str(first["loc"][0])].description or "correct the value"
        raise ConfigError(problem, where=place, hint=hint) from None


def _absolute(value: object, name: str) -> str:
    path = checked_path(value, name)
    if not path.is_file():
        raise ConfigError("there is no such file", where=path, hint=f"correct {name}")
    return os.path.abspath(path)
