"""What people said of boxes: only ever added to, the latest word wins."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from backbones.errors import DataError
from detector.base.dates import day_first, parse_date
from detector.base.tables import Row, read_table
from detector.store.files import open_parquet, write_table
from detector.store.ids import current_id
from detector.store.layout import reviews_folder
from detector.store.run_json import read_run
from detector.store.schema import REVIEWS
from detector.types import media_id

VERDICTS = ("named", "bird", "animal", "person", "vehicle", "nothing", "real")  # `real`: not a repeat
_MEND = "restore it from a copy, or delete it: what it says is lost then"


@dataclass(frozen=True)
class Review:
    """One word of a person; see `schema.REVIEWS`.

    Raises:
        ValueError: It is of nothing or of two things, or its verdict is unknown or lacks a name.
    """

    reviewed_at: datetime
    reviewer: str
    verdict: str
    media_id: str | None = None
    frame_number: int | None = None
    box: int | None = None
    repeat_group: str | None = None
    name: str | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict '{self.verdict}' is none of {', '.join(VERDICTS)}")
        if (self.verdict == "named") != (self.name is not None):
            raise ValueError("the verdict `named` comes with a name, and no other does")
        if (self.media_id is None) == (self.repeat_group is None):
            raise ValueError("a review is of a media item or of a group of repeats")
        if self.box is not None and self.frame_number is None:
            raise ValueError("a box is one of a frame: give its frame_number, 0 in photos")
        for name in ("media_id", "repeat_group"):
            if (text := getattr(self, name)) is not None:
                object.__setattr__(self, name, current_id(text))
        if self.reviewed_at.tzinfo is not None:
            object.__setattr__(self, "reviewed_at", self.reviewed_at.astimezone(UTC).replace(tzinfo=None))

    @property
    def target(self) -> tuple[str | None, int | None, int | None, str | None]:
        """What it is of."""
        return self.media_id, self.frame_number, self.box, self.repeat_group


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
    """The last word on each target, oldest first: later ones win over earlier ones where targets overlap."""
    latest: dict[tuple[object, ...], Review] = {}
    for review in read_reviews(folder):
        latest.pop(review.target, None)
        latest[review.target] = review
    return list(latest.values())


def import_reviews(folder: Path, path: Path, *, now: datetime | None = None) -> int:
    """Add the reviews of a CSV table that the store does not hold yet.

    Columns: `media_id`, or `card` and `path` (`card` may be left out where there is only one); `frame_number` (blank:
    all frames), `box` (blank: all boxes of the frame) or `repeat_group` instead; `verdict`, `name`, `reviewer`,
    `reviewed_at` (UTC or with an offset; blank: now), `comment`.

    Args:
        folder: The store.
        path: The table; see `base.tables`.
        now: What counts as now.

    Returns:
        How many were new.

    Raises:
        DataError: The table cannot be read, or a row is wrong; names the row.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    run = read_run(folder)
    cards = sorted(run.cards) if run is not None else []
    known = read_reviews(folder)
    exact = set(known)
    untimed = {replace(review, reviewed_at=datetime.min) for review in known}
    new = []
    for review, timed in _rows(path, cards, moment):
        # a table without times is imported again and again while it grows: it must not outdo later words each time
        if review in exact or (not timed and replace(review, reviewed_at=datetime.min) in untimed):
            continue
        new.append(review)
    append_reviews(folder, new)
    return len(new)


def _rows(path: Path, cards: Sequence[str], now: datetime) -> Iterator[tuple[Review, bool]]:
    table = read_table(
        path,
        what="the table of reviews",
        required=["verdict"],
        optional=sorted({*(field.name for field in fields(Review)), "card", "path"} - {"verdict"}),
        multiline=["comment"],
    )
    rows = table.rows
    try:
        day_before_month = day_first((f"row {row.line}", row["reviewed_at"]) for row in rows)
    except ValueError as error:
        raise DataError(f"reviewed_at: {error}", where=path, mend="write them so in all rows") from error
    for row in rows:
        try:
            yield _review(row, cards, now, day_before_month), bool(row["reviewed_at"])
        except DataError:
            raise
        except ValueError as error:
            raise row.error(str(error)) from error


def _review(row: Row, cards: Sequence[str], now: datetime, day_before_month: bool | None) -> Review:
    item = row["media_id"] or None
    if item is None and row["path"]:
        card = row["card"] or (cards[0] if len(cards) == 1 else None)
        if card is None:
            raise ValueError("the column `card` must say on which card the path is")
        item = media_id(card, row["path"].replace("\\", "/"))
    return Review(
        reviewed_at=parse_date(row["reviewed_at"], day_before_month).time if row["reviewed_at"] else now,
        reviewer=row["reviewer"] or "unknown",
        verdict=row["verdict"],
        media_id=item,
        frame_number=row.integer("frame_number"),
        box=row.integer("box"),
        repeat_group=row["repeat_group"] or None,
        name=row["name"] or None,
        comment=row["comment"] or None,
    )
