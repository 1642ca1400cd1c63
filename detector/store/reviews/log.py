"""What people said of boxes: only ever added to, the latest word wins."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from detector.store.reviews.growing import GrowingReviews, add_part, said_now
from detector.store.reviews.programs.reading import read_said
from detector.store.reviews.review import NOTED, VERDICTS, WITHDRAWN, Review, drawn_number
from detector.store.reviews.table import Said
from detector.store.reviews.targets import find_targets
from detector.store.reviews.words import Words, latest_words, sayings
from detector.store.schema import REVIEWS

__all__ = [
    "NOTED",
    "VERDICTS",
    "WITHDRAWN",
    "Imported",
    "Review",
    "Words",
    "append_reviews",
    "drawn_number",
    "import_reviews",
    "latest_reviews",
    "latest_words",
    "read_reviews",
    "read_words",
    "said_now",
    "withdraw",
]


AHEAD = timedelta(days=1)  # by which a time without an offset may be wrong


def append_reviews(folder: Path, reviews: Sequence[Review]) -> str | None:
    """Add reviews to a store, as one new part; safe beside a run that writes facts.

    Returns:
        Their `said_id`, for `withdraw`: what is said in one go has one in common; None where there are no reviews to
        add.
    """
    if not reviews:
        return None
    said_id = reviews[0].said_id or secrets.token_hex(8)
    rows = [_row(review if review.said_id else replace(review, said_id=said_id)) for review in reviews]
    table = pa.Table.from_pylist(rows, schema=REVIEWS)
    add_part(folder, table, max(review.reviewed_at for review in reviews))
    return said_id


def withdraw(folder: Path, said_id: str, reviewer: str, now: datetime | None = None) -> str:
    """Take back what was said in one go, of however many boxes; words from before, also of others, hold again.

    Args:
        folder: The store.
        said_id: From `append_reviews`, or of a `Review`; that of a withdrawal says again what it took back.
        reviewer: Who takes it back.
        now: When; by default `said_now`.

    Returns:
        The `said_id` of the withdrawal.
    """
    moment = now or said_now(folder)
    withdrawal = Review(moment, reviewer, WITHDRAWN, withdraws=said_id, said_id=secrets.token_hex(8))
    append_reviews(folder, [withdrawal])
    return str(withdrawal.said_id)


def read_reviews(folder: Path) -> list[Review]:
    """All that was said, oldest first; at the same moment in the order in which it was added.

    Raises:
        DataError: A part is damaged.
    """
    return GrowingReviews(folder).read()


def read_words(folder: Path) -> Words:
    """The last word on each target that was not withdrawn, by what it says."""
    return latest_words(read_reviews(folder))


def latest_reviews(folder: Path) -> list[Review]:
    """Those that say what something is, oldest first: later ones win where targets overlap."""
    return list(read_words(folder).identity)


def _row(review: Review) -> dict[str, Any]:
    return {**vars(review), **dict(zip("xywh", review.xywh or [None] * 4, strict=True))}


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
    moment = (now or said_now(folder)).astimezone(UTC).replace(tzinfo=None)
    table = read_said(folder, path, moment)
    known = read_reviews(folder)
    said = find_targets(folder, table.said, latest_words(known).drawn)
    wrong = list(table.wrong)
    reviews: list[tuple[Review, bool]] = []
    for each in said:
        problem = each.problem or (each.review.name and name_problem(each.review.name)) or _too_late(each, moment)
        if problem:
            wrong.append(f"{each.where}: {problem}")
        else:
            reviews.append((each.review, each.timed))
    new = _new_reviews(known, reviews)
    append_reviews(folder, new)
    return Imported(len(new), tuple(wrong), table.notes)


def _too_late(said: Said, now: datetime) -> str | None:
    """Why a word is of a time that cannot be: it would win over all that people say until then."""
    if said.review.reviewed_at <= now + AHEAD:
        return None
    when = f"{said.review.reviewed_at:%Y-%m-%d %H:%M} UTC"
    return f"it was said at {when}, which is later than now, {now:%Y-%m-%d %H:%M} UTC: is the year right?"


def _new_reviews(known: Sequence[Review], table: Sequence[tuple[Review, bool]]) -> list[Review]:
    """What the store does not hold: of rows with a time those it has not, of others those that say something else.

    A table without times is imported again and again while it grows: what it says anew must not outdo later words of
    others, but a person who changes a word, and changes it back, is taken at the last one.
    """
    exact = set(known)
    seconds = {_to_the_second(review) for review in known}  # as much as some programs' files hold
    last = {key: said for review in known for key, said in _sayings(review)}
    untimed = [review for review, timed in table if not timed]
    latest = {key: number for number, review in enumerate(untimed) for key, _ in _sayings(review)}
    new = [review for review, timed in table if timed and review not in exact and _to_the_second(review) not in seconds]
    new += [
        review
        for number, review in enumerate(untimed)
        if any(latest[key] == number and last.get(key) != said for key, said in _sayings(review))
    ]
    return list(dict.fromkeys(new))


def _sayings(review: Review) -> list[tuple[tuple[object, ...], object]]:
    """Each thing that a review says: of what, by whom and of which kind, and what."""
    said = sayings(review).items()
    return [((*review.target, review.reviewer, kind), (what, review.comment)) for kind, what in said]


def _to_the_second(review: Review) -> tuple[object, ...]:
    """What was said, and when, but for the comment, which no other program gives back as it was."""
    return review.reviewed_at.replace(microsecond=0), *replace(review, comment=None).said
