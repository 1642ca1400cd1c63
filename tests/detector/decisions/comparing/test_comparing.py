"""Two stores of the same footage: what changed, and which is nearer to people's words, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from backbones.errors import DataError
from detector.cli.main import main
from detector.decisions.comparing.changes import BIRDS, BLANK, NO_BOX, find_changes, matched
from detector.decisions.comparing.comparison import compare_stores
from detector.decisions.comparing.footage import Footage
from detector.decisions.comparing.judging import is_reviewed, judge, verdicts
from detector.species.learning.learnt import DIGITS
from detector.store.records import Candidate, EventRecord, MediaRecord
from tests.detector.small_stores import make_detection, make_media

HOOPOE, TIT = "Upupa epops", "Parus major"
LEFT, RIGHT = {"x": 0.1, "y": 0.1, "w": 0.2, "h": 0.2}, {"x": 0.6, "y": 0.6, "w": 0.2, "h": 0.2}


def bird(media: str, name: str = HOOPOE, place: dict = LEFT, **changes: object) -> object:
    return make_detection(media, name=name, display_name=name, candidates=(Candidate(name, 0.9),), **place, **changes)


def said(media: str, name: str = HOOPOE, place: dict = LEFT, **changes: object) -> object:
    return bird(media, name, place, reviewed_by="Noa", confidence=1.0, **changes)


def photo(name: str, *boxes: object, **changes: object) -> MediaRecord:
    return make_media(f"{name}.jpg", detections=boxes, **changes)  # type: ignore[arg-type]


def footage(*files: MediaRecord, events: tuple[EventRecord, ...] = ()) -> Footage:
    return Footage({record.path: record for record in files}, events, 0.2)


def test_stores_without_files_have_nothing_in_common() -> None:
    changes = find_changes(footage(), footage(photo("a")))
    assert (changes.common, changes.only_first, changes.only_second) == (0, 0, 1)
    assert not changes.files


def test_states_names_and_events_that_changed_are_counted() -> None:
    first = footage(photo("a", bird("a")), photo("b"), photo("c", bird("c"), bird("c", TIT, RIGHT)))
    second = footage(photo("a", bird("a", TIT)), photo("b", bird("b")), photo("c", bird("c")))
    changes = find_changes(first, second)
    assert changes.files == {(BIRDS, BIRDS): 2, (BLANK, BIRDS): 1}
    assert changes.names == {(HOOPOE, TIT): 1, (HOOPOE, HOOPOE): 1, (NO_BOX, HOOPOE): 1, (TIT, NO_BOX): 1}


def test_boxes_are_matched_each_once_and_within_their_frame() -> None:
    near = dict(LEFT, x=0.12)
    one = [bird("a"), bird("a", place=near, box=1), bird("a", frame_number=3)]
    pairs = matched(one, [bird("a", place=near), bird("a", frame_number=4)])  # type: ignore[arg-type, list-item]
    assert [(a is not None, b is not None) for a, b in pairs].count((True, True)) == 1
    assert len(pairs) == 4
    assert pairs[0][0] is one[1], "the one that overlaps it most"


def test_a_file_is_reviewed_when_people_spoke_of_all_that_counts() -> None:
    assert not is_reviewed(photo("a", bird("a")), 0.2)
    assert not is_reviewed(photo("a", said("a"), bird("a", place=RIGHT)), 0.2)
    assert is_reviewed(photo("a", said("a"), bird("a", place=RIGHT, score=0.1)), 0.2)
    assert is_reviewed(photo("a", blank_by="Noa"), 0.2)
    assert not is_reviewed(photo("a"), 0.2), "a blank that nobody confirmed"
    assert bird("a", reviewed_by="Noa").said_species is None, "'a bird' names no species"  # type: ignore[arg-type]


def test_figures_by_hand() -> None:
    truth = footage(
        photo("a", said("a")),
        photo("b", said("b", TIT), said("b", TIT, RIGHT, box=1)),
        photo("c", blank_by="Noa"),
    )
    first = footage(photo("a", bird("a")), photo("b", bird("b")), photo("c", bird("c")))
    second = footage(photo("a", bird("a")), photo("b", bird("b", TIT), bird("b", TIT, RIGHT)), photo("c"))
    judged = judge([truth], first, second)
    assert (judged.files, judged.reviewed) == (2, 3)
    assert judged.names is not None
    assert [each.top1.value for each in judged.names] == [pytest.approx(1 / 3), 1.0]
    assert judged.names[0].macro_f1.value == pytest.approx((2 / 3 + 0) / 2), "the hoopoe: 1 of 1, named twice"
    assert judged.recall is not None
    assert (judged.recall.first.value, judged.recall.second.value) == (pytest.approx(2 / 3), 1.0)
    assert judged.false_boxes is not None
    assert (judged.false_boxes.first.value, judged.false_boxes.second.value) == (pytest.approx(1 / 3), 0.0)
    assert {title for title, _ in verdicts(judged)} >= {"names (top-1)", "birds found", "false boxes"}


def test_counts_are_held_against_those_of_people() -> None:
    moment = datetime(2024, 5, 1, 6, 30)
    event = EventRecord("e1", "card", "card", "bird", TIT, "species", TIT, moment, moment, None, None, 2, 2, 1, 1.0)
    boxes = said("a", TIT, event_id="e1"), said("a", TIT, RIGHT, box=1, event_id="e1")
    truth = footage(photo("a", *boxes), events=(event,))
    one, both = footage(photo("a", bird("a", TIT))), footage(photo("a", *boxes))
    judged = judge([truth], one, both)
    assert judged.count_error is not None
    assert (judged.count_error.first.value, judged.count_error.second.value) == (1.0, 0.0)
    other = footage(photo("a", bird("a", HOOPOE), bird("a", HOOPOE, RIGHT, box=1)))
    judged = judge([truth], one, other)
    assert judged.count_error is not None
    assert judged.at_once_error is not None
    assert (judged.at_once_error.first.value, judged.at_once_error.second.value) == (1.0, 0.0)
    assert (judged.count_error.first.value, judged.count_error.second.value) == (1.0, 2.0), "two of another name"
    assert judge([truth], other, other).count_error is None, "neither calls a bird so"


def test_runs_that_name_no_species_are_not_compared_by_name() -> None:
    run = footage(photo("a", make_detection("a", name=None, display_name="bird", rank=None, candidates=(), **LEFT)))
    judged = judge([footage(photo("a", said("a")))], run, run)
    assert (judged.files, judged.names, judged.gain) == (1, None, None)
    assert judged.recall is not None


def test_events_that_a_classifier_learnt_from_do_not_count_for_names() -> None:
    """It knows the answer; that its neighbours in the event look alike is no merit either."""
    keys = [str(n) * 64 for n in range(3)]

    def run(make: Callable[..., object], names: tuple[str, ...], learnt: frozenset[str] = frozenset()) -> Footage:
        records = [photo(f"{n}", make(f"{n}", name), sequence_id=f"s{n // 2}") for n, name in enumerate(names)]
        return Footage(dict(zip(keys, records, strict=True)), (), 0.2, learnt)

    truth, first = run(said, (TIT,) * 3), run(bird, (HOOPOE, HOOPOE, TIT))
    second = run(bird, (TIT, TIT, HOOPOE), frozenset({keys[0][:DIGITS]}))
    judged = judge([truth], first, second)
    assert (judged.files, judged.taught) == (3, 2)
    assert judged.names is not None
    assert [each.top1.value for each in judged.names] == [1.0, 0.0]


def test_where_people_counted_fewer_birds_than_boxes_no_box_is_held_against_a_run() -> None:
    boxes = said("a", TIT), said("a", TIT, RIGHT, box=1, count=0)
    run = footage(photo("a", bird("a", TIT)))
    judged = judge([footage(photo("a", *boxes))], run, run)
    assert judged.reviewed == 1
    assert (judged.recall, judged.false_boxes) == (None, None)
    assert judged.names is not None
    assert judged.names[0].birds == 1


def test_better_names_in_many_events_are_called_better_and_few_are_not() -> None:
    for number, verdict in ((30, 1), (10, 0), (1, 0)):
        truth, first, second = [], [], []
        for n in range(number):
            truth.append(photo(f"{n}", said(f"{n}"), sequence_id=f"s{n}"))
            first.append(photo(f"{n}", bird(f"{n}", TIT if n % 2 == 0 else HOOPOE)))
            second.append(photo(f"{n}", bird(f"{n}")))
        judged = judge([footage(*truth)], footage(*first), footage(*second))
        assert dict(verdicts(judged))["names (top-1)"] == verdict


def test_a_file_is_reviewed_by_the_threshold_of_the_run_in_which_people_spoke() -> None:
    boxes = said("a"), bird("a", place=RIGHT, score=0.3, box=1)
    silent, spoken = footage(photo("a")), Footage({"a.jpg": photo("a", *boxes)}, (), 0.5)
    assert judge([silent, spoken], silent, silent).reviewed == 1
    strict = Footage({"a.jpg": photo("a")}, (), 0.5)
    assert judge([strict, footage(photo("a", *boxes))], silent, silent).reviewed == 0


def test_of_a_video_only_the_frames_count_that_all_looked_at() -> None:
    def video(frames: tuple[int, ...], make: object = bird) -> MediaRecord:
        boxes = [make("v", frame_number=frame) for frame in frames]  # type: ignore[operator]
        return photo("v", *boxes, media_type="video", frames=frames)

    truth, first, second = video((0, 30, 60), said), video((0, 30, 60)), video((0, 20, 40, 60))
    judged = judge([footage(truth)], footage(first), footage(second))
    assert judged.recall is not None
    assert (judged.recall.things, judged.recall.first.value, judged.recall.second.value) == (2, 1.0, 1.0)
    assert judged.false_boxes is not None
    assert judged.false_boxes.second.value == 0
    assert judged.names is not None
    assert [each.top1.value for each in judged.names] == [1.0, 1.0]
    failed = photo("v", media_type="video", frames=(), failure="torn")
    lost = judge([footage(truth)], footage(first), footage(failed)).recall
    assert lost is not None
    assert (lost.things, lost.second.value) == (3, 0.0)


@pytest.fixture
def two(tmp_path: Path, facts_maker: SimpleNamespace) -> tuple[Path, Path]:
    """Two stores of two photos; the second finds one bird less."""
    folders = tmp_path / "first", tmp_path / "second"
    for place, folder in enumerate(folders):
        boxes = ((facts_maker.box(),), (facts_maker.box(),) if place == 0 else ())
        items = [
            (facts_maker.row(f"{n}.jpg", boxes=each, captured_at=datetime(2024, 5, 1) + timedelta(hours=n)),)
            for n, each in enumerate(boxes)
        ]
        facts_maker.write(folder, items)
    return folders


def test_the_command_compares_stores_and_says_when_nobody_spoke(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "comparison.json"
    before = sorted(path for folder in two for path in folder.rglob("*"))
    assert main(["compare", *map(str, two), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "2 files in both" in said
    assert "nobody has reviewed either" in said
    content = json.loads(output.read_text())
    assert content["changes"]["files"][0]["count"] == 1
    assert content["judged"] is None
    assert sorted(path for folder in two for path in folder.rglob("*")) == before, "neither is changed"


def test_people_s_words_judge_both_and_other_footage_is_refused(
    two: tuple[Path, Path], tmp_path: Path, facts_maker: SimpleNamespace
) -> None:
    from detector.store.reviews.log import Review, append_reviews
    from detector.types import media_id

    words = [
        Review(datetime(2024, 6, 1), "Noa", "named", media_id("card", f"{n}.jpg"), 0, 0, name=HOOPOE) for n in (0, 1)
    ]
    append_reviews(two[0], words)
    judged = compare_stores(*two).judged
    assert judged is not None
    assert judged.reviewed == 2
    assert judged.recall is not None
    assert (judged.recall.first.value, judged.recall.second.value) == (1.0, 0.5)
    other = tmp_path / "other"
    facts_maker.write(other, [(facts_maker.row("z.jpg", boxes=()),)])
    with pytest.raises(DataError, match="no file is in both"):
        compare_stores(two[0], other)
