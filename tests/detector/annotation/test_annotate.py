"""Annotation as a whole: facts depend on the file alone, and on nothing around it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from detector.annotation.options import SeeingOptions, WorkOptions
from detector.annotation.run import annotate
from detector.store.reader import FactsReader
from detector.store.schema import unpack_vector

WHOLE = WorkOptions(batch_size=3, crop_batch_size=5, workers=1)


def facts(store: Path):
    """Path -> rows of the item."""
    items = {}
    for rows in FactsReader(store).items():
        assert rows[0].path not in items, "recorded twice"
        items[rows[0].path] = rows
    return items


def assert_same(one, other, atol=1e-4):
    """Equal facts, but for rounding."""
    assert one.keys() == other.keys()
    for path, rows in one.items():
        assert len(rows) == len(other[path])
        for row, twin in zip(rows, other[path], strict=True):
            assert dataclasses.replace(row, detections=None, failure="-") == dataclasses.replace(
                twin, detections=None, failure="-"
            )
            assert row.failure == twin.failure
            assert len(row.detections or ()) == len(twin.detections or ())
            for box, other_box in zip(row.detections or (), twin.detections or (), strict=True):
                numbers = ("x", "y", "w", "h", "label_scores")
                for name in numbers:
                    np.testing.assert_allclose(getattr(box, name), getattr(other_box, name), atol=atol)
                assert box.track_id == other_box.track_id
                assert (box.logits is None) == (other_box.logits is None)
                if box.logits is not None:
                    np.testing.assert_allclose(unpack_vector(box.logits), unpack_vector(other_box.logits), atol=0.02)


def test_a_card_becomes_facts(make_card, tmp_path, detector, species, work):
    card = make_card()
    report = annotate([card], tmp_path / "out", detector, species, SeeingOptions(), work, quiet=True)
    items = facts(tmp_path / "out")
    assert (report.files, report.failed) == (7, 0)
    assert len(items) == 7
    video = items["DCIM/VID_0000.mp4"]
    assert [row.frame_number for row in video] == [0, 5, 10]
    assert sum(len(row.detections) for rows in items.values() for row in rows) > 0
    for rows in items.values():
        for row in rows:
            for box in row.detections:
                bird = box.label_scores[0] > 0
                assert (box.logits is not None) == bird
                assert (box.track_id is not None) == (row.media_type == "video")
