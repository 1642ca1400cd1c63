"""Ids begin with a letter, and stores of the time when they did not stay whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq

from detector.store.cards import list_cards
from detector.store.media_ids import current_id
from detector.store.reader import FactsReader, finished
from detector.store.reviews.log import Review
from detector.types import media_id


def test_ids_are_no_numbers() -> None:
    for path in map("IMG_{:04}.JPG".format, range(2000)):  # of 16 hexadecimal digits one in 2,000 is a number
        key = media_id("card", path)
        assert key[0] == "m"
        assert len(key) == 17


def test_store_of_older_ids_goes_on(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    new = [[facts_maker.row(f"{name}.mp4", media_type="video", frame_number=n) for n in range(2)] for name in "ab"]
    old = [[replace(row, media_id=row.media_id[1:]) for row in rows] for rows in new]
    facts_maker.write(tmp_path, old)
    assert finished(tmp_path) == {rows[0].media_id for rows in new}
    assert list(FactsReader(tmp_path).items()) == [tuple(rows) for rows in new]


def test_reviews_of_older_ids_hold() -> None:
    key = media_id("card", "a.jpg")
    said = [Review(datetime(2024, 5, 1), "Noa", "bird", media_id=text) for text in (key, key[1:])]
    assert said[0] == said[1]
    group = Review(datetime(2024, 5, 1), "Noa", "real", repeat_group=f"{key[1:]}:0:3")
    assert group.repeat_group == f"{key}:0:3"
    assert current_id(key) == key


def test_times_beyond_the_calendar_are_none(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg")], [facts_maker.row("b.jpg", captured_at=datetime.max)]])
    [part] = FactsReader(tmp_path).parts()
    table = pq.read_table(part)
    far = pa.array([2**62, 0], pa.int64()).cast(table.schema.field("captured_at").type)
    place = table.schema.get_field_index("captured_at")
    pq.write_table(table.set_column(place, table.schema.field(place), far), part)
    times = [rows[0].captured_at for rows in FactsReader(tmp_path).items()]
    assert times == [None, datetime(1970, 1, 1)]
    [card] = list_cards(tmp_path)
    assert card.last == datetime(1970, 1, 1)
