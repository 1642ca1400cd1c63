"""Which formats of a store were exported, with which options, and which of them are older than its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path

from detector.exports.formats import FORMATS
from detector.exports.source import ExportOptions, ExportSource
from detector.store.run_file import ExportEntry, RunFile
from detector.store.run_json import load_run, update_run

_NOT_KEPT = ("roots", "notify", "fault")  # of this moment only


def exported(folder: Path, run: RunFile) -> dict[str, ExportEntry]:
    """The formats that are there, as they were exported."""
    there = [name for name, one in FORMATS.items() if (folder / one.writes).exists()]
    return {name: run.exports.get(name, ExportEntry()) for name in there}


def old_formats(folder: Path) -> list[str]:
    """The formats that are there and show other decisions than the store's."""
    run = load_run(folder)
    return [name for name, entry in exported(folder, run).items() if entry.decided != run.decided]


def remember(folder: Path, names: Sequence[str], source: ExportSource, options: ExportOptions) -> None:
    """Keep in `run.json` that formats were exported, and with which options."""
    kept: dict[str, object] = {}
    for field in fields(ExportOptions):
        value = getattr(options, field.name)
        default = source.score_threshold if field.name == "score_threshold" else field.default
        if field.name not in _NOT_KEPT and default is not MISSING and value != default:
            kept[field.name] = value
    entries = {name: ExportEntry(options=kept, decided=source.run.decided) for name in names}
    if entries:
        update_run(folder, lambda run: run.model_copy(update={"exports": {**run.exports, **entries}}))
