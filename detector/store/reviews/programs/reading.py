"""Tells files of other programs from tables of reviews, and reads them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from backbones.errors import DataError
from detector.base.json_text import JsonError, decode_json, nan_as_null, read_json_bytes
from detector.base.tables.reader import TableForm, read_table
from detector.store.reviews.programs.camtrap_dp import MAX_BYTES, SIGNATURE, read_camtrap_dp
from detector.store.reviews.programs.joining import join_words
from detector.store.reviews.programs.label_studio import read_label_studio
from detector.store.reviews.programs.megadetector import read_megadetector
from detector.store.reviews.programs.timelapse import COLUMNS, read_timelapse
from detector.store.reviews.programs.words import Heard
from detector.store.reviews.table import ReviewTable, read_review_table

_MEND = "known are Label Studio's JSON export, MegaDetector's results, and a Camtrap DP package (its datapackage.json)"


def read_said(folder: Path, path: Path, now: datetime) -> ReviewTable:
    """What a file says of a store: a table of reviews, an edited table of results, or a file of another program.

    Args:
        folder: The store.
        path: The file.
        now: The time of words that give none, UTC.

    Raises:
        DataError: The file cannot be read, or is of no format that is known; the store is damaged or undecided.
    """
    heard = _read_json(path) if path.suffix.lower() == ".json" else _read_table(path)
    return read_review_table(path, now) if heard is None else join_words(folder, heard, now)


def _read_json(path: Path) -> Heard:
    data = nan_as_null(read_json_bytes(path, "file of reviews"))
    if data.lstrip().startswith(b"["):
        return read_label_studio(path)
    try:
        members = decode_json(data, dict[str, msgspec.Raw])
    except JsonError as error:
        raise DataError(f"not JSON of a known format: {error}", where=path, hint=_MEND) from error
    if {"images", "detection_categories"} <= members.keys():
        return read_megadetector(path, data)
    if "resources" in members:
        return read_camtrap_dp(path.with_name("observations.csv"))
    raise DataError("this is JSON of no format that is known", where=path, hint=_MEND)


def _read_table(path: Path) -> Heard | None:
    form = TableForm("the table of reviews", optional=(*SIGNATURE, *COLUMNS))
    columns = read_table(path, form, MAX_BYTES).columns
    if set(SIGNATURE) <= set(columns):
        return read_camtrap_dp(path)
    return read_timelapse(path) if set(COLUMNS) <= set(columns) else None
