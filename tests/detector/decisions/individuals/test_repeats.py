"""Repeats: a stone is left out of the counts, and a bird that sits is not."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.decisions.decide import decide
from detector.decisions.individuals.repeats import FEWEST_FRAMES, CameraBoxes, find_repeats
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.species.calibration import Calibration
from detector.store.records_reader import read_media, read_repeats
from detector.store.reviews.log import append_reviews, import_reviews
from detector.store.reviews.review import Review
from detector.store.run_file import SpeciesEntry
from detector.store.schema import pack_vector
from detector.types import media_id

STONE = [0.5, 0.5, 0.1, 0.08]
START, HOUR = datetime(2024, 5, 1, 6, 0), timedelta(hours=1)
CLASSES = ["Grey heron", "Northern wheatear"]
Maker = SimpleNamespace


def repeats(xywh, looks, camera=None, sequence=None, hours=None, days=5):  # type: ignore[no-untyped-def]
    """Of boxes in photos five hours apart, unless said otherwise; None: no time is known."""
    count = len(xywh)
    frames = np.arange(count)
    hours = 5 * frames if hours is None else hours
    times = np.array([np.timedelta64("NaT") if hour is None else np.timedelta64(int(60 * hour), "m") for hour in hours])
    boxes = CameraBoxes(
        np.array(xywh, np.float32).reshape(-1, 4),
        np.array(looks, np.uint8).reshape(-1, 64),
        np.ones(count, bool),
        np.zeros(count, int) if camera is None else np.array(camera),
        frames,
        frames if sequence is None else np.array(sequence),
        np.datetime64("2024-05-01T00:30", "ms") + times.astype("timedelta64[ms]"),
    )
    return find_repeats(boxes, days)


@pytest.fixture
def stones() -> tuple[np.ndarray, np.ndarray]:
    """A stone in 60 photos: its box and its light waver."""
    rng = np.random.default_rng(0)
    w, h = STONE[2:]
    boxes = np.array(STONE) + rng.uniform(-0.01, 0.01, (60, 4)) * [w, h, w, h]
    looks = rng.uniform(50, 150, 64)[None] * rng.uniform(0.6, 1.4, (60, 1)) + rng.normal(0, 3, (60, 64))
    return boxes, looks.clip(0, 255)


def test_nothing_repeats_in_nothing() -> None:
    assert len(repeats([], [])) == 0


def test_stone_is_one_group(stones: tuple[np.ndarray, np.ndarray]) -> None:
    assert set(repeats(*stones).tolist()) == {0}


def test_bird_that_changes_its_looks_is_none(stones: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, _ = stones
    looks = np.random.default_rng(1).integers(0, 255, (60, 64))
    assert set(repeats(boxes, looks).tolist()) == {-1}


def test_few_frames_few_sequences_and_several_cameras_are_none(stones: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, looks = stones
    few = FEWEST_FRAMES - 1
    assert set(repeats(boxes[:few], looks[:few]).tolist()) == {-1}
    assert set(repeats(boxes, looks, sequence=np.arange(60) // 15).tolist()) == {-1}
    assert set(repeats(boxes, looks, camera=np.arange(60) % 4).tolist()) == {-1}


def test_stone_by_day_and_by_night_is_one_group(stones: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, looks = stones
    looks = np.where(np.arange(60)[:, None] % 2, looks, 255 - looks)
    assert set(repeats(boxes, looks).tolist()) == {0}


@settings(max_examples=30)
@given(
    st.floats(0.01, 0.7), st.floats(0.01, 0.7), st.floats(0.01, 0.25), st.floats(0.01, 0.25), st.integers(0, 2**32 - 1)
)
def test_stone_is_found_wherever_it_lies_among_birds(x: float, y: float, w: float, h: float, seed: int) -> None:
    """No place in the frame falls between the cells of the search."""
    rng = np.random.default_rng(seed)
    first = np.array([[x, y, w, h]])
    near = first + rng.uniform(-0.012, 0.012, (40, 4)) * [w, h, w, h]  # of IoU 0.9 and more with the first
    birds = np.concatenate([rng.uniform(0, 0.7, (200, 2)), rng.uniform(0.02, 0.3, (200, 2))], axis=1)
    face = rng.integers(0, 255, 64)
    looks = np.concatenate([np.tile(face, (41, 1)), rng.integers(0, 255, (200, 64))])
    found = repeats(np.concatenate([first, near, birds]), looks)
    assert set(found[:41].tolist()) == {0}
    assert set(found[41:].tolist()) <= {-1}


def test_a_thing_is_seen_on_many_days_and_at_several_hours(stones: tuple[np.ndarray, np.ndarray]) -> None:
    number = np.arange(60)
    assert set(repeats(*stones, hours=number / 60).tolist()) == {-1}, "a heron that stands for an hour"
    assert set(repeats(*stones, hours=number * 72 / 60).tolist()) == {-1}, "a bird on its nest for three days"
    assert set(repeats(*stones, hours=number * 72 / 60, days=3).tolist()) == {0}, "unless one says that it is none"
    assert set(repeats(*stones, hours=number / 15, days=3).tolist()) == {-1}, "four hours of one day"
    assert set(repeats(*stones, hours=number // 3 * 24 + number % 3 / 9).tolist()) == {-1}, "a perch at the same hour"
    assert set(repeats(*stones, hours=number * 21 * 24 / 60).tolist()) == {0}, "a stone for three weeks"


def test_boxes_without_a_time_go_with_the_stone_but_make_none(stones: tuple[np.ndarray, np.ndarray]) -> None:
    assert set(repeats(*stones, hours=[None] * 60).tolist()) == {-1}
    assert set(repeats(*stones, hours=[None if n % 2 else 5 * n for n in range(60)]).tolist()) == {0}


def test_a_stone_before_and_after_the_camera_was_bumped_is_two(stones: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, looks = stones
    moved = boxes + np.where(np.arange(60) < 30, 0, 0.1)[:, None] * [1, 1, 0, 0]
    assert repeats(moved, looks).tolist() == [0] * 30 + [30] * 30


def test_a_perch_of_many_birds_is_none(stones: tuple[np.ndarray, np.ndarray]) -> None:
    """Some sit just as others sat, but as many do not."""
    boxes, looks = stones
    rng = np.random.default_rng(3)
    others = np.array(STONE) * np.concatenate([np.ones((90, 2)), rng.uniform(0.6, 0.8, (90, 2))], axis=1)
    other_looks = rng.integers(0, 255, (90, 64))
    order = rng.permutation(150)
    everything, all_looks = np.concatenate([boxes, others])[order], np.concatenate([looks, other_looks])[order]
    assert set(repeats(everything, all_looks).tolist()) == {-1}
    few = np.concatenate([boxes, others[:30]]), np.concatenate([looks, other_looks[:30]])
    assert set(repeats(*few)[:60].tolist()) == {0}


def logits(sure: float) -> bytes:
    return pack_vector(np.array([sure, 0.0]))


def look(seed: int) -> bytes:
    return np.random.default_rng(seed).integers(0, 255, 64, np.uint8).tobytes()


def stone_store(maker: Maker, folder: Path, found: Sequence[Sequence[dict[str, Any]]], hours: float = 5) -> Path:
    """Photos so many hours apart."""
    items = [
        [
            maker.row(
                f"{n:03}.jpg",
                boxes=[maker.box(**box) for box in boxes],
                captured_at=START + n * timedelta(0, 3600 * hours),
            )
        ]
        for n, boxes in enumerate(found)
    ]
    return maker.write(folder, items, species=SpeciesEntry(name="classifier", classes=CLASSES))


STILL = {"appearance": look(5), "logits": logits(1.0)}
BIRD = {"x": 0.7, "appearance": look(6), "logits": logits(9.0)}


def decided(folder: Path, **options: Any) -> Any:
    return decide(folder, DecideOptions.model_validate(options))


@pytest.mark.parametrize("minutes", [1 / 3, 1, 15])
def test_a_heron_that_stands_still_is_counted(tmp_path: Path, facts_maker: Maker, minutes: float) -> None:
    summary = decided(stone_store(facts_maker, tmp_path, [[STILL]] * 60, minutes / 60))
    assert (summary.detections, summary.blank, summary.repeat_groups) == (60, 0, 0)


def test_what_the_classifier_is_sure_is_a_bird_is_listed_but_counted(tmp_path: Path, facts_maker: Maker) -> None:
    sure = STILL | {"logits": logits(9.0)}
    folder = stone_store(facts_maker, tmp_path / "out", [[sure] if n % 6 == 0 else [STILL] for n in range(30)])
    summary = decided(folder)
    assert (summary.detections, summary.repeated, summary.repeat_groups) == (5, 25, 1)
    [group] = read_repeats(folder)
    assert (group.boxes, group.left_out, group.suppressed, group.path) == (30, 25, True, "000.jpg")
    assert all(box.needs_review for item in read_media(folder) for box in item.detections)
    gate = tmp_path / "calibration.json"  # where one was fitted, it says what is a bird
    Calibration.model_validate({"gate_low": -20.0, "gate_high": -5.0}).write(gate)
    assert decided(folder, calibration=str(gate)).repeated == 30
    Calibration.model_validate({"gate_low": -1.0, "gate_high": -0.5}).write(gate)
    assert decided(folder, calibration=str(gate)).repeated == 0


def test_what_moves_within_a_burst_is_counted(tmp_path: Path, facts_maker: Maker) -> None:
    """In one burst the thing walks away."""
    maker, elsewhere = facts_maker, STILL | {"x": 0.25 + 0.12}
    items = [
        [maker.row(f"{n:03}.jpg", boxes=[maker.box(**STILL)], captured_at=START + n * timedelta(hours=5))]
        for n in range(30)
    ]
    walked = items[7][0].captured_at + timedelta(seconds=2)
    items.append([maker.row("007b.jpg", boxes=[maker.box(**elsewhere)], captured_at=walked)])
    maker.write(tmp_path, items, species=SpeciesEntry(name="classifier", classes=CLASSES))
    decided(tmp_path)
    counted = [item.path for item in read_media(tmp_path) if not item.blank]
    assert counted == ["007.jpg", "007b.jpg"]


def test_a_word_on_a_whole_file_brings_no_stone_back_unless_it_is_real(tmp_path: Path, facts_maker: Maker) -> None:
    folder = stone_store(facts_maker, tmp_path, [[STILL, BIRD] if n < 3 else [STILL] for n in range(30)])
    decided(folder)

    def of(number: int, verdict: str, **what: Any) -> Review:
        return Review(START, "Noa", verdict, media_id("card", f"{number:03}.jpg"), **what)

    append_reviews(
        folder, [of(0, "named", name="Upupa epops"), of(1, "real"), of(2, "bird", frame_number=0), of(4, "bird")]
    )
    append_reviews(folder, [of(5, "bird", frame_number=0, box=0)])
    summary = decided(folder)
    items = list(read_media(folder))
    assert [[box.suppressed for box in items[n].detections] for n in range(3)] == [
        [True, False],
        [False] * 2,
        [True, False],
    ]
    assert [item.detections[0].suppressed for item in items[3:6]] == [True, True, False]
    assert items[0].detections[1].name == "Upupa epops"
    assert summary.lost_reviews == 1, "a word on a file in which there is nothing but the stone is told"


def test_a_thing_of_two_days_is_listed_and_counted(tmp_path: Path, facts_maker: Maker) -> None:
    """So a person may still say in one word that it is nothing, and a word on a file means its bird."""
    folder = stone_store(facts_maker, tmp_path, [[STILL, BIRD] if n == 3 else [STILL] for n in range(25)], 1)
    summary = decided(folder)
    assert (summary.repeat_groups, summary.repeated, summary.detections) == (1, 0, 26)
    append_reviews(folder, [Review(START, "Noa", "named", media_id("card", "003.jpg"), name="Upupa epops")])
    append_reviews(folder, [Review(START, "Noa", "named", media_id("card", "004.jpg"), name="Upupa epops")])
    decided(folder)
    boxes = {item.path: [box.name for box in item.detections] for item in read_media(folder)}
    assert [name == "Upupa epops" for name in boxes["003.jpg"]] == [False, True]
    assert boxes["004.jpg"] == ["Upupa epops"], "where there is nothing else"
    [group] = read_repeats(folder)
    append_reviews(folder, [Review(START + HOUR, "Noa", "nothing", repeat_group=group.repeat_group)])
    assert decided(folder).detections == 1
    assert decided(folder, repeat_days=2).repeated == 25


def test_each_thing_is_a_row_in_which_a_person_writes_one_word(tmp_path: Path, facts_maker: Maker) -> None:
    folder = stone_store(facts_maker, tmp_path, [[STILL, BIRD | {"x": 0.7 + n / 100}] for n in range(28)])
    decided(folder)
    path = folder / "repeats.csv"
    assert path in export(folder, ["csv"])
    with path.open(encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["example"], row["n_detections"], row["left_out"], row["verdict"]) == ("000.jpg", "28", "28", "")
    assert import_reviews(folder, path).new == 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row | {"verdict": "real"})
    assert import_reviews(folder, path).new == 1
    assert decided(folder).repeated == 0
    [group] = read_repeats(folder)
    assert (group.suppressed, group.left_out) == (False, 0)
