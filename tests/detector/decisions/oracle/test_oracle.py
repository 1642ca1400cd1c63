"""Every table that a store gives says the same, and what a slow recount of the decided boxes says."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.decisions.summary import DecisionSummary
from detector.exports.export import export
from detector.store.reviews.log import read_words
from detector.store.reviews.review import DRAWN_FROM
from tests.detector.decisions.oracle.random_stores import RandomStore, make_store
from tests.detector.decisions.oracle.recount import Recount, what

FORMATS = ("csv", "xlsx", "events", "megadetector", "coco", "coco-camera-traps", "camtrap-dp", "label-studio")
NOW = datetime(2025, 6, 1)
FEW, MANY = range(12), range(12, 300)


@pytest.mark.parametrize("seed", [*FEW, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MANY)])
def test_every_table_agrees_with_a_recount(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 3 == 0:
        # each camera for itself, as in a large store
        monkeypatch.setattr("detector.decisions.facts.portions.PORTION_FRAMES", 1)
    store = make_store(tmp_path / "out", seed)
    summary = decide(store.folder, DecideOptions.model_validate(store.options), NOW)
    export(store.folder, FORMATS)
    recount = Recount(store.folder, store.options, store.periods, store.independence_min)
    check_flags(recount)
    check_files(recount, table(store.folder / "files.csv"))
    check_results(recount, table(store.folder / "results.csv"))
    check_workbook(store.folder)
    check_sequences(recount)
    check_repeats(recount, table(store.folder / "repeats.csv"))
    check_label_studio(recount, store.folder)
    check_events(recount, table(store.folder / "events.csv"))
    check_effort(recount, table(store.folder / "effort.csv"))
    check_summary(recount, summary)
    check_megadetector(recount, json.loads((store.folder / "results.json").read_text()))
    check_coco(recount, json.loads((store.folder / "coco.json").read_text()))
    check_camera_traps(recount, json.loads((store.folder / "coco-camera-traps.json").read_text()))
    check_camtrap_dp(recount, store, store.folder / "camtrap-dp")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def check_flags(recount: Recount) -> None:
    for item in recount.media:
        assert item["blank"] == recount.blank(item)
        assert item["frames"] or item["failure"]
    for box in recount.boxes:
        if box["suppressed"]:
            assert box["repeat_group"] or box["reviewed_by"] or box["kind"] == "blank"
        if box["kind"] not in ("bird", "animal"):
            assert not box["rank"], "only what is surely alive has a scientific name"
        assert box["nested"] == (recount.counts(box) and not box["stands"])
        drawn = box["box"] >= DRAWN_FROM
        assert (box["label"] == "drawn") == drawn
        assert not drawn or (box["box_by"] and box["score"] == 1)
        if box["sex"] or box["life_stage"]:
            assert box["kind"] not in ("person", "vehicle", "blank")
            assert not box["suppressed"]
    counted = {review.media_id for review in read_words(recount.folder).count}
    for box in recount.boxes:
        assert box["count"] == int(not box["nested"]) or box["media_id"] in counted


def check_files(recount: Recount, rows: list[dict[str, str]]) -> None:
    assert [row["media_id"] for row in rows] == [item["media_id"] for item in recount.media]
    for row, item in zip(rows, recount.media, strict=True):
        shown = recount.shown(item)
        failed = item["failure"] is not None
        assert row["blank"] == ("" if failed else str(not shown).upper())
        assert int(row["detections"]) == len(shown)
        for column, kind in (("birds", "bird"), ("people", "person"), ("vehicles", "vehicle")):
            assert int(row[column]) == recount.at_once(item, kind)
        names = [box["name"] or box["display_name"] for box in shown if box["kind"] == "bird"]
        assert row["species"] == "; ".join(dict.fromkeys(names))
        assert row["highest_score"] == (str(round(max(box["score"] for box in shown), 4)) if shown else "")
        assert row["needs_review"] == str(any(box["needs_review"] for box in shown)).upper()
        assert row["duplicate_of"] == (item["duplicate_of"] or "")
        assert row["outside_period"] == str(item["outside"]).upper()
        assert int(row["frames_looked_at"]) == len(item["frames"])


def check_results(recount: Recount, rows: list[dict[str, str]]) -> None:
    shown = [box for item in recount.media for box in recount.shown(item)]
    assert [(row["media_id"], int(row["frame_number"]), int(row["box"])) for row in rows] == [
        (box["media_id"], box["frame_number"], box["box"]) for box in shown
    ]
    for row, box in zip(rows, shown, strict=True):
        assert (row["kind"], row["display_name"], row["event"]) == (
            box["kind"],
            box["display_name"],
            box["event_id"] or "",
        )
        assert row["scientific_name"] == (box["name"] or "")


def check_workbook(folder: Path) -> None:
    """The sheets hold what the CSV files hold."""
    book = openpyxl.load_workbook(folder / "results.xlsx", read_only=True)
    for sheet, name in (("results", "results.csv"), ("files", "files.csv")):
        header, *rows = book[sheet].iter_rows(values_only=True)
        expected = table(folder / name)
        assert len(rows) == len(expected)
        for row, other in zip(rows, expected, strict=True):
            assert list(header) == list(other)
            assert all(map(same, row, other.values()))
    book.close()


def same(cell: Any, text: str) -> bool:
    """Whether a cell of Excel's holds what the text says; dates are looked at as they are."""
    if isinstance(cell, datetime | time):
        return str(cell).partition(".")[0].startswith(text)
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell == float(text)
    return text == ("" if cell is None else str(cell).upper() if isinstance(cell, bool) else cell)


def check_sequences(recount: Recount) -> None:
    found: dict[str, set[str]] = {}
    for item in recount.media:
        found.setdefault(item["sequence_id"], set()).add(item["media_id"])
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, recount.sequences()))
    places = [(box["individual_id"], box["media_id"], box["frame_number"]) for box in recount.boxes]
    linked = Counter(place for place in places if place[0])
    assert max(linked.values(), default=1) == 1, "nobody is twice in a frame"


def check_repeats(recount: Recount, rows: list[dict[str, str]]) -> None:
    groups: dict[str, list[dict[str, Any]]] = {}
    for box in recount.boxes:
        if box["repeat_group"]:
            groups.setdefault(box["repeat_group"], []).append(box)
    assert {row["repeat_group"] for row in rows} == set(groups)
    for row in rows:
        boxes = groups[row["repeat_group"]]
        assert int(row["n_detections"]) == len(boxes) >= 20
        assert int(row["seen_in_files"]) == len({box["media_id"] for box in boxes})
        assert int(row["left_out"]) == sum(box["suppressed"] for box in boxes)


def check_label_studio(recount: Recount, folder: Path) -> None:
    for media_type, name in (("photo", "label-studio.json"), ("video", "label-studio-videos.json")):
        items = [item for item in recount.media if item["media_type"] == media_type and item["failure"] is None]
        tasks = json.loads((folder / name).read_text()) if items or media_type == "photo" else []
        assert [task["data"]["media_id"] for task in tasks] == [item["media_id"] for item in items]
        for task, item in zip(tasks, items, strict=True):
            regions = task["predictions"][0]["result"]
            frames = [key for region in regions for key in region["value"].get("sequence", [None])]
            assert len(frames) == len(recount.shown(item))


def check_events(recount: Recount, rows: list[dict[str, str]]) -> None:
    events = recount.events()
    assert len({row["Event"] for row in rows}) == len(rows) == len(events)
    by_id = {row["Event"]: row for row in rows}
    ids = {box["event_id"] for box in recount.boxes if box["event_id"]}
    assert ids == set(by_id)
    for event in events:
        [key] = {box["event_id"] for box in event.boxes}
        row = by_id[key]
        assert row["Station"] == event.deployment
        assert (row["Kind"], row["Display_name"]) == (event.what[0], event.what[3])
        assert int(row["n"]) == event.count
        assert (int(row["n_detections"]), int(row["n_files"])) == (len(event.boxes), len(event.files))
        assert datetime.fromisoformat(row["DateTimeOriginal"]) == event.start.replace(microsecond=0)
        assert datetime.fromisoformat(row["End"]) == event.end.replace(microsecond=0)
        sure = [box["confidence"] for box in event.boxes if box["confidence"] is not None]
        assert row["Confidence"] == (str(round(max(sure), 4)) if sure else "")
    loose = [box for box in recount.boxes if box["event_id"] is None and recount.counts(box)]
    for box in loose:
        item = recount.file[box["media_id"]]
        assert item["timestamp"] is None or item["duplicate_of"] or item["outside"]


def check_effort(recount: Recount, rows: list[dict[str, str]]) -> None:
    efforts = recount.effort()
    for row in rows:
        effort = efforts[row["Station"]]
        assert (int(row["Files"]), int(row["Photos"]), int(row["Videos"])) == (
            effort.files,
            effort.photos,
            effort.videos,
        )
        assert (int(row["Blank_files"]), int(row["Failed_files"])) == (effort.blank, effort.failed)
        assert (int(row["Files_without_time"]), int(row["Files_outside_period"])) == (effort.untimed, effort.outside)
        found = int(row["Days"]), int(row["Active_days"]), int(row["Days_with_files"])
        assert found == (effort.days, effort.active, effort.with_files)
    missing = set(efforts) - {row["Station"] for row in rows}
    assert all(efforts[name].days == 0 for name in missing)


def check_summary(recount: Recount, summary: DecisionSummary) -> None:
    events = recount.events()
    counted = [box for box in recount.boxes if recount.counts(box)]
    assert summary.photos == sum(item["media_type"] == "photo" for item in recount.media)
    assert summary.videos == sum(item["media_type"] == "video" for item in recount.media)
    assert summary.failed == sum(item["failure"] is not None for item in recount.media)
    assert summary.blank == sum(map(recount.blank, recount.media))
    assert summary.with_birds == len({box["media_id"] for box in counted if box["kind"] == "bird"})
    assert summary.duplicates == sum(item["duplicate_of"] is not None for item in recount.media)
    assert summary.without_time == sum(item["timestamp"] is None for item in recount.media)
    assert summary.outside == sum(item["outside"] for item in recount.media)
    assert summary.sequences == len({item["sequence_id"] for item in recount.media})
    assert (summary.detections, summary.events) == (len(counted), len(events))
    assert summary.needs_review == sum(box["needs_review"] for box in counted)
    assert summary.reviewed == sum(box["reviewed_by"] is not None for box in recount.boxes)
    groups = {box["repeat_group"] for box in recount.boxes if box["repeat_group"]}
    assert summary.repeat_groups == len(groups)
    assert summary.repeated == sum(box["suppressed"] and box["repeat_group"] is not None for box in recount.boxes)
    said = {(each.display_name, each.kind): each for each in summary.names}
    assert len(said) == len(summary.names)
    assert set(said) == {(box["display_name"], box["kind"]) for box in counted}
    for (display_name, kind), each in said.items():
        own = [event for event in events if (event.what[3], event.what[0]) == (display_name, kind)]
        assert each.events == len(own)
        assert each.largest_count == max((event.count for event in own), default=0)
        assert dict(each.events_by_deployment) == Counter(event.deployment for event in own)
        boxes = [box for box in counted if (box["display_name"], box["kind"]) == (display_name, kind)]
        assert (each.detections, each.needs_review) == (len(boxes), sum(box["needs_review"] for box in boxes))
    efforts = recount.effort()
    assert {each.deployment_id for each in summary.deployments} == set(efforts)
    for place in summary.deployments:
        effort = efforts[place.deployment_id]
        assert (place.files, place.blank, place.failed) == (effort.files, effort.blank, effort.failed)
        assert (place.days, place.active_days) == (effort.days, effort.active)
        assert place.events == sum(event.deployment == place.deployment_id for event in events)


def check_megadetector(recount: Recount, result: dict[str, Any]) -> None:
    assert len(result["images"]) == len(recount.media)
    for image, item in zip(result["images"], recount.media, strict=True):
        assert image["file"].endswith(item["path"])
        if item["failure"] is not None:
            assert image["detections"] is None
            continue
        boxes = [box for box in recount.of_file[item["media_id"]] if not box["suppressed"]]
        kinds = Counter({"person": "2", "vehicle": "3"}.get(box["kind"], "1") for box in boxes)
        assert Counter(found["category"] for found in image["detections"]) == kinds
        scores = sorted((round(box["score"], 3) for box in boxes), reverse=True)
        assert [found["conf"] for found in image["detections"]] == scores


def check_coco(recount: Recount, coco: dict[str, Any]) -> None:
    images = {image["id"]: image for image in coco["images"]}
    assert len(images) == len(coco["images"]) == sum(len(item["frames"]) for item in recount.media)
    assert len({one["id"] for one in coco["annotations"]}) == len(coco["annotations"])
    counted = [box for box in recount.boxes if recount.counts(box)]
    assert len(coco["annotations"]) == len(counted)
    category = {one["id"]: one["name"] for one in coco["categories"]}
    found = Counter(category[one["category_id"]] for one in coco["annotations"])
    assert sum(found.values()) == len(counted)
    assert {one["image_id"] for one in coco["annotations"]} <= set(images)


def check_camera_traps(recount: Recount, coco: dict[str, Any]) -> None:
    boxes = [one for one in coco["annotations"] if one["category_id"]]
    assert len(boxes) == sum(recount.counts(box) for box in recount.boxes)
    shown = {(box["media_id"], box["frame_number"]) for box in recount.boxes if recount.counts(box)}
    frames = {(item["media_id"], number) for item in recount.media for number in item["frames"]}
    empty = [one for one in coco["annotations"] if not one["category_id"]]
    assert len(empty) == len(frames - shown)
    assert len({one["id"] for one in coco["annotations"]}) == len(coco["annotations"])


def check_camtrap_dp(recount: Recount, store: RandomStore, folder: Path) -> None:
    media, observations = table(folder / "media.csv"), table(folder / "observations.csv")
    places = {row["deploymentID"]: row for row in table(folder / "deployments.csv")}
    located = {
        item["media_id"]
        for item in recount.media
        if item["deployment_id"] in store.located and item["timestamp"] is not None and not item["outside"]
    }
    assert [row["mediaID"] for row in media] == [
        item["media_id"] for item in recount.media if item["media_id"] in located
    ]
    assert {row["deploymentID"] for row in [*media, *observations]} <= set(places)
    assert len(table(folder / "left-out.csv")) == len(recount.media) - len(media)
    assert len({row["observationID"] for row in observations}) == len(observations)
    seen = {row["mediaID"]: [] for row in media}  # type: dict[str, list[dict[str, str]]]
    for row in observations:
        if row["observationLevel"] == "media":
            seen[row["mediaID"]].append(row)
    for key, rows in seen.items():
        item = recount.file[key]
        shown = recount.shown(item)
        if item["failure"] is not None:
            assert rows == []
        elif not shown:
            assert [row["observationType"] for row in rows] == ["blank"]
        else:
            assert len(rows) == len(shown)
            assert [row["count"] for row in rows] == [str(box["count"] or "") for box in shown]
            assert [row["eventID"] for row in rows] == [box["event_id"] or "" for box in shown]
    events = {row["eventID"]: row for row in observations if row["observationLevel"] == "event"}
    expected = [event for event in recount.events() if event.deployment in store.located]
    assert len(events) == len(expected)
    for event in expected:
        row = events[event.boxes[0]["event_id"]]
        assert int(row["count"]) == event.count
        start = datetime.fromisoformat(row["eventStart"])
        assert start.replace(tzinfo=None) - start.utcoffset() == event.began.replace(microsecond=0)  # type: ignore[operator]
        assert {what(box) for box in event.boxes} == {event.what}
