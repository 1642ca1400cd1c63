"""The report of a store: the numbers of its tables, and pictures that tell no more than they should."""

import csv
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from detector.cli.main import main
from detector.exports.export import export
from detector.exports.pictures.blurring import hidden_in
from detector.exports.pictures.media_files import MediaTask
from detector.report.gallery import Choice, Flag
from detector.report.pictures import COLUMNS, EarlierPictures, make_report_pictures
from detector.report.scripts import read_script
from detector.store.records import Candidate
from detector.store.run_file import AuditEntry
from detector.store.run_json import update_run
from detector.types import media_id


def summary_of(folder):
    return read_script(folder / "report" / "data" / "summary.js")


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def index_of(folder):
    """The columns of all boxes of the gallery."""
    return read_script(folder / "report" / "data" / "index-0000.js")


def test_an_empty_store_has_a_report(tmp_path, store_maker):
    folder = store_maker.write(tmp_path / "store", [])
    [page] = export(folder, ["report"])
    assert page == folder / "report" / "index.html"
    summary = summary_of(folder)
    assert summary["names"] == summary["places"] == []
    assert summary["chunks"]["rows"] == summary["chunks"]["indexChunks"] == 0


def test_its_numbers_are_those_of_the_tables(decided_store):
    export(decided_store, ["csv", "events", "report"])
    summary = summary_of(decided_store)
    results, events, effort, files = (
        rows_of(decided_store / f"{name}.csv") for name in ("results", "events", "effort", "files")
    )
    by_name = {name["display"]: name for name in summary["names"] if name["detections"]}
    detections = Counter(row["display_name"] for row in results)
    assert {name: each["detections"] for name, each in by_name.items()} == detections
    review = Counter(row["display_name"] for row in results if row["needs_review"] == "TRUE")
    assert {name: each["review"] for name, each in by_name.items() if each["review"]} == review
    assert {name: each["events"] for name, each in by_name.items()} == Counter(row["Display_name"] for row in events)
    for row in events:
        assert by_name[row["Display_name"]]["count"] >= int(row["n"])
    assert by_name["Eurasian Hoopoe"]["count"] == max(int(row["n"]) for row in events)
    shown = {(row["display_name"], row["media_id"]) for row in results}
    assert {name: each["files"] for name, each in by_name.items()} == Counter(name for name, _ in shown)

    counts = summary["totals"]["counts"]
    assert (counts["files"], counts["detections"]) == (len(files), len(results))
    assert counts["blank"] == sum(row["blank"] == "TRUE" for row in files)
    assert counts["failed"] == sum(bool(row["failure"]) for row in files) == len(summary["totals"]["failures"])
    places = {place["id"]: place for place in summary["places"]}
    for row in effort:
        place = places[row["Station"]]
        assert (place["days"], place["active_days"]) == (int(row["Days"]), int(row["Active_days"]))
        assert (place["media"], place["blank"]) == (int(row["Files"]), int(row["Blank_files"]))
        birds = sum(event["Station"] == row["Station"] and event["Kind"] == "bird" for event in events)
        assert place["birds"] == birds
        assert place["rate"] == pytest.approx(100 * birds / int(row["Active_days"]), abs=0.01)
    active = sum(int(row["Active_days"]) for row in effort)
    assert summary["totals"]["active_days"] == active
    for name, rate in zip(summary["names"], summary["rates"], strict=True):
        assert rate == pytest.approx(100 * name["events"] / active, abs=0.01)


def test_events_have_the_hour_of_the_clock_and_of_the_sun(decided_store):
    export(decided_store, ["report"])
    columns = read_script(decided_store / "report" / "data" / "events-0000.js")
    assert [minute % 1440 for minute in columns["start"]] == [390, 540, 720]
    # sunrise is at 5:56 there in early May, sunset at 19:17: 801 minutes of day become 720
    assert columns["sun"] == pytest.approx([360 + (minute - 356) * 720 / 801 for minute in (390, 540, 720)], abs=3)


def test_boxes_can_be_filtered_by_what_they_are(decided_store):
    export(decided_store, ["report"])
    columns, summary = index_of(decided_store), summary_of(decided_store)
    flags = [Flag(value) for value in columns["flags"]]
    results = rows_of_results(decided_store)
    assert len(flags) == len(results) + 1  # and the repeat, which is left out of tables
    assert sum(Flag.REVIEW in flag for flag in flags) == 2
    assert [flag for flag in flags if Flag.LEFT_OUT in flag] == [Flag.LEFT_OUT | Flag.REPEAT | Flag.LEAD]
    assert sum(Flag.REVIEWED in flag for flag in flags) == 1
    assert sum(Flag.VIDEO in flag for flag in flags) == 2
    individuals = Counter(columns["individual"])
    assert sum(Flag.LEAD in flag for flag in flags) == len(individuals) < len(flags)
    assert summary["names"][columns["name"][0]]["display"] == "Eurasian Hoopoe"
    assert columns["time"][columns["media"].index(max(columns["media"]))] >= -1


def rows_of_results(folder):
    export(folder, ["csv"])
    return rows_of(folder / "results.csv")


def test_of_too_many_boxes_those_of_some_files_are_shown_and_the_same_ones_each_time(store_maker):
    media = [
        store_maker.media(f"{n}.jpg", detections=[store_maker.detection(media_id("card", f"{n}.jpg"))])
        for n in range(400)
    ]
    choice = Choice.of(400, most=100)
    chosen = [record.path for record in media if choice(record, 0.2)]
    assert 60 < len(chosen) < 140
    assert chosen == [record.path for record in media if choice(record, 0.2)]
    assert all(Choice.of(400, most=400)(record, 0.2) for record in media)
    assert not any(Choice.of(400, most=400)(record, 0.9) for record in media)


@pytest.fixture
def card(tmp_path) -> Path:
    """A noisy photo with a place and an owner in its EXIF, and a short video."""
    folder = tmp_path / "cards" / "card"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x013B] = "Secret Owner"
    Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(folder / "a.jpg", exif=exif)
    with av.open(str(folder / "v.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return folder


def store_of(store_maker, card):
    photo, video = media_id("card", "a.jpg"), media_id("card", "v.mp4")
    person = {"kind": "person", "label": "person", "display_name": "person", "name": None, "rank": None}
    beside = store_maker.detection(photo, box=1, x=0.5, y=0.1, w=0.4, h=0.8, **person)
    track = [
        store_maker.detection(video, frame_number=number, time_s=number / 4, individual_id="i") for number in (0, 4, 8)
    ]
    media = [
        store_maker.media("a.jpg", detections=[store_maker.detection(photo), beside], width=400, height=300),
        store_maker.media("v.mp4", detections=track, media_type="video", width=64, height=48, frames=(0, 4, 8)),
    ]
    return store_maker.write(card.parent.parent / "store", media)


def test_pictures_show_crops_frames_and_a_clip_and_nobody_who_could_be_recognised(store_maker, card):
    folder = store_of(store_maker, card)
    assert main(["report", str(folder)]) == 0
    pictures = folder / "report" / "pictures"
    photo, video = media_id("card", "a.jpg"), media_id("card", "v.mp4")
    assert {path.name for path in pictures.rglob("*.*")} == {
        "index.csv",
        *(f"{photo}-{rest}.jpg" for rest in ("0", "0-0", "0-1")),
        *(f"{video}-{rest}.jpg" for rest in ("0", "0-0", "4", "4-0", "8", "8-0")),
        f"{video}.mp4",
    }
    frame = Image.open(pictures / photo[:3] / f"{photo}-0.jpg")
    assert not frame.getexif()
    assert b"Secret" not in (pictures / photo[:3] / f"{photo}-0.jpg").read_bytes()
    pixels = np.asarray(frame).astype(float)
    detail = np.abs(np.diff(pixels, axis=0)).mean(axis=(0, 2))
    assert detail[220:340].mean() < 10 < detail[:180].mean()
    with av.open(str(pictures / video[:3] / f"{video}.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    flags = [Flag(value) for value in index_of(folder)["flags"]]
    assert all(Flag.PICTURE in flag for flag in flags)
    assert [Flag.CLIP in flag for flag in flags] == [False, False, True, True, True]


@pytest.mark.parametrize(("blur", "clips"), [("people", 0), ("none", 1)])
def test_a_video_with_people_has_no_clip_unless_nothing_is_blurred(tmp_path, store_maker, card, blur, clips):
    person = store_maker.detection("m0", frame_number=4, time_s=1.0, kind="person", score=0.15)
    found = store_maker.detection("m0", individual_id="i")
    record = store_maker.media("v.mp4", detections=[found, person], media_type="video", width=64, height=48)
    task = MediaTask(card / "v.mp4", record, Choice()(record, 0.2), tmp_path, hidden_in(record, blur))
    clip = tmp_path / record.media_id[:3] / f"{record.media_id}.mp4"
    clip.parent.mkdir()
    clip.touch()  # of a report without blurring that was stopped
    assert sum(made.name.endswith(".mp4") for made in make_report_pictures(task)) == clips
    assert clip.exists() == bool(clips)


def test_pictures_that_would_come_out_the_same_are_not_made_again(tmp_path, store_maker, card):
    found = store_maker.detection("m0", x=0.1)
    record = store_maker.media("a.jpg", detections=[found], width=400, height=300)
    task = MediaTask(card / "a.jpg", record, record.detections, tmp_path / "pictures")
    assert not EarlierPictures(task.folder)(task)  # there are none
    made = list(make_report_pictures(task))
    lines = [",".join(("picture", *COLUMNS)), *(",".join((each.name, *each.cells)) for each in made)]
    (task.folder / "index.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    assert EarlierPictures(task.folder)(task)
    moved = replace(task, shown=(replace(found, x=0.2),))
    assert not EarlierPictures(task.folder)(moved)
    assert not EarlierPictures(task.folder)(replace(task, hidden=(found,)))
    later_ns = (task.folder / "index.csv").stat().st_mtime_ns + 10**9
    os.utime(task.folder / made[0].name, ns=(later_ns, later_ns))  # a report that was stopped had begun to replace it
    assert not EarlierPictures(task.folder)(task)
    (task.folder / made[0].name).unlink()
    assert not EarlierPictures(task.folder)(task)
    (task.folder / "index.csv").write_bytes(b"\xff\xfe no table")
    assert not EarlierPictures(task.folder)(task)


def test_without_its_card_a_report_keeps_the_pictures_that_it_had(store_maker, card, capsys):
    folder = store_of(store_maker, card)
    assert main(["report", str(folder)]) == 0
    before = sorted(path.name for path in (folder / "report" / "pictures").rglob("*.jpg"))
    written = {path: path.stat().st_mtime_ns for path in (folder / "report" / "pictures").rglob("*.jpg")}
    assert main(["report", str(folder)]) == 0  # and makes none anew
    assert written == {path: path.stat().st_mtime_ns for path in (folder / "report" / "pictures").rglob("*.jpg")}
    card.rename(card.with_name("away"))
    assert main(["report", str(folder)]) == 1
    assert "is not there" in capsys.readouterr().err
    assert sorted(path.name for path in (folder / "report" / "pictures").rglob("*.jpg")) == before
    assert all(value & Flag.PICTURE for value in index_of(folder)["flags"])


def test_without_its_card_no_picture_stays_of_people_who_are_to_be_blurred_now(store_maker, card, capsys):
    folder = store_of(store_maker, card)
    assert main(["report", str(folder), "--blur", "none"]) == 0
    card.rename(card.with_name("away"))
    assert main(["report", str(folder)]) == 1
    assert "but for 1 with people to blur" in capsys.readouterr().err
    left = {path.name.split("-")[0] for path in (folder / "report" / "pictures").rglob("*.jpg")}
    assert left == {media_id("card", "v.mp4")}
    assert main(["report", str(folder), "--blur", "none"]) == 1
    assert "but for" not in capsys.readouterr().err


def test_boxes_that_were_never_shown_are_no_mistakes_of_names_though_a_person_says_nothing_of_the_whole_file(
    tmp_path, store_maker
):
    item = media_id("card", "a.jpg")
    nothing = {"reviewed_by": "ana", "suppressed": True, "candidates": (Candidate("Upupa epops", 0.5),)}
    found = [store_maker.detection(item, box=box, score=score, **nothing) for box, score in enumerate((0.9, 0.1, 0.06))]
    folder = store_maker.write(tmp_path / "store", [store_maker.media("a.jpg", detections=found)])
    export(folder, ["report"])
    assert summary_of(folder)["quality"]["birds"] == 1


def test_an_audit_is_told_in_the_words_of_decide(decided_store):
    entry = AuditEntry(
        passed_over=1000, sampled=300, with_birds=1, seen_with_birds=50, missed=0.0625, low=0.0017, high=0.27,
        confidence=0.95, score_threshold=0.2,
    )  # fmt: skip
    update_run(decided_store, lambda run: run.model_copy(update={"audit": entry}))
    export(decided_store, ["report"])
    assert "about 6.2% of all pictures with birds had been passed over" in summary_of(decided_store)["audit"]
