"""Tables of reviews, as people write them or as they edit an exported table of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backbones.errors import DataError
from detector.base.dates import day_first, parse_date
from detector.base.tables.reader import Row, TableForm, as_number, read_table
from detector.store.reviews.review import DRAWN_FROM, NOTED, VERDICTS, WITHDRAWN, Box, Review
from detector.store.reviews.traits import Traits, traits_of

AS_EXPORTED = "as_exported"
_NAMES = ("display_name", "scientific_name", "english_name", "hebrew_name")
_NOTES = ("sex", "life_stage", "count")
EDITED = ("kind", *_NAMES, *_NOTES)  # what `as_exported` repeats
_BOX = ("x", "y", "w", "h")
_EXPORTED = ("reviewed_by", "reviewed_utc", "needs_review", "box_by")  # which are near to others, and say nothing
_PLACES = ("media_id", "card", "path", "file", "frame_number", "box", "repeat_group")
_SAID = ("verdict", "name", "reviewer", "reviewed_at", "comment")
_OTHER_WORDS = {"blank": "nothing", "empty": "nothing", "human": "person", "withdraw": WITHDRAWN}
_ANYBODY = "unknown"
_MEND = f"columns are {', '.join((*_PLACES, *_SAID, *_NOTES, *_BOX))}; verdicts are {', '.join(VERDICTS)}"


@dataclass(frozen=True)
class Said:
    """A row that says something.

    Attributes:
        where: The row, for errors.
        item: The id of the media item, if the row gives it.
        card: The card, if the row gives it.
        path: The file, if the row gives it in place of an id.
        review: What is said; of a media item that is yet to be found where there is no `item`.
        timed: Whether the row gives its time.
        problem: Why it cannot be taken.
    """

    where: str
    item: str | None
    card: str | None
    path: str | None
    review: Review
    timed: bool
    problem: str | None = None


@dataclass(frozen=True)
class ReviewTable:
    """What a table says, which of its rows are wrong, and how it was read."""

    said: tuple[Said, ...]
    wrong: tuple[str, ...]
    notes: tuple[str, ...]


def as_exported(cells: Sequence[str | None]) -> str:
    """The cells of `EDITED` in one, by which an edited cell is told when the table comes back."""
    return " | ".join((cell or "").replace("|", "/").strip() for cell in cells).strip()


def read_review_table(path: Path, now: datetime) -> ReviewTable:
    """Read a table of reviews, or an edited table of results.

    Args:
        path: CSV, or an Excel workbook.
        now: The time of rows that give none, UTC.

    Raises:
        DataError: It is no such table.
    """
    optional = (*_PLACES, *_SAID, *EDITED, *_BOX, AS_EXPORTED, *_EXPORTED)
    table = read_table(path, TableForm("the table of reviews", optional=optional, multiline=("comment",)))
    if not {"verdict", "name", *_NOTES, AS_EXPORTED} & set(table.columns):
        raise DataError("the table of reviews has no column `verdict`", where=path, hint=_MEND)
    if not {"media_id", "path", "file", "repeat_group"} & set(table.columns):
        raise DataError("the table of reviews does not say of which files it is", where=path, hint=_MEND)
    rows = table.rows
    try:
        day_before_month = day_first((f"row {row.line}", row["reviewed_at"]) for row in rows)
    except ValueError as error:
        raise DataError(f"reviewed_at: {error}", where=path, hint="write them so in the whole column") from error
    said: list[Said] = []
    wrong: list[str] = []
    for row in rows:
        try:
            if each := _said(row, now, day_before_month):
                said.append(each)
        except DataError as error:
            wrong.append(str(error))
        except ValueError as error:
            wrong.append(f"{row.where}: {error}")
    # an edited table of results has dozens of columns that say nothing here
    notes = table.notes if AS_EXPORTED not in table.columns else ()
    return ReviewTable(tuple(said), tuple(wrong), notes)


def _said(row: Row, now: datetime, day_before_month: bool | None) -> Said | None:
    """What a row says; None where it says nothing."""
    verdict, name = _word(row)
    notes = _notes(row)
    xywh = None if row[AS_EXPORTED] or row["repeat_group"] else _box(row)  # exported tables say where boxes are
    if verdict is None and (xywh or notes):
        verdict = NOTED
    if verdict is None:
        if row["reviewer"] or row["reviewed_at"] or row["comment"]:  # a person was here
            raise ValueError("it has no verdict")
        return None
    timed = bool(row["reviewed_at"])
    item, path = row["media_id"] or None, row["path"] or row["file"] or None
    group = None if item or path else row["repeat_group"] or None
    if item is None and path is None and group is None:
        raise ValueError("it does not say of which file it is: fill in media_id, or card and path")
    frame, box = (None if group else row.integer(name) for name in ("frame_number", "box"))
    if xywh is not None and box is None:  # drawn; its number depends on the file, which is yet to be found
        frame, box = frame or 0, DRAWN_FROM
    review = Review(
        reviewed_at=parse_date(row["reviewed_at"], day_before_month).time if timed else now,
        reviewer=row["reviewer"] or _ANYBODY,
        verdict=verdict,
        media_id=None if group else item or "",
        frame_number=frame,
        box=box,
        repeat_group=group,
        name=name,
        comment=row["comment"] or None,
        xywh=xywh,
        **vars(notes),
    )
    return Said(row.where, item, row["card"] or None, path, review, timed)


def _notes(row: Row) -> Traits:
    """Sex, life stage and count that a row gives; of an exported one those that were changed."""
    cells = {name: row[name].strip() for name in _NOTES}
    if row[AS_EXPORTED]:
        before = dict(zip(EDITED, (part.strip() for part in row[AS_EXPORTED].split("|")), strict=False))
        cells = {name: cell if cell != before.get(name, cell) else "" for name, cell in cells.items()}
    traits, problems = traits_of(**cells)
    if problems:
        raise ValueError("; ".join(problems))
    return traits


def _box(row: Row) -> Box | None:
    sides = [as_number(row[side]) for side in _BOX]
    if all(side is None for side in sides):
        return None
    x, y, w, h = sides
    if x is None or y is None or w is None or h is None:
        raise ValueError("a box has x, y, w and h: shares of the picture")
    return x, y, w, h


def _word(row: Row) -> tuple[str | None, str | None]:
    """Verdict and name: those that the row gives, else those that its edited cells mean."""
    verdict = row["verdict"].casefold()
    verdict = _OTHER_WORDS.get(verdict, verdict)
    if verdict or row["name"]:
        return verdict or "named", row["name"] or None
    if not row[AS_EXPORTED]:
        return None, None
    return _edit(row.cells, row[AS_EXPORTED])


def _edit(cells: Mapping[str, str], exported: str) -> tuple[str | None, str | None]:
    parts = [part.strip() for part in exported.split("|")]
    before = dict(zip(EDITED, parts, strict=False))
    if len(parts) not in (len(EDITED), len(EDITED) - len(_NOTES)):  # the latter by earlier versions
        raise ValueError(f"the column {AS_EXPORTED} was changed: it must stay as it was exported")
    now = {name: as_exported([cells[name]]) for name in ("kind", *_NAMES) if name in cells}
    changed = {name: now[name] for name in now if now[name] != before[name]}
    names = list(dict.fromkeys(changed[name] for name in _NAMES if changed.get(name)))
    if len(names) > 1:
        raise ValueError(f"its names were changed to different ones ({', '.join(names)}): change one of them")
    if names:
        return "named", names[0]
    kind = changed.get("kind", "").casefold()
    if kind:
        return _OTHER_WORDS.get(kind, kind), None
    if changed:
        raise ValueError(f"{', '.join(changed)} was emptied: write another name, or a kind such as bird or nothing")
    return None, None
