"""observations.csv of a Camtrap DP package that people have edited, in our packages or in those of other programs.

An observation of a person says so (classificationMethod human) and is signed. Of other rows those count that differ
from what we exported, which a tag of each repeats; of packages without it those that differ from the store, if it has
not been decided anew since. A row whose box overlaps none of the store's is of a box that a person drew, unless it says
that a machine made it. A row that is missing says nothing: people filter tables. Rows of whole events cannot be taken:
a word is of boxes or of a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from detector.base.tables.reader import Row, TableForm, as_number, read_table
from detector.store.reviews.programs.words import ANY_ANIMAL, ANYBODY, Box, Heard, Place, Word, moment
from detector.store.reviews.traits import Traits, traits_of

SIGNATURE = ("observationID", "observationType")
_BOX = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")
_COLUMNS = (
    "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel", "cameraSetupType",
    "scientificName", "count", "lifeStage", "sex", "behavior", "individualID", "individualPositionRadius",
    "individualPositionAngle", "individualSpeed", *_BOX, "classificationMethod", "classifiedBy",
    "classificationTimestamp", "classificationProbability", "observationTags", "observationComments",
)  # fmt: skip
_LABELS = {"human": "person", "vehicle": "vehicle", "blank": "nothing"}
_CORRECTED = ("observationType", "scientificName", "lifeStage", "sex", "count")
AS_WRITTEN = "asExported:"  # a tag
_NO_WORD = ("unknown", "unclassified", "")
MAX_BYTES = 1 << 30
EVENT = "it is of an event: correct the rows of its boxes, those with observationLevel media"


def read_camtrap_dp(path: Path) -> Heard:
    """The words of a table of observations; media.csv, where it lies beside it, tells which file a mediaID is.

    Raises:
        DataError: It cannot be read.
    """
    form = TableForm(
        "the table of observations",
        required=SIGNATURE,
        optional=_COLUMNS,
        multiline=("observationTags", "observationComments", "behavior"),
    )
    table = read_table(path, form, MAX_BYTES)
    files = _files(path.with_name("media.csv"))
    words: list[Word] = []
    wrong: list[str] = []
    for row in table:
        try:
            if word := _word(row, files):
                words.append(word)
                wrong += [f"{row.where}: {problem}" for problem in _traits(row)[1]]
        except ValueError as error:
            wrong.append(f"{row.where}: {error}")
    return Heard(tuple(words), tuple(wrong), table.notes)


def _files(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    form = TableForm("the table of media", required=("mediaID", "filePath"), multiline=("mediaComments", "exifData"))
    return {row["mediaID"]: row["filePath"] for row in read_table(path, form, MAX_BYTES)}


def _word(row: Row, files: Mapping[str, str]) -> Word | None:
    label = _label(row)
    if label is None:
        return None
    person = row["classificationMethod"] == "human"
    whole_event = row["observationLevel"] == "event" or not row["mediaID"]
    exported, now = _exported(row), as_written(row.cells).split("/")
    edited = None if exported is None else exported != now
    if label == "nothing" and row["observationID"].endswith("_none"):
        edited = False  # what we write of a file in which nothing was found
    place = Place() if whole_event else _place(row, files)
    # each row of a file is of other birds, also where it says the same
    region = row["eventID"] if whole_event else "" if place.is_of_a_box else row["observationID"]
    return Word(
        where=row.where,
        place=place,
        label=label,
        signed=person,
        # of rows that nobody signed: whether they differ from what was written
        edited=None if person else edited,
        probability=None if person else as_number(row["classificationProbability"]),
        reviewer=(row["classifiedBy"] if person else "") or ANYBODY,
        said_at=moment(row["classificationTimestamp"]) if person else None,
        region=region,
        traits=Traits() if label == "nothing" else _traits(row)[0],
        draws=row["classificationMethod"] != "machine",
        moves=person if exported is None else exported[-len(_BOX) :] != now[-len(_BOX) :],
    )


def as_written(cells: Mapping[str, object]) -> str:
    """The cells of a row that people correct, in one, by which an edited row is told when the package comes back."""
    return "/".join(_plain(cells.get(name)) for name in (*_CORRECTED, *_BOX))


def _plain(cell: object) -> str:
    """A cell whatever a spreadsheet made of its numbers."""
    text = "" if cell is None else str(cell)
    number = as_number(text)
    return text if number is None else f"{number:.5g}"


def _exported(row: Row) -> list[str] | None:
    """The same cells as they were exported; None where the row does not tell, or is not ours."""
    tags = (tag.strip() for tag in row["observationTags"].split("|"))
    return next((tag.removeprefix(AS_WRITTEN).split("/") for tag in tags if tag.startswith(AS_WRITTEN)), None)


def _traits(row: Row) -> tuple[Traits, tuple[str, ...]]:
    return traits_of(row["sex"], row["lifeStage"], row["count"])


def _label(row: Row) -> str | None:
    """What the row says; None where it says nothing."""
    kind, name = row["observationType"].casefold(), row["scientificName"]
    if kind in _LABELS:
        return _LABELS[kind]
    if name and name.casefold() != "animalia":
        return name
    if kind in _NO_WORD:
        return None
    if kind == "animal":
        return ANY_ANIMAL
    raise ValueError(f"observationType '{row['observationType']}' is none of animal, human, vehicle, blank, unknown")


def _place(row: Row, files: Mapping[str, str]) -> Place:
    item = row["mediaID"]
    ours = re.fullmatch(rf"{re.escape(item)}_(\d+)_(\d+)", row["observationID"])
    frame, box = (int(ours[1]), int(ours[2])) if ours else (None, None)
    return Place(item, files.get(item), frame, None, box, _box(row))


def _box(row: Row) -> Box | None:
    sides = [as_number(row[name]) for name in _BOX]
    if all(side is None for side in sides):
        return None
    x, y, w, h = sides
    if x is None or y is None or not w or not h or not (0 <= x <= 1 and 0 <= y <= 1 and 1 >= w > 0 and 1 >= h > 0):
        raise ValueError(f"{', '.join(_BOX)} are no box: {', '.join(row[name] or '-' for name in _BOX)}")
    return x, y, w, h
