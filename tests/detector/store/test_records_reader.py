"""What was decided comes back as it was, item by item."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backbones.errors import DataError
from detector.store import records, schema
from detector.store.records_reader import read_effort, read_events, read_media, read_repeats, read_visits


def test_empty_store_has_no_records(tmp_path: Path, store_maker: SimpleNamespace) -> None:
    store_maker.write(tmp_path, [])
    for read in (read_media, read_events, read_repeats, read_effort, read_visits):
        assert list(read(tmp_path)) == []


def test_store_without_decisions_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no decisions yet; run `hoopoe decide"):
        list(read_media(tmp_path))


def test_records_come_back_with_their_own_detections(tmp_path: Path, store_maker: SimpleNamespace) -> None:
    blank, one = store_maker.media("a.jpg"), store_maker.media("b.jpg")
    two = store_maker.media("c/d.jpg", detections=[store_maker.detection("?", box=box) for box in range(2)])
    two = store_maker.media(
        "c/d.jpg", detections=[store_maker.detection(two.media_id, box=box, score=0.5) for box in range(2)]
    )
    one = store_maker.media("b.jpg", detections=[store_maker.detection(one.media_id)])
    store_maker.write(tmp_path, [two, one, blank])
    assert list(read_media(tmp_path)) == [blank, one, two]


def test_decided_store_is_whole(decided_store: Path) -> None:
    media = list(read_media(decided_store))
    assert len(media) == 8
    assert sum(len(item.detections) for item in media) == 9
    assert [event.count for event in read_events(decided_store)] == [2, 1, 1]
    assert next(iter(read_effort(decided_store))).gaps[0].end.day == 12
    assert dict(next(iter(read_visits(decided_store))).details) == {"cameraID": "C1", "baitUse": "true"}
    assert next(iter(read_repeats(decided_store))).boxes == 40


def test_shown_keeps_what_a_person_confirmed_and_leaves_repeats_out(decided_store: Path) -> None:
    shown = {item.path: len(item.shown(0.6)) for item in read_media(decided_store)}
    assert shown["DCIM/100RECNX/IMG_0001.JPG"] == 1
    assert shown["DCIM/100RECNX/IMG_0002.JPG"] == 2
    assert shown["water/stone.JPG"] == 0


def test_damaged_table_is_named(decided_store: Path) -> None:
    path = decided_store / "decisions" / "media.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="damaged") as caught:
        list(read_media(decided_store))
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("record", "table"),
    [
        (records.DetectionRecord, schema.DETECTIONS),
        (records.MediaRecord, schema.MEDIA),
        (records.EventRecord, schema.EVENTS),
        (records.RepeatRecord, schema.REPEATS),
        (records.EffortRecord, schema.EFFORT),
        (records.DeploymentRecord, schema.DEPLOYMENTS),
    ],
)
def test_records_have_the_columns_of_their_tables(record: type, table: Any) -> None:
    names = [field.name for field in fields(record)]
    assert names == table.names + (["detections"] if record is records.MediaRecord else [])
