"""What people said of boxes: only ever added to, the latest word wins."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from detector.store.files import open_parquet, write_table
from detector.store.layout import reviews_folder
from detector.store.reviews.programs.reading import read_said
from detector.store.reviews.review import VERDICTS, WITHDRAWN, Review
from detector.store.reviews.targets import find_targets
from detector.store.schema import REVIEWS

__all__ = [
    "VERDICTS",
    "WITHDRAWN",
    "Imported",
    "Review",
    "append_reviews",
    "import_reviews",
    "latest_reviews",
    "read_reviews",
]
_MEND = "restore it from a copy, or delete it: what it says is lost then"


def append_reviews(folder: Path, reviews: Sequence[Review]) -> Path | None:
    """Add reviews to a store, as one new part; safe beside a run that writes facts.

    Returns:
        The part; None where there are no reviews to add.
    """
    if not reviews:
        return None
    table = pa.table({name: [getattr(review, name) for review in reviews] for name in REVIEWS.names}, schema=REVIEWS)
    path = reviews_folder(folder) / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.parquet"
    write_table(path, table)
    return path


def read_reviews(folder: Path) -> list[Review]:
    """All that was said, oldest first; at the same moment in the order in which it was added.

    Raises:
        DataError: A part is damaged.
    """
    reviews: list[Review] = []
    for path in sorted(reviews_folder(folder).glob("*.parquet")):
        with open_parquet(path, _MEND) as file:
            reviews.extend(Review(**row) for row in file.read().to_pylist())
    return sorted(reviews, key=lambda review: review.reviewed_at)


def latest_reviews(folder: Path) -> list[Review]:
    """The last word on each target that was not withdrawn, oldest first: later ones win where targets overlap."""
    latest: dict[tuple[object, ...], Review] = {}
    of_item: dict[str | None, set[tuple[object, ...]]] = {}
    for review in read_reviews(folder):
        targets = of_item.setdefault(review.media_id, set())
        if review.verdict == WITHDRAWN:
            for target in [target for target in targets if review.covers(latest[target])]:
                del latest[target]
                targets.remove(target)
            continue
        latest.pop(review.target, None)
        latest[review.target] = review
        targets.add(review.target)
    return list(latest.values())


@dataclass(frozen=True)
class Imported:
    """What came of a table of reviews.

    Attributes:
        new: How many reviews the store did not hold yet.
        wrong: Rows that could not be taken, each a sentence with its row and what to do.
        notes: What a person should know of how the table was read.
    """

    new: int
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def import_reviews(
    folder: Path,
    path: Path,
    *,
    now: datetime | None = None,
    name_problem: Callable[[str], str | None] = lambda _: None,
) -> Imported:
    """Add the reviews of a table that the store does not hold yet; a row that is wrong costs no other.

    Columns: `media_id`, or `card` and `path` (`card` may be left out where the path tells), or `repeat_group`;
    `frame_number` (blank: all frames), `box` (blank: all boxes of the frame); `verdict`, `name`, `reviewer`,
    `reviewed_at` (UTC or with an offset; blank: now), `comment`. An exported results.csv or results.xlsx in which kinds
    or names were changed is such a table too; so are files in which people corrected it in other programs: see
    `reviews.programs`.

    Args:
        folder: The store.
        path: The table: CSV, an Excel workbook, or another program's file.
        now: What counts as now.
        name_problem: Says what is wrong with a name, and which may be meant; None: it is a name.

    Raises:
        DataError: The table cannot be read, or the store is damaged.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    table = read_said(folder, path, moment)
    said = find_targets(folder, table.said)
    wrong = list(table.wrong)
    reviews: list[tuple[Review, bool]] = []
    for each in said:
        problem = each.problem or (each.review.name and name_problem(each.review.name))
        if problem:
            wrong.append(f"{each.where}: {problem}")
        else:
            reviews.append((each.review, each.timed))
    new = _new_reviews(read_reviews(folder), reviews)
    append_reviews(folder, new)
    return Imported(len(new), tuple(wrong), table.notes)


def _new_reviews(known: Sequence[Review], table: Sequence[tuple[Review, bool]]) -> list[Review]:
    """What the store does not hold: of rows with a time those it has not, of others those that say something else.

    A table without times is imported again and again while it grows: what it says anew must not outdo later words of
    others, but a person who changes a word, and changes it back, is taken at the last one.
    """
    exact = set(known)
    last = {(*review.target, review.reviewer): review for review in known}
    in_table = {(*review.target, review.reviewer): review for review, timed in table if not timed}
    new = [review for review, timed in table if timed and review not in exact]
    new += [review for key, review in in_table.items() if key not in last or last[key].said != review.said]
    return list(dict.fromkeys(new))
