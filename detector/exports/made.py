"""Which formats of a store were exported, with which options, and which of them are older than its decisions.

One rule for `annotate`, `classify-crops`, `reclassify`, `decide` and `cards`: tables that were exported before are made
again with their options; pictures, which take long, are named as old; `hoopoe export` makes those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from detector.exports.formats import FORMATS
from detector.exports.source import ExportOptions, ExportSource
from detector.store.run_file import ExportEntry, RunFile
from detector.store.run_json import load_run, update_run

_NOT_KEPT = ("roots", "notify", "fault")  # of this moment only


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    Attributes:
        paths: Files to look at.
        old: Formats that show decisions of before.
    """

    paths: list[Path]
    old: list[str]


def refresh(folder: Path, asked: Sequence[str] | None = None, first: Sequence[str] = ()) -> Refreshed:
    """Bring what was exported up to the decisions.

    Args:
        folder: The store.
        asked: Formats that are wanted beside the tables that were exported before; empty: nothing is written; None:
            just those tables.
        first: What is written in place of them where nothing was exported yet.

    Raises:
        HoopoeError: As `export` does.
    """
    from detector.exports.export import export

    made = exported(folder, load_run(folder))
    names: list[str] = []
    if asked is None or asked:
        names = [name for name in made if not FORMATS[name].pictures] if made else list(first if asked is None else ())
        names = list(dict.fromkeys([*(asked or ()), *names]))
    paths = []
    for name in names:
        kept = made.get(name, ExportEntry()).options
        threshold = {"score_threshold": ExportSource.of(folder).score_threshold}
        paths += export(folder, [name], ExportOptions(**{**threshold, **kept}))  # type: ignore[arg-type]
    return Refreshed(paths, old_formats(folder))


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
