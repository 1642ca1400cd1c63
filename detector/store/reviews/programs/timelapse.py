"""Timelapse's table of image data (File > Export data > CSV): a row a file, with the columns of the user's template.

Timelapse writes File, RelativePath, DateTime and DeleteFlag; all other columns are those that people made, so they are
told by their names. Its rows are of whole files; a file that was duplicated for a second species has two of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from backbones.errors import DataError
from detector.base.tables.reader import Row, TableForm, read_table
from detector.store.reviews.programs.words import ANYBODY, Heard, Place, Word
from detector.store.reviews.traits import Traits, traits_of

COLUMNS = ("File", "RelativePath")
SPECIES = ("scientificname", "species", "speciesname", "taxon", "commonname", "vernacularname", "englishname", "animal")
BLANK = ("empty", "blank", "noanimal", "noanimals", "nothing", "falsetrigger")
REVIEWERS = ("analyst", "observer", "reviewer", "annotator", "identifiedby", "reviewedby")
COMMENTS = ("comment", "comments", "note", "notes", "note0")
COUNTS = ("count", "number", "individualcount", "numberofanimals", "numberofindividuals", "howmany", "quantity")
SEXES = ("sex", "gender")
AGES = ("age", "lifestage", "ageclass", "agegroup", "stage")
# `animal` may be MegaDetector's word, which means birds too; the last two are of a checkbox `Animal`
NO_WORD = frozenset({"unknown", "unidentified", "unidentifiable", "n/a", "-", "?", "animal", "true", "false"})
_YES = frozenset({"true", "yes", "1", "x"})
_MEND = f"call the column of species Species (known: {', '.join(SPECIES)}), or that of blanks Empty"


def read_timelapse(path: Path) -> Heard:
    """The words of a Timelapse table.

    Raises:
        DataError: It cannot be read, or no column says what is in the pictures.
    """
    form = TableForm("Timelapse's table", required=COLUMNS)
    columns = read_table(path, form).columns
    table = read_table(path, TableForm(form.what, required=COLUMNS, multiline=columns))
    by_key = {re.sub(r"[\W_]+", "", name).casefold(): name for name in columns}
    species, blank, reviewers, comments, sexes, ages, counts = (
        [by_key[key] for key in keys if key in by_key]
        for keys in (SPECIES, BLANK, REVIEWERS, COMMENTS, SEXES, AGES, COUNTS)
    )
    if not species and not blank:
        raise DataError("Timelapse's table has no column that says what is in the pictures", where=path, hint=_MEND)
    words: list[Word] = []
    wrong: list[str] = []
    for row in table:
        traits, problems = traits_of(_first(row, sexes), _first(row, ages), _first(row, counts))
        wrong += [f"{row.where}: {problem}" for problem in problems]
        ticked = any(row[name].casefold() in _YES for name in blank)
        names = _names(row, species)
        reviewer, comment = _first(row, reviewers), _first(row, comments)
        words += [
            Word(
                where=row.where,
                place=Place(path=_path(row)),
                label=name,
                # a template may fill in what a program found: only a tick or somebody's name is a person's
                signed=bool(reviewer) or name == "nothing",
                reviewer=reviewer or ANYBODY,
                comment=comment or None,
                traits=Traits() if name == "nothing" else traits,
            )
            for name in dict.fromkeys([*names, *(["nothing"] if ticked else [])])
        ]
    return Heard(tuple(words), tuple(wrong))


def _path(row: Row) -> str:
    folder = row["RelativePath"].replace("\\", "/").strip("/")
    return f"{folder}/{row['File']}" if folder else row["File"]


def _names(row: Row, columns: Sequence[str]) -> list[str]:
    names = [part.strip() for part in _first(row, columns).split(";")]
    return [name for name in names if name and name.casefold() not in NO_WORD]


def _first(row: Row, columns: Sequence[str]) -> str:
    return next((row[name] for name in columns if row[name]), "")
