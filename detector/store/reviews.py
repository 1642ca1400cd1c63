"""What people said of boxes: only ever added to, the latest word wins."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from backbones.errors import DataError
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
        path: The table, UTF-8.
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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the reviews cannot be read ({error})", where=path, mend="give a CSV file in UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = {*(field.name for field in fields(Review)), "card", "path"}
    unknown = [name for name in reader.fieldnames or () if name not in columns]
    if unknown or "verdict" not in (reader.fieldnames or ()):
        problem = f"unknown column '{unknown[0]}'" if unknown else "there is no column `verdict`"
        raise DataError(problem, where=path, mend=f"columns are {', '.join(sorted(columns))}")
    for row in reader:
        values = {key: value.strip() for key, value in row.items() if key and isinstance(value, str) and value.strip()}
        if not values:
            continue
        try:
            yield _review(values, cards, now), "reviewed_at" in values
        except ValueError as error:
            raise DataError(str(error), where=f"{path}:{reader.line_num}", mend="correct that row") from error


def _review(values: Mapping[str, str], cards: Sequence[str], now: datetime) -> Review:
    item = values.get("media_id")
    if item is None and "path" in values:
        card = values.get("card") or (cards[0] if len(cards) == 1 else None)
        if card is None:
            raise ValueError("the column `card` must say on which card the path is")
        item = media_id(card, values["path"].replace("\\", "/"))
    return Review(
        reviewed_at=datetime.fromisoformat(values["reviewed_at"]) if "reviewed_at" in values else now,
        reviewer=values.get("reviewer", "unknown"),
        verdict=values.get("verdict", ""),
        media_id=item,
        frame_number=_number(values.get("frame_number")),
        box=_number(values.get("box")),
        repeat_group=values.get("repeat_group"),
        name=values.get("name"),
        comment=values.get("comment"),
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
