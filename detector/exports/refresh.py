"""Bringing exports up to the decisions.

One rule for `annotate`, `classify-crops`, `reclassify`, `decide` and `cards`: tables that were exported before are made
again with their options; pictures, which take long, are named as old; `hoopoe export` makes those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.cluster.options import ClusterOptions
from detector.exports.export import export
from detector.exports.formats import FORMATS
from detector.exports.history import exported, old_formats
from detector.exports.source import ExportOptions, ExportSource
from detector.store.run_file import ExportEntry
from detector.store.run_json import load_run


@dataclass(frozen=True)
class RefreshResult:
    """What a refresh did.

    Attributes:
        paths: Files to look at.
        old: Formats that show decisions of before.
    """

    paths: list[Path]
    old: list[str]


def refresh(
    folder: Path,
    asked: Sequence[str] | None = None,
    first: Sequence[str] = (),
    cluster: ClusterOptions | None = None,
) -> RefreshResult:
    """Bring what was exported up to the decisions.

    Args:
        folder: The store.
        asked: Formats that are wanted beside the tables that were exported before; empty: nothing is written; None:
            just those tables.
        first: What is written in place of them where nothing was exported yet.
        cluster: See `export`.

    Raises:
        HoopoeError: As `export` does.
    """
    there = exported(folder, load_run(folder))
    names: list[str] = []
    if asked is None or asked:
        tables = [name for name in there if not FORMATS[name].pictures]
        names = list(dict.fromkeys([*(asked or ()), *(tables if there or asked else first)]))
    paths = []
    decided = {"score_threshold": ExportSource.of(folder).score_threshold} if names else {}
    for name in names:
        kept = there.get(name, ExportEntry()).options
        options = ExportOptions(**{**decided, **kept})  # type: ignore[arg-type]
        paths += export(folder, [name], options, cluster)
    return RefreshResult(paths, old_formats(folder))
