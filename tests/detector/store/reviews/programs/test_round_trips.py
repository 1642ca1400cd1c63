"""An export that a person corrects in another program comes back as what the person means."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.store.records_reader import read_media
from detector.store.reviews.log import Imported, Review, append_reviews, drawn_number, read_reviews, withdraw
from detector.types import media_id

AS_MADE = {
    ("a.jpg", 0, 0): "Corvus cornix",
    ("a.jpg", 0, 1): "Upupa epops",
    ("b.jpg", 0, 0): "Corvus cornix",
    ("ריק c.jpg", 0, 0): "Corvus cornix",
    ("ריק c.jpg", 0, 1): "person",
    ("clip.mp4", 0, 0): "Upupa epops",
    ("clip.mp4", 25, 0): "Upupa epops",
}
Say = Callable[[Path], Imported]


@pytest.mark.parametrize(
    "export", ["results.json", "label-studio.json", "label-studio-videos.json", "camtrap-dp/datapackage.json"]
)
def test_exports_that_nobody_edited_say_nothing(export: str, store: Path, say: Say, names) -> None:
    imported = say(store / export)
    assert (imported.new, imported.wrong) == (0, ())
    assert names() == AS_MADE


# MegaDetector's results


def edit_json(store: Path, name: str, edit: Callable[[Any], None]) -> Path:
    """A copy of an export, edited."""
    content = json.loads((store / name).read_text(encoding="utf-8"))
    edit(content)
    path = store / "edited.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8-sig")
    return path


def test_results_of_megadetector_name_boxes_and_change_their_kind(store: Path, say: Say, names) -> None:
    def edit(content: dict) -> None:
        images = {image["file"]: image for image in content["images"]}
        content["classification_categories"]["7"] = "Laughing dove"
        images["DCIM/a.jpg"]["detections"][0]["classifications"] = [["7", 1.0]]
        images["DCIM/a.jpg"]["detections"].reverse()  # boxes are told by where they are
        images["DCIM/b.jpg"]["file"] = "DCIM\\b.jpg"
        images["DCIM/b.jpg"]["detections"][0]["category"] = "2"
        images["DCIM/ריק c.jpg"]["detections"].pop()  # what is missing says nothing

    imported = say(edit_json(store, "results.json", edit))
    assert (imported.new, imported.wrong) == (2, ())
    assert names() == AS_MADE | {("a.jpg", 0, 0): "Spilopelia senegalensis", ("b.jpg", 0, 0): "person"}
    assert say(store / "edited.json").new == 0


def test_results_of_other_decisions_say_only_what_was_edited_in_them(store: Path, say: Say, names) -> None:
    def edit(content: dict) -> None:
        content["classification_categories"]["7"] = "Merops apiaster"
        content["images"][0]["detections"][0]["classifications"] = [["7", 1.0]]

    decide(store, DecideOptions(name_threshold=1.0))  # by now the store names no species
    imported = say(edit_json(store, "results.json", edit))
    assert (imported.new, imported.wrong) == (1, ())


def test_results_that_do_not_tell_what_was_exported_never_overrule_a_person(store: Path, say: Say, names) -> None:
    def edit(content: dict) -> None:
        for image in content["images"]:
            for found in image["detections"] or ():
                del found["as_exported"]

    path = edit_json(store, "results.json", edit)
    append_reviews(store, [Review(datetime(2024, 6, 1), "Noa", "nothing", media_id("card", "DCIM/b.jpg"), 0, 0)])
    decided = names()
    imported = say(path)
    assert (imported.new, imported.wrong) == (0, ())
    assert "1 entries that nobody signed are older" in imported.notes[-1]
    assert names() == decided == AS_MADE | {("b.jpg", 0, 0): "nothing"}


def test_results_that_do_not_tell_what_was_exported_say_nothing_of_other_decisions(store: Path, say: Say) -> None:
    def edit(content: dict) -> None:
        for image in content["images"]:
            for found in image["detections"] or ():
                del found["as_exported"]

    path = edit_json(store, "results.json", edit)
    decide(store, DecideOptions(name_threshold=1.0))  # by now the store names no species
    imported = say(path)
    assert (imported.new, imported.wrong) == (0, ())
    assert "entries that nobody signed are older" in imported.notes[-1]


def test_results_of_another_detector_that_nobody_edited_say_nothing(store: Path, say: Say) -> None:
    content = json.loads((store / "results.json").read_text(encoding="utf-8"))
    for image in content["images"]:
        for found in image["detections"] or ():
            plain = {name: found[name] for name in ("bbox", "frame_number") if name in found}
            found.clear()
            found.update(plain, category="2", conf=0.431)  # it takes all for persons
    path = store / "md.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    imported = say(path)
    assert (imported.new, imported.wrong) == (0, ())


def test_faults_in_results_of_megadetector_are_listed_and_cost_no_other(store: Path, say: Say, names) -> None:
    def edit(content: dict) -> None:
        images = {image["file"]: image for image in content["images"]}
        content["classification_categories"] |= {"7": "Upupa epops", "8": "Hoopo"}
        a, b, c = (images[f"DCIM/{name}.jpg"]["detections"] for name in ("a", "b", "ריק c"))
        a[0]["classifications"] = [["7", 1.0]]
        a[1]["classifications"] = []
        a.append({"category": "1", "conf": 1.0, "bbox": [0.3, 0.05, 0.1, 0.1], "classifications": [["7", 1.0]]})
        b[0]["classifications"] = [["8", 1.0]]
        b.append(b[0] | {"category": "99"})
        c[0]["bbox"] = "here"
        content["images"].append({"file": "DCIM/z.jpg", "detections": [a[0]]})
        content["images"].append({"detections": []})

    imported = say(edit_json(store, "results.json", edit))
    assert imported.new == 2
    drawn = drawn_number(media_id("card", "DCIM/a.jpg"), 0, (0.3, 0.05, 0.1, 0.1))
    assert names() == AS_MADE | {("a.jpg", 0, 0): "Upupa epops", ("a.jpg", 0, drawn): "Upupa epops"}
    for record, problem in {
        "images[0].detections[1]": "its name was taken away",
        "images[1].detections[0]": "'Hoopo' is no name that is known",
        "images[1].detections[1]": "category '99' is none of those that the file names",
        "images[5].detections[0]": "bbox",
        "images[6].detections[0]": "there is no file 'DCIM/z.jpg' in this store",
        "images[7]": "file",
    }.items():
        assert [line for line in imported.wrong if f"{record}:" in line and problem in line], (record, imported.wrong)
    assert len(imported.wrong) == 6


# Camtrap DP


def edit_observations(
    store: Path, edit: Callable[[dict[str, dict[str, str]]], None], encoding: str = "utf-8", delimiter: str = ","
) -> Path:
    """The table of observations, its rows edited by their display names and places."""
    path = store / "camtrap-dp" / "observations.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["observationID"]: row for row in csv.DictReader(file)}
    edit(rows)
    with path.open("w", encoding=encoding, newline="") as file:
        table = csv.DictWriter(file, next(iter(rows.values())), delimiter=delimiter)
        table.writeheader()
        table.writerows(rows.values())
    return path


def row_of(rows: dict[str, dict[str, str]], store: Path, path: str, box: int = 0) -> dict[str, str]:
    """The row of a box of a file."""
    with (store / "camtrap-dp" / "media.csv").open(encoding="utf-8", newline="") as file:
        item = next(row["mediaID"] for row in csv.DictReader(file) if row["filePath"].endswith(path))
    return rows.get(f"{item}_0_{box}") or rows[f"{item}_none"]


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8", ","), ("utf-8-sig", ";"), ("utf-16", "\t")])
def test_observations_that_people_corrected_and_signed(encoding, delimiter, store: Path, say: Say, names) -> None:
    human = {"classificationMethod": "human", "classifiedBy": "Noa", "classificationTimestamp": "2024-06-01T10:00:00Z"}

    def edit(rows: dict[str, dict[str, str]]) -> None:
        row_of(rows, store, "a.jpg").update(human, scientificName="Spilopelia senegalensis")
        row_of(rows, store, "a.jpg", 1).update(human)  # confirmed
        row_of(rows, store, "b.jpg").update(observationType="blank", scientificName="")
        row_of(rows, store, "blank.jpg").update(human)

    path = edit_observations(store, edit, encoding, delimiter)
    imported = say(path)
    assert (imported.new, imported.wrong) == (4, ())
    assert names() == AS_MADE | {("a.jpg", 0, 0): "Spilopelia senegalensis", ("b.jpg", 0, 0): "nothing"}
    said = {(review.verdict, review.name, review.reviewer) for review in read_reviews(store)}
    assert said == {
        ("named", "Spilopelia senegalensis", "Noa"),
        ("named", "Upupa epops", "Noa"),
        ("nothing", None, "unknown"),
        ("nothing", None, "Noa"),
    }
    assert say(path).new == 0


def test_observations_of_other_decisions_say_only_what_was_signed_in_them(store: Path, say: Say, names) -> None:
    def edit(rows: dict[str, dict[str, str]]) -> None:
        row_of(rows, store, "a.jpg").update(classificationMethod="human", classifiedBy="Noa")

    path = edit_observations(store, edit)
    decide(store, DecideOptions(name_threshold=1.0))  # by now the store names no species
    imported = say(path)
    assert (imported.new, imported.wrong) == (1, ())
    assert "entries that nobody signed are older" in imported.notes[-1]


def test_faults_in_observations_are_listed_and_cost_no_other(store: Path, say: Say, names) -> None:
    def edit(rows: dict[str, dict[str, str]]) -> None:
        row_of(rows, store, "a.jpg").update(scientificName="Upupa epos")
        row_of(rows, store, "a.jpg", 1).update(bboxX="0.05", bboxY="0.9", bboxWidth="0.05", bboxHeight="0.05")
        row_of(rows, store, "b.jpg").update(scientificName="Upupa epops")
        row_of(rows, store, "c.jpg").update(scientificName="")
        row_of(rows, store, "c.jpg", 1).update(observationType="humans")
        event = next(row for row in rows.values() if row["observationLevel"] == "event")
        event.update(scientificName="Merops apiaster")
        rows["twice"] = row_of(rows, store, "b.jpg") | {"scientificName": "Merops apiaster"}
        rows["other"] = row_of(rows, store, "b.jpg") | {"mediaID": "0815", "observationID": "x"}
        rows["flat"] = row_of(rows, store, "b.jpg") | {"bboxHeight": "0"}

    imported = say(edit_observations(store, edit))
    assert imported.new == 1
    assert names() == AS_MADE | {("b.jpg", 0, 0): "Upupa epops"}
    problems = (
        "'Upupa epos' is no name that is known: did you mean Upupa epops",
        "no other box of the file overlaps it by half, and nothing tells",
        "its name was taken away: write another name, or bird",
        "observationType 'humans' is none of",
        "it is of an event: correct the rows of its boxes",
        "no other box of the file overlaps it by half",  # the second row of the box
        "there is no file with the id '0815' in this store",
        "are no box: 0.1, 0.1, 0.2, 0",
    )
    assert len(imported.wrong) == len(problems)
    assert all(any(problem in line and " row " in line for line in imported.wrong) for problem in problems)


def test_observations_of_another_program_find_their_files_by_the_table_of_media(store: Path, say: Say, names) -> None:
    package = store / "theirs"
    package.mkdir()
    (package / "media.csv").write_text("mediaID,filePath\n1,DCIM/a.jpg\n2,media/DCIM/b.jpg\n3,DCIM/b.jpg\n")
    header = "observationID,mediaID,observationLevel,observationType,scientificName,classificationMethod,classifiedBy"
    rows = [
        "1,1,media,animal,Merops apiaster,human,Dan,0.61,0.5,0.2,0.29",
        "2,2,media,animal,Corvus corax,human,Dan,,,,",
        "3,2,media,unknown,,human,Dan,,,,",
        "4,3,media,animal,Corvus corax,human,Dan,,,,",
    ]
    table = package / "observations.csv"
    table.write_text("\n".join([f"{header},bboxX,bboxY,bboxWidth,bboxHeight", *rows]))
    imported = say(table)
    assert imported.new == 2
    (unknown,) = imported.wrong
    assert "row 3: there is no file 'media/DCIM/b.jpg' in this store; did you mean DCIM/b.jpg?" in unknown
    assert names() == AS_MADE | {("a.jpg", 0, 1): "Merops apiaster", ("b.jpg", 0, 0): "Corvus corax"}


def test_rows_of_another_program_on_a_file_are_of_other_birds(store: Path, say: Say) -> None:
    package = store / "theirs"
    package.mkdir()
    (package / "media.csv").write_text("mediaID,filePath\n1,DCIM/b.jpg\n")
    header = "observationID,mediaID,observationLevel,observationType,scientificName,classificationMethod,classifiedBy"
    rows = [f"{number},1,media,animal,Corvus cornix,human,Dan,1,adult" for number in range(3)]
    table = package / "observations.csv"
    table.write_text("\n".join([f"{header},count,lifeStage", *rows]))
    assert say(table).new == 1
    (crows,) = read_reviews(store)
    assert (crows.name, crows.count, crows.life_stage) == ("Corvus cornix", 3, "adult")
    assert say(table).new == 0


def test_observations_carry_sex_age_number_and_boxes(store: Path, say: Say, names) -> None:
    def edit(rows: dict[str, dict[str, str]]) -> None:
        row_of(rows, store, "a.jpg").update(sex="male", lifeStage="juvenile", count="3")
        row_of(rows, store, "a.jpg", 1).update(bboxX="0.62", bboxWidth="0.25")
        row_of(rows, store, "b.jpg").update(sex="hen", lifeStage="old")
        new = {"observationID": "new", "scientificName": "Merops apiaster", "classificationMethod": "human"}
        place = {"bboxX": "0.5", "bboxY": "0.5", "bboxWidth": "0.25", "bboxHeight": "0.25"}
        rows["new"] = (
            row_of(rows, store, "b.jpg") | new | place | {"classifiedBy": "Dan", "sex": "female", "lifeStage": ""}
        )

    path = edit_observations(store, edit)
    imported = say(path)
    assert imported.new == 4
    (wrong,) = imported.wrong
    assert "life stage 'old' is not known" in wrong
    drawn = drawn_number(media_id("card", "DCIM/b.jpg"), 0, (0.5, 0.5, 0.25, 0.25))
    assert names() == AS_MADE | {("b.jpg", 0, drawn): "Merops apiaster"}
    first, second, third, fourth = [found for record in read_media(store) for found in record.detections][:4]
    assert (first.sex, first.life_stage, first.count, first.reviewed_by) == ("male", "juvenile", 3, None)
    assert (second.x, second.w, second.box_by) == (pytest.approx(0.62), pytest.approx(0.25), "unknown")
    assert (third.sex, third.life_stage, fourth.sex, fourth.box_by) == ("female", None, "female", "Dan")
    assert say(path).new == 0
    export(store, ["camtrap-dp"])
    assert say(store / "camtrap-dp" / "datapackage.json").new == 0, "and nothing is lost on the way back"


def test_a_package_given_back_does_not_bring_earlier_words_back(store: Path, say: Say, names) -> None:
    of = (media_id("card", "DCIM/b.jpg"), 0, 0)
    said = append_reviews(store, [Review(datetime(2024, 6, 1, 9, 30, 0, 777_000), "Noa", "animal", *of)])
    names()
    export(store, ["camtrap-dp"])
    append_reviews(store, [Review(datetime(2024, 6, 1, 10), "Noa", "person", *of)])
    assert say(store / "camtrap-dp" / "observations.csv").new == 0
    assert names()["b.jpg", 0, 0] == "person"
    withdraw(store, str(said), "Noa", datetime(2024, 6, 1, 11))
    assert say(store / "camtrap-dp" / "observations.csv").new == 0, "what was taken back stays so"


def test_boxes_of_another_detector_below_the_threshold_say_nothing(store: Path, say: Say, names) -> None:
    content = json.loads((store / "results.json").read_text(encoding="utf-8"))
    for image in content["images"]:
        for found in image["detections"] or ():
            del found["as_exported"]
    faint, sure = ({"category": "1", "conf": conf, "bbox": [0.3, 0.02, 0.1, 0.05]} for conf in (0.12, 0.7))
    content["images"][0]["detections"] += [faint, {**sure, "bbox": [0.45, 0.02, 0.1, 0.05]}]
    content["images"][1]["detections"] += [{**sure, "conf": 1.0, "category": "2"}]
    path = store / "md.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    imported = say(path)
    assert imported.new == 1, "the person that somebody added"
    (wrong,) = imported.wrong
    assert "detections[3]: no other box" in wrong
    assert any("1 boxes are less sure than this store shows" in note for note in imported.notes)


# Label Studio


def submit(task: dict, result: list[dict] | None = None, **changes: object) -> list[dict]:
    """Add an annotation to a task, as Label Studio exports it; returns its regions."""
    regions = json.loads(json.dumps(task["predictions"][0]["result"])) if result is None else result
    for region in regions:
        region.setdefault("origin", "prediction")
    annotation = {
        "id": 1001,
        "completed_by": {"id": 1, "email": "noa@example.org", "first_name": "Noa", "last_name": ""},
        "result": regions,
        "was_cancelled": False,
        "created_at": "2024-06-01T10:00:00.513742Z",
        "updated_at": "2024-06-01T10:00:09.728378Z",
        "prediction": {"id": 5, "result": task["predictions"][0]["result"]},
    }
    task.setdefault("annotations", []).append(annotation | changes)
    task["predictions"] = [5]
    return regions


def tasks_of(content: list[dict]) -> dict[str, dict]:
    return {task["data"]["file"].removeprefix("DCIM/"): task for task in content}


def test_annotations_of_label_studio_confirm_rename_and_delete(store: Path, say: Say, names) -> None:
    def edit(content: list[dict]) -> None:
        tasks = tasks_of(content)
        regions = submit(tasks["a.jpg"])
        regions[0]["value"]["rectanglelabels"] = ["Spilopelia senegalensis"]
        regions[0]["value"]["x"] += 3  # mended: the box lies there now
        regions[0]["origin"] = "prediction-changed"
        regions = submit(tasks["ריק c.jpg"])
        del regions[0]
        submit(tasks["blank.jpg"], [])
        submit(tasks["b.jpg"], [], was_cancelled=True)

    path = edit_json(store, "label-studio.json", edit)
    imported = say(path)
    assert (imported.new, imported.wrong) == (5, ())
    assert names() == AS_MADE | {("a.jpg", 0, 0): "Spilopelia senegalensis", ("ריק c.jpg", 0, 0): "nothing"}
    assert {review.reviewer for review in read_reviews(store)} == {"Noa"}
    moved = next(read_media(store)).detections
    assert [(box.x, box.box_by) for box in moved] == [(pytest.approx(0.13), "Noa"), (pytest.approx(0.6), None)]
    assert say(path).new == 0


def test_key_frames_of_label_studio_are_of_the_boxes_at_their_times(store: Path, say: Say, names) -> None:
    def edit(content: list[dict]) -> None:
        (region,) = submit(content[0])
        region["value"]["labels"] = ["Merops apiaster"]
        added = region["value"]["sequence"][0] | {"frame": 13, "time": 0.48}  # between two that were looked at
        region["value"]["sequence"].insert(1, added)

    imported = say(edit_json(store, "label-studio-videos.json", edit))
    assert (imported.new, imported.wrong) == (2, ())
    assert names() == AS_MADE | {("clip.mp4", n, 0): "Merops apiaster" for n in (0, 25)}


def test_a_box_drawn_anew_in_the_place_of_one_renames_it_and_another_is_new(store: Path, say: Say, names) -> None:
    def edit(content: list[dict]) -> None:
        task = tasks_of(content)["a.jpg"]
        drawn = {"type": "rectanglelabels", "from_name": "label", "to_name": "image", "origin": "manual"}
        value = {"x": 11, "y": 11, "width": 20, "height": 29, "rotation": 0, "rectanglelabels": ["Merops apiaster"]}
        far = value | {"x": 40, "y": 80, "width": 5, "height": 5}
        unlabelled = {key: value[key] for key in ("x", "y", "width", "height")}
        boxes = [drawn | {"id": name, "value": each} for name, each in (("n", value), ("f", far), ("u", unlabelled))]
        polygon = {"id": "p", "type": "polygonlabels", "value": {"points": [], "polygonlabels": ["bird"]}}
        submit(task, [*boxes, polygon], completed_by=7)

    imported = say(edit_json(store, "label-studio.json", edit))
    drawn = drawn_number(media_id("card", "DCIM/a.jpg"), 0, (0.4, 0.8, 0.05, 0.05))
    said = {("a.jpg", 0, 0): "Merops apiaster", ("a.jpg", 0, 1): "nothing", ("a.jpg", 0, drawn): "Merops apiaster"}
    assert names() == AS_MADE | said
    assert imported.new == 3
    first, _, new = next(read_media(store)).detections
    assert (first.x, first.w) == (pytest.approx(0.11), pytest.approx(0.2))
    assert first.box_by == new.box_by == "Label Studio user 7"
    assert {review.reviewer for review in read_reviews(store)} == {"Label Studio user 7"}
    for region, problem in {"u": "rectanglelabels", "p": "no rectangle"}.items():
        assert [line for line in imported.wrong if f"region {region}:" in line and problem in line]
    assert len(imported.wrong) == 2


def test_without_predictions_nobody_knows_what_was_deleted(store: Path, say: Say, names) -> None:
    def edit(content: list[dict]) -> None:
        task = tasks_of(content)["a.jpg"]
        regions = submit(task, prediction={})
        del regions[0]

    imported = say(edit_json(store, "label-studio.json", edit))
    assert (imported.new, imported.wrong) == (1, ())
    assert any("which boxes were deleted is not known" in note for note in imported.notes)
    assert names() == AS_MADE


def test_tasks_of_another_form_are_listed_and_cost_no_other(store: Path, say: Say, names) -> None:
    def edit(content: list[dict]) -> None:
        tasks = tasks_of(content)
        tasks["a.jpg"]["annotations"] = 5
        tasks["blank.jpg"]["data"]["media_id"] = ["?"]
        submit(tasks["blank.jpg"], [])
        submit(tasks["b.jpg"])

    imported = say(edit_json(store, "label-studio.json", edit))
    assert imported.new == 2, "a blank that is found by its path, and a crow"
    (wrong,) = imported.wrong
    assert "its annotations are no list" in wrong
