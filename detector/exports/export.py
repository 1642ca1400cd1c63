"""Writing several formats from one store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from backbones.errors import ConfigError, HoopoeError
from detector.base.reporting import Task, task
from detector.cluster.options import ClusterOptions
from detector.exports.formats import DEFAULT_FORMATS, FORMATS, check_formats
from detector.exports.history import remember
from detector.exports.parted.on_cluster import export_on_cluster
from detector.exports.parted.slices import SLICE_FILES
from detector.exports.source import ExportOptions, ExportSource
from detector.store.records import MediaRecord, reaches

RECORDS_A_MOVE = 64  # of the progress, which costs more than a record

Read = Callable[[], Iterator[MediaRecord]]


def export(
    folder: Path,
    formats: Sequence[str] = DEFAULT_FORMATS,
    options: ExportOptions | None = None,
    cluster: ClusterOptions | None = None,
) -> list[Path]:
    """Write formats from a decided store into its folder, showing how far it is.

    A format that fails does not cost the others.

    Args:
        folder: The store, `--output` of `hoopoe annotate`.
        formats: Names of `FORMATS`.
        options: By default, detections are shown from the score threshold of the store's decisions up.
        cluster: Whose workers write those formats of a large store that have parts; the files are the same.

    Returns:
        The files to look at.

    Raises:
        ConfigError: A format or a card is not known, or counts are asked for from another score than they were made.
        DataError: There is no store, or it has no decisions.
        HoopoeError: A format could not be written; the first one's, once the others are.
    """
    names = check_formats(formats)
    source = ExportSource.of(folder)
    if options is None:
        options = ExportOptions(score_threshold=source.score_threshold)
    options.card_roots(source.run)  # refuses unknown cards before anything is written
    _check_threshold(names, source, options)
    paths: list[Path] = []
    written: list[str] = []
    errors: list[HoopoeError] = []
    for name in names:
        with task(f"writing {name}", source.media_count, "files") as progress:
            watched = replace(source, media=_watched(source.media, progress))
            try:
                if cluster is not None and FORMATS[name].parts and (source.media_count or 0) > SLICE_FILES:
                    paths += export_on_cluster(name, source, folder, options, cluster, progress)
                else:
                    paths += FORMATS[name].load()(watched, folder, options)
                written.append(name)
                progress.reach(progress.total or 0)  # also where a format needs no media
            except HoopoeError as error:
                errors.append(error)
    remember(folder, written, source, options)
    for later in errors[1:]:
        options.notify(str(later))
    if errors:
        raise errors[0]
    return paths


def _check_threshold(names: Sequence[str], source: ExportSource, options: ExportOptions) -> None:
    """Refuse a table that would show other boxes than its events count."""
    decided, asked = source.score_threshold, options.score_threshold
    counting = [name for name in names if FORMATS[name].counts]
    if counting and not (reaches(decided, asked) and reaches(asked, decided)):
        free = ", ".join(name for name, one in FORMATS.items() if not one.counts)
        raise ConfigError(
            f"the counts in {', '.join(counting)} are of detections from {decided:g} up, not {asked:g}",
            where="score threshold",
            hint=f"decide with it first (`hoopoe decide OUT --score-threshold {asked:g}`); any can be given for {free}",
        )


def _watched(media: Read, progress: Task) -> Read:
    """The records, advancing a task as they are read; each pass begins anew."""

    def read() -> Iterator[MediaRecord]:
        for count, record in enumerate(media()):
            if count % RECORDS_A_MOVE == 0:
                progress.reach(count)
            yield record

    return read
