"""Large stores are decided camera by camera, and nothing comes out differently for it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.decisions.decide import decide
from detector.decisions.facts.portions import plan_portions
from detector.decisions.live import LiveDecisions
from detector.decisions.options import DecideOptions
from detector.store.reader import FactsReader
from detector.store.records_reader import read_effort, read_events, read_media, read_repeats, read_visits
from detector.store.reviews.log import Review, append_reviews, drawn_number
from detector.store.run_file import SpeciesEntry
from detector.store.schema import pack_vector
from detector.store.writer import FactsWriter
from detector.types import media_id

SPECIES = SpeciesEntry(name="classifier", classes=["Eurasian hoopoe", "Northern wheatear", "Isabelline wheatear", "?"])
START = datetime(2024, 5, 1, 6, 30)
NOW = datetime(2025, 1, 1)


def results(folder: Path, frames: int, options: DecideOptions) -> tuple[Any, ...]:
    """All decisions when so many frames make a portion; media items by card and path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detector.decisions.facts.portions.PORTION_FRAMES", frames)
        summary = decide(folder, options, now=NOW)
    media = sorted(read_media(folder), key=lambda item: (item.card, item.path))
    others = (read_events, read_repeats, read_effort, read_visits)
    return summary, media, *(list(read(folder)) for read in others)


@st.composite
def photos(draw: st.DrawFn) -> list[tuple[str, str, int, int, list[tuple[float, int]]]]:
    """Photos of three cameras, which two cards have: (card, path, seconds, content, boxes as score and class)."""
    places = st.tuples(st.sampled_from(["north", "south"]), st.sampled_from("abc"), st.integers(0, 9))
    box = st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 3))
    return [
        (
            card,
            f"{camera}/DCIM/{number}.jpg",
            draw(st.integers(0, 4000)),
            draw(st.integers(0, 12)),
            draw(st.lists(box, max_size=3)),
        )
        for card, camera, number in draw(st.lists(places, unique=True, max_size=12))
    ]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=photos(), frames=st.integers(1, 6), seed=st.integers(0, 99), across_cards=st.booleans())
def test_portions_decide_what_the_whole_does(
    tmp_path_factory: pytest.TempPathFactory,
    facts_maker: SimpleNamespace,
    drawn: list,
    frames: int,
    seed: int,
    across_cards: bool,
) -> None:
    folder = tmp_path_factory.mktemp("store")
    facts_maker.write(folder, [], species=SPECIES)
    with FactsWriter(folder, part_rows=4) as writer:
        for card, path, seconds, content, found in random.Random(seed).sample(drawn, len(drawn)):
            boxes = [
                facts_maker.box(
                    x=0.1 + 0.25 * n, label_scores=(score,), logits=pack_vector(6.0 * (np.arange(4) == best))
                )
                for n, (score, best) in enumerate(found)
            ]
            taken = START + timedelta(seconds=seconds)
            writer.add([facts_maker.row(path, card, boxes, captured_at=taken, content_hash=f"{content:032x}")])
    append_reviews(
        folder,
        [
            Review(START, "Noa", "named", media_id("north", "a/DCIM/0.jpg"), name="Upupa epops"),
            Review(START, "Dan", "nothing", media_id("south", "c/DCIM/1.jpg")),
            Review(START, "Dan", "nothing", media_id("nowhere", "1.jpg")),
        ],
    )
    # cameras that two cards have, or each card its own
    options = DecideOptions(camera_from=r"/([abc])/" if across_cards else None)
    assert results(folder, frames, options) == results(folder, 1000, options)


def test_repeats_and_copies_are_found_in_portions(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    stone = facts_maker.box(appearance=bytes(range(64)))
    rows = [
        [facts_maker.row(f"{place}/{n:02d}.jpg", boxes=[stone], captured_at=START + timedelta(hours=5 * n))]
        for place in "ab"
        for n in range(30)
    ]
    rows.append([facts_maker.row("c/copy.jpg", boxes=[stone], captured_at=START, content_hash=rows[0][0].content_hash)])
    folder = facts_maker.write(tmp_path, rows)
    portions = plan_portions(FactsReader(folder), [], None).portions
    assert portions == [None], "a small store is one"
    in_portions = results(folder, 30, DecideOptions())
    assert in_portions == results(folder, 1000, DecideOptions())
    summary, media, _, repeats, *_ = in_portions
    assert [(each.deployment_id, each.boxes) for each in repeats] == [("card/a", 30), ("card/b", 30)]
    assert (summary.duplicates, media[-1].duplicate_of) == (1, media_id("card", "a/00.jpg"))


def test_portions_hold_whole_cameras_up_to_a_limit(
    tmp_path: Path, facts_maker: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"a": 2, "b": 5, "c": 1, "d": 1}
    items = [[facts_maker.row(f"{place}/{n}.jpg")] for place, count in counts.items() for n in range(count)]
    facts_maker.write(tmp_path, [])
    with FactsWriter(tmp_path, part_rows=3) as writer:
        for item in items:
            writer.add(item)
    monkeypatch.setattr("detector.decisions.facts.portions.PORTION_FRAMES", 3)
    reader = FactsReader(tmp_path)
    found = plan_portions(reader, [], None).portions
    assert [sorted(folder for _, folder in each.folders) for each in found if each] == [["a"], ["b"], ["c", "d"]]
    parts = reader.parts()
    assert [list(each.parts) for each in found if each] == [parts[:1], parts[:3], parts[2:]]


def test_live_decisions_are_those_of_decide(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    """Word after word, on one camera after the other: the same names, counts and files as the whole decide gives."""
    empty = LiveDecisions(facts_maker.write(tmp_path / "empty", [], species=SPECIES), NOW).again([])
    assert (empty.media, empty.summary.events) == ({}, 0)
    box = facts_maker.box(label_scores=(0.9,), logits=pack_vector(np.array([9.0, 0, 0, 0])))
    items = [
        [facts_maker.row(f"{camera}/{number}.jpg", boxes=[box] * (number % 3), captured_at=START)]
        for camera in "abc"
        for number in range(4)
    ]
    folder = facts_maker.write(tmp_path / "out", items, species=SPECIES)
    live = LiveDecisions(folder, NOW)
    one, other = media_id("card", "a/1.jpg"), media_id("card", "b/0.jpg")
    place = (0.5, 0.5, 0.125, 0.125)
    said = [
        Review(START, "Noa", "named", one, 0, 0, name="Oenanthe oenanthe", sex="male"),
        Review(START, "Noa", "bird", other, 0, drawn_number(other, 0, place), xywh=place),
        Review(START, "Dan", "nothing", one),
        Review(START, "Dan", "noted", media_id("card", "b/2.jpg"), count=7),
        Review(START, "Dan", "bird", media_id("card", "gone.jpg")),
    ]
    for review in said:
        append_reviews(folder, [review])
        answer = live.again([str(review.media_id)])
        assert answer.summary == decide(folder, DecideOptions(), now=NOW)
        of_store = {item.media_id: item for item in read_media(folder)}
        assert answer.media == {item: of_store[item] for item in [review.media_id] if item in of_store}
