"""What is said of a whole file is said of the boxes that can be meant, and of no other."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.store.records_reader import read_media
from detector.store.reviews.log import Review, append_reviews
from detector.store.run_file import DetectorEntry
from detector.types import media_id

CATEGORIES = ["bird", "person", "fox"]


@pytest.mark.parametrize(
    ("verdict", "name", "expected"),
    [
        ("named", "Upupa epops", [("bird", "Upupa epops"), ("person", None), ("animal", None)]),
        ("named", "Vulpes vulpes", [("bird", None), ("person", None), ("animal", "Vulpes vulpes")]),
        ("bird", None, [("bird", "Aves"), ("person", None), ("animal", None)]),
        ("person", None, [("bird", None), ("person", None), ("animal", None)]),
        ("vehicle", None, [("vehicle", None)] * 3),  # no box can be meant before others: a person knows better
    ],
)
def test_word_on_a_file_is_of_the_boxes_of_that_kind(
    tmp_path: Path, facts_maker: SimpleNamespace, verdict: str, name: str | None, expected: list[tuple[str, str | None]]
) -> None:
    scores = ((0.9, 0.0, 0.0), (0.0, 0.9, 0.0), (0.0, 0.0, 0.9))
    boxes = [facts_maker.box(x=0.3 * place, w=0.1, label_scores=each) for place, each in enumerate(scores)]
    facts_maker.write(
        tmp_path, [[facts_maker.row("a.jpg", boxes=boxes)]], detector=DetectorEntry(name="d", categories=CATEGORIES)
    )
    append_reviews(tmp_path, [Review(datetime(2024, 5, 2), "Noa", verdict, media_id("card", "a.jpg"), name=name)])
    decide(tmp_path, DecideOptions())
    [record] = read_media(tmp_path)
    assert [(found.kind, found.name) for found in record.detections] == expected
